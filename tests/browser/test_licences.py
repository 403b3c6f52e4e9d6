"""Settings → Licences: what is there and in use, how it went, and what is done about it (R44, R47, R52, R53)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from scim_server.directory import access, seats
from scim_server.domain.seats import Policy
from tests.browser.desk import Desk
from tests.browser.look import look_over, on_one_database, tab_through

ANALYST = [{"type": "license", "value": "analyst"}]
HISTORY = ((300, 20, 6), (240, 0, 7), (170, 10, 9), (90, 0, 5), (20, 0, 4))  # days ago, seats added, people come


def opened(page: Page) -> None:
    """The way there: Settings, then Licences."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Licences").click()
    expect(page.get_by_role("heading", level=1, name="Licences")).to_be_visible()


def number(page: Page, licence: str, name: str) -> str:
    """What a licence type's card says of one counter."""
    card = page.get_by_role("region", name=licence, exact=True)
    return card.locator(".numbers > div", has_text=name).locator("dd").first.inner_text()


def with_history(desk: Desk) -> None:
    """A licence type 'analyst' that was bought and used in the course of a year."""
    people = desk.people
    for back, added, come in HISTORY:
        people.now = datetime.now(UTC) - timedelta(days=back)
        actor = access.operator(people.directory, desk.world.name)
        if back == HISTORY[0][0]:
            seats.add_licence(people.directory, actor, "analyst", counted=True)
        if added:
            seats.add(people.directory, actor, "analyst", added)
        for index in range(come):
            name = f"a{back}-{index}@{desk.world.name}.test"
            gone = people.person(name, active=True, entitlements=ANALYST)
            if index % 4 == 3:
                people.now += timedelta(days=9)
                people.set_active(gone, False)


def test_seats_are_added_reduced_and_kept(desk: Desk) -> None:
    page = desk.signed_in("admin")
    opened(page)
    before = int(number(page, "member", "Purchased"))
    page.get_by_role("link", name="Add seats (member)").click()
    page.get_by_label("Seats to add").fill("5")
    page.get_by_role("button", name="Add seats").click()
    expect(page.get_by_role("status")).to_have_text(f"5 'member' seats added; {before + 5} are purchased now.")
    assert number(page, "member", "Purchased") == str(before + 5)

    page.get_by_role("link", name="Schedule a reduction (member)").click()
    expect(page.get_by_text("from the next billing cycle on")).to_be_visible()
    look_over(page, "licences-reduce")
    page.get_by_label("Seats to go").fill("5")
    page.get_by_role("button", name="Schedule the reduction").click()
    expect(page.get_by_role("status")).to_contain_text("5 'member' seats will go on ")
    assert number(page, "member", "Purchased") == str(before + 5), "not before its day (R47)"
    expect(page.get_by_text("5 seats fewer")).to_be_visible()

    page.get_by_role("link", name="Cancel the reduction by 5").click()
    dialog = page.get_by_role("dialog", name="Cancel this reduction?")
    look_over(page, "licences-cancel")
    dialog.get_by_role("link", name="Keep it").click()
    expect(page.get_by_text("5 seats fewer")).to_be_visible()
    page.get_by_role("link", name="Cancel the reduction by 5").click()
    dialog.get_by_role("button", name="Cancel the reduction").click()
    expect(page.get_by_role("status")).to_have_text("The reduction by 5 'member' seats is cancelled.")
    expect(page.get_by_text("5 seats fewer")).to_have_count(0)


def test_r44_r47_deactivating_frees_a_seat_and_buys_no_fewer(desk: Desk) -> None:
    ann = desk.member("team", "Ann Lee")
    page = desk.signed_in("owner")
    opened(page)
    names = ("Purchased", "Assigned", "Available")
    before = [int(number(page, "member", name)) for name in names]
    page.goto(f"/console/settings/users?user={ann.id}")
    page.get_by_role("link", name="Deactivate User").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("button", name="Activate User")).to_be_visible()
    opened(page)
    assert [int(number(page, "member", name)) for name in names] == [before[0], before[1] - 1, before[2] + 1]
    page.get_by_role("link", name="Ledger (member)").click()
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("Freed")
    expect(row).to_contain_text("Ann Lee")
    expect(row).to_contain_text("Olivia Hart deactivated")
    row.get_by_role("link", name="Ann Lee").click()
    expect(page.get_by_role("heading", level=2, name="Ann Lee")).to_be_visible()


def test_a_policy_is_chosen_and_over_is_warned_about(desk: Desk) -> None:
    client = desk.world.client()
    page = desk.signed_in("owner")
    opened(page)
    page.get_by_role("link", name="New licence type").click()
    page.get_by_label("Name").fill("analyst")
    look_over(page, "licences-new")
    page.get_by_role("button", name="Make licence type").click()
    page.get_by_role("link", name="When none is free (analyst)").click()
    expect(page.get_by_label("is refused (block)")).to_be_checked()
    page.get_by_label("gets a seat that is over (allow)").check()
    look_over(page, "licences-policy")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("their seats are over, when no 'analyst' seat is free")
    client.user("over@x.test", displayName="Olga Over", entitlements=ANALYST)
    page.reload()
    assert number(page, "analyst", "Over") == "1"
    expect(page.get_by_text("1 seat is in use beyond the 0 purchased")).to_be_visible()
    page.get_by_role("link", name="Who holds seats (analyst)").click()
    expect(page.get_by_role("row", name="Olga Over")).to_contain_text("Over")
    page.get_by_label("Seat", exact=True).select_option("reserved")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Nobody holds such a seat")).to_be_visible()
    look_over(page, "licences-nobody")


@on_one_database
def test_how_it_looks(desk: Desk) -> None:
    with_history(desk)
    page = desk.signed_in("owner")
    directory = desk.world.directory
    actor = access.operator(directory, desk.world.name)
    seats.reduce(directory, actor, "analyst", 20)
    seats.set_policy(directory, actor, "member", Policy.ALLOW)
    opened(page)
    chart = page.get_by_role("img", name="Use of 'analyst' seats over time")
    expect(chart).to_be_visible()
    look_over(page, "licences")
    page.get_by_text("The same as a table").first.click()
    expect(page.get_by_role("region", name="Use of 'analyst' seats by day")).to_be_visible()
    look_over(page, "licences-table")
    page.goto("/console/settings/licences/add")
    look_over(page, "licences-add")
    page.goto("/console/settings/licences/holders")
    look_over(page, "licences-holders")
    page.goto("/console/settings/licences/ledger")
    look_over(page, "licences-ledger")


def test_a_reduction_that_waits_is_warned_about(desk: Desk) -> None:
    people = desk.people
    people.now = datetime.now(UTC) - timedelta(days=70)
    actor = access.operator(people.directory, desk.world.name)
    seats.add_licence(people.directory, actor, "analyst", counted=True)
    seats.add(people.directory, actor, "analyst", 2)
    for name in ("Ann", "Bob"):
        people.person(f"{name}@{desk.world.name}.test", active=True, entitlements=ANALYST)
    seats.reduce(people.directory, actor, "analyst", 1)
    page = desk.signed_in("owner")
    opened(page)
    expect(page.get_by_text("Waiting", exact=True)).to_be_visible()
    expect(page.get_by_text("The reduction by 1 'analyst' seats has been due since")).to_be_visible()
    assert number(page, "analyst", "Withheld") == "1"
    look_over(page, "licences-waiting")


def test_by_keyboard_alone(desk: Desk) -> None:
    page = desk.signed_in("owner")
    for end in ("", "/add", "/reduce", "/policy?type=member", "/new", "/holders", "/ledger"):
        page.goto(f"/console/settings/licences{end}")
        tab_through(page)
    page.goto("/console/settings/licences/add")
    expect(page.locator("input:focus")).to_be_visible()  # autofocus comes after the page
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("3 'member' seats added")


def test_a_team_member_has_no_licences(desk: Desk) -> None:
    page = desk.signed_in("team")
    page.goto("/console/settings/licences")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    expect(page.get_by_role("navigation", name="Settings").get_by_role("link", name="Licences")).to_have_count(0)
