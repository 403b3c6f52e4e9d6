"""Settings → Users as somebody finds it who has read how to deactivate a user: R48 to R53 and R41, step by step."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from scim_server.directory import access, seats
from tests.browser.desk import Desk, assert_signed_in, assert_signed_out
from tests.browser.look import look_over, on_one_database, tab_through

SURE = "Are you sure you want to deactivate this user?"


def pick(page: Page, name: str) -> None:
    """The way there: Settings, then Users, then the user."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Users").click()
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()


def test_r48_to_r51_deactivate_and_activate(desk: Desk) -> None:
    ann = desk.member("team", "Ann Lee")
    theirs, page = desk.page(), desk.signed_in("owner")
    desk.sign_in(theirs, ann)
    assert_signed_in(theirs)
    pick(page, "Ann Lee")
    expect(page.get_by_role("link", name="Ann Lee")).to_have_attribute("aria-current", "true")
    link = page.get_by_role("link", name="Deactivate User")
    panel, box = page.locator(".pick__panel").bounding_box(), link.bounding_box()
    assert panel
    assert box
    assert panel["x"] + panel["width"] - box["x"] - box["width"] < 40, "at the right"
    assert panel["y"] + panel["height"] - box["y"] - box["height"] < 40, "at the bottom"

    link.click()
    dialog = page.get_by_role("dialog", name=SURE)
    expect(dialog).to_contain_text("Ann Lee")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_have_count(0)
    expect(link).to_be_focused()
    page.reload()
    expect(page.locator(".pick__panel").get_by_text("Active: can sign in")).to_be_visible()

    link.click()
    dialog.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("status")).to_have_text("Ann Lee is deactivated.")
    expect(page.get_by_role("heading", level=2, name="Ann Lee")).to_be_visible()
    expect(page.get_by_text("Inactive: can't sign in")).to_be_visible()
    expect(page.get_by_role("link", name="Deactivate User")).to_have_count(0)
    assert_signed_out(theirs)
    desk.sign_in(theirs, ann)
    expect(theirs.get_by_role("alert")).to_be_visible()
    assert desk.mails(ann.email) == []

    page.get_by_role("button", name="Activate User").click()
    expect(page.get_by_role("status")).to_have_text("Ann Lee is active and can sign in again.")
    expect(page.get_by_role("link", name="Deactivate User")).to_be_visible()
    desk.sign_in(theirs, ann)
    assert_signed_in(theirs)


def test_the_same_without_scripts(desk: Desk) -> None:
    desk.member("team", "Ann Lee")
    page = desk.signed_in("admin", scripts=False)
    pick(page, "Ann Lee")
    page.get_by_role("link", name="Deactivate User").click()
    expect(page.get_by_role("heading", level=1, name=SURE)).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", level=2, name="Ann Lee")).to_be_visible()
    page.get_by_role("link", name="Deactivate User").click()
    page.get_by_role("button", name="Yes").click()
    page.get_by_role("button", name="Activate User").click()
    expect(page.get_by_role("link", name="Deactivate User")).to_be_visible()


def test_by_keyboard_alone(desk: Desk) -> None:
    ann = desk.member("team", "Ann Lee")
    page = desk.signed_in("owner")
    page.goto(f"/console/settings/users?user={ann.id}")
    stops = tab_through(page)
    assert any("Deactivate User" in stop or "/deactivate" in stop for stop in stops)
    page.get_by_role("link", name="Deactivate User").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=SURE)).to_be_visible()
    tab_through(page)
    page.get_by_role("button", name="Yes").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Activate User").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Deactivate User")).to_be_visible()


def test_r52_r53_a_full_pool_says_so_and_leads_to_more_seats(desk: Desk) -> None:
    ann = desk.member("team", "Ann Lee")
    page = desk.signed_in("owner")
    actor = access.operator(desk.world.directory, desk.world.name)
    pool = seats.show(desk.world.directory, actor, "member")[0].pool
    pick(page, "Ann Lee")
    page.get_by_role("link", name="Deactivate User").click()
    page.get_by_role("button", name="Yes").click()
    client = desk.world.client()
    for number in range(pool.available + 1):
        client.user(f"u{number}@{desk.world.name}.test")
    page.get_by_role("button", name="Activate User").click()
    expect(page.get_by_role("alert")).to_contain_text(f"No free 'member' seat: {pool.purchased} purchased")
    expect(page.get_by_text("Inactive: can't sign in")).to_be_visible()
    look_over(page, "users-no-seat")
    page.get_by_role("link", name="Add seats").click()
    page.get_by_label("Seats to add").fill("1")
    page.get_by_role("button", name="Add seats").click()
    page.goto(f"/console/settings/users?user={ann.id}")
    page.get_by_role("button", name="Activate User").click()
    expect(page.get_by_role("status")).to_contain_text("is active")


def test_r41_r40_what_is_not_offered(desk: Desk) -> None:
    ann = desk.member("team", "Ann Lee")
    page = desk.signed_in("owner")
    page.goto(f"/console/settings/users?user={desk.world.owner_id}")
    expect(page.get_by_text("The workspace owner can't be deactivated.")).to_be_visible()
    expect(page.get_by_role("link", name="Transfer ownership first")).to_be_visible()
    expect(page.get_by_role("link", name="Deactivate User")).to_have_count(0)
    look_over(page, "users-owner")
    team = desk.signed_in("team")
    team.goto(f"/console/settings/users?user={ann.id}")
    expect(team.get_by_text("takes the Delete permission on contacts")).to_be_visible()
    expect(team.get_by_text("Deactivate User")).to_have_count(0)
    look_over(team, "users-team")


@on_one_database
def test_how_it_looks(desk: Desk) -> None:
    ann = desk.member("team", "Ann Lee", title="Engineer")
    client = desk.world.client()
    for number, name in enumerate(("Björn Ødegård", "Carmen Ruiz", "Dana Whitfield", "Elif Yilmaz", "F" * 60)):
        user = {"displayName": name, "active": number != 2, "emails": [{"value": f"person.{number}@example.com"}]}
        client.user(f"person.{number}@{desk.world.name}.test", **user)
    people = desk.people
    people.invite(people.person(f"gus@{desk.world.name}.test", displayName="Gus Invited"))
    page = desk.signed_in("owner")
    page.goto("/console/settings/users")
    look_over(page, "users")
    page.goto(f"/console/settings/users?user={ann.id}")
    look_over(page, "users-picked")
    page.get_by_role("link", name="Deactivate User").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look_over(page, "users-deactivate")
    page.goto(f"/console/settings/users/{ann.id}/deactivate")
    look_over(page, "users-deactivate-page")
    page.get_by_role("button", name="Yes").click()
    look_over(page, "users-deactivated")
    page.goto("/console/settings/users?q=nobody")
    expect(page.get_by_text("Nobody found")).to_be_visible()
    look_over(page, "users-nobody")
