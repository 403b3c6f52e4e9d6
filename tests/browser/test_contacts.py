"""Contacts in the console, step by step as the article on them says (R1 to R41), and what that on licences adds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Locator, Page, expect

from scim_server.directory import access, items, life
from scim_server.directory.items import NewItem
from scim_server.domain.contact import Event
from scim_server.domain.items import ItemKind
from tests.browser.desk import Desk, Person, assert_signed_in, assert_signed_out
from tests.browser.look import look_over, on_one_database, tab_through

both_ways = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])

LINK = "Send sign-in link"


def to_profile(page: Page, person: Person) -> None:
    """The person's profile, by the list."""
    page.goto("/console/contacts")
    page.locator("#main").get_by_role("link", name=person.name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(person.name)


def open_menu(page: Page) -> Locator:
    """The entries of the three-dot menu."""
    page.locator("summary.menu__button").click()
    return page.locator(".menu__item")


def ask(page: Page, entry: str) -> Locator:
    """The question that an entry of the menu asks: a dialog, or without scripts a page."""
    open_menu(page).get_by_text(entry, exact=True).click()
    question = page.locator("[data-dialog-content]")
    expect(question).to_be_visible()
    return question


def cancel(question: Locator) -> None:
    page = question.page
    question.get_by_role("link", name="Cancel").click()
    expect(question).to_have_count(0)
    page.reload()


def agree(question: Locator, button: str, told: str) -> None:
    """Press the question's button; the page that comes says what was done."""
    page = question.page
    question.get_by_role("button", name=button, exact=True).click()
    expect(page.locator(".notice--good")).to_contain_text(told)


def badges(page: Page) -> Locator:
    return page.locator(".head .badge")


def row_of(page: Page, person: Person) -> Locator:
    return page.get_by_role("row").filter(has_text=person.name)


def link_items(desk: Desk, person: Person) -> list[str]:
    """One item of each kind, linked to the person; their titles."""
    actor = access.operator(desk.world.directory, desk.world.name)
    titles = [f"{kind.value.capitalize()} number one" for kind in ItemKind]
    for kind, title in zip(ItemKind, titles, strict=True):
        items.add(desk.world.directory, actor, NewItem(kind=kind.value, title=title, owner_id=person.id))
    return titles


def expect_items(page: Page, titles: list[str]) -> None:
    expect(page.locator("section", has=page.locator("#items")).get_by_role("listitem")).to_have_text(titles)


@pytest.fixture
def priya(desk: Desk) -> Person:
    return desk.member("team", "Priya Raman", title="Photographer")


@both_ways
def test_r03_to_r14_r37_r43_r58_deactivate(desk: Desk, priya: Person, scripts: bool) -> None:
    titles, page = link_items(desk, priya), desk.signed_in("owner", scripts=scripts)
    theirs = desk.page(scripts=scripts)
    desk.sign_in(theirs, priya)
    assert_signed_in(theirs)
    to_profile(page, priya)
    box = page.locator("summary.menu__button").bounding_box()
    assert box is not None
    assert box["x"] > 1100, "top right (R7)"
    assert box["y"] < 200
    question = ask(page, "Deactivate")
    for words in ("can't sign in", "Inactive", "unlinked", "projects, invoices, proposals, contracts", "notified"):
        expect(question).to_contain_text(words)
    cancel(question)
    expect(badges(page)).to_have_text(["Active"])
    agree(ask(page, "Deactivate"), "Deactivate", "Priya Raman is deactivated.")
    expect(badges(page)).to_have_text(["Inactive"])
    expect(page.get_by_text("Not linked")).to_be_visible()
    expect_items(page, titles)
    assert_signed_out(theirs)
    desk.sign_in(theirs, priya)
    expect(theirs.get_by_role("alert")).to_be_visible()
    assert not desk.mails(priya.email)
    page.goto("/console/contacts")
    expect(row_of(page, priya).locator(".badge")).to_have_text(["Inactive"])


@both_ways
def test_r15_to_r21_invite_again(desk: Desk, priya: Person, scripts: bool) -> None:
    titles, page = link_items(desk, priya), desk.signed_in("owner", scripts=scripts)
    desk.people.set_active(priya.id, False)
    to_profile(page, priya)
    expect(open_menu(page)).to_have_text(["Invite", "Activate", "Change role", "Archive contact", "Delete contact"])
    page.reload()
    question = ask(page, "Invite")
    expect(question.get_by_role("radio")).to_have_count(2)
    expect(question.get_by_label(priya.email)).to_be_checked()
    cancel(question)
    expect(badges(page)).to_have_text(["Inactive"])
    agree(ask(page, "Invite"), "Send invitation", priya.email)
    expect(badges(page)).to_have_text(["Invited"])
    (mail,) = desk.mails(priya.email)
    theirs = desk.page(scripts=scripts)
    desk.sign_in(theirs, priya)
    expect(theirs.get_by_role("alert")).to_be_visible()
    theirs.goto(mail.link)
    theirs.get_by_label("Password").fill(priya.password)
    theirs.get_by_role("button", name="Accept and sign in").click()
    assert_signed_in(theirs)
    page.reload()
    expect(badges(page)).to_have_text(["Active"])
    expect_items(page, titles)


def test_r19_a_new_address_and_another_mail(desk: Desk, priya: Person) -> None:
    desk.people.set_active(priya.id, False)
    page, other = desk.signed_in("owner"), f"other@{desk.world.name}.test"
    to_profile(page, priya)
    question = ask(page, "Invite")
    question.get_by_label("Another address", exact=True).check()
    question.get_by_label("The other address").fill(other)
    agree(question, "Send invitation", other)
    assert (len(desk.mails(other)), desk.mails(priya.email)) == (1, [])
    agree(ask(page, "Resend invitation"), "Send again", other)
    first, second = desk.mails(other)
    assert first.link != second.link
    agree(ask(page, "Take back invitation"), "Take it back", "taken back")
    expect(badges(page)).to_have_text(["Inactive"])


@both_ways
def test_r22_to_r30_r38_archive(desk: Desk, priya: Person, scripts: bool) -> None:
    titles, page = link_items(desk, priya), desk.signed_in("owner", scripts=scripts)
    to_profile(page, priya)
    cancel(ask(page, "Archive contact"))
    expect(badges(page)).to_have_text(["Active"])
    agree(ask(page, "Archive contact"), "Archive contact", "is archived")
    expect(badges(page)).to_have_text(["Active", "Archived"])
    expect_items(page, titles)
    theirs = desk.page()
    desk.sign_in(theirs, priya)
    assert_signed_in(theirs)
    page.get_by_role("link", name="Contacts").first.click()
    expect(row_of(page, priya)).to_have_count(0)
    toggle = page.get_by_role("button", name="Archived")
    expect(toggle).to_have_attribute("aria-pressed", "false")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(row_of(page, priya).locator(".badge")).to_have_text(["Active", "Archived"])
    page.get_by_label("Name or e-mail").fill("priya")
    page.get_by_role("button", name="Search").click()
    expect(row_of(page, priya)).to_have_count(1)
    expect(page.get_by_role("button", name="Archived")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name=priya.name).click()
    expect(open_menu(page)).to_have_text(["Deactivate", "Change role", LINK, "Unarchive contact", "Delete contact"])
    page.reload()
    agree(ask(page, "Unarchive contact"), "Unarchive contact", "back in the list")
    page.goto("/console/contacts")
    expect(row_of(page, priya).locator(".badge")).to_have_text(["Active"])


@both_ways
def test_r31_to_r36_r42_r45_r55_r61_r62_delete(desk: Desk, priya: Person, scripts: bool) -> None:
    titles, page = link_items(desk, priya), desk.signed_in("owner", scripts=scripts)
    heir = desk.member("team", "Hana Sato")
    to_profile(page, priya)
    address = page.url
    question = ask(page, "Delete contact")
    for words in ("can't be undone", "Deactivating is recommended", "may need access again", "projects, invoices"):
        expect(question).to_contain_text(words)
    cancel(question)
    expect(badges(page)).to_have_text(["Active"])
    question = ask(page, "Delete contact")
    question.get_by_label("Hand their linked items to").fill(heir.email)
    agree(question, "Delete contact", "Priya Raman is deleted for good. Their linked items belong to Hana Sato now.")
    assert page.goto(address).status == 404  # type: ignore[union-attr]
    for query in ("?archived=1", "?q=priya&archived=1"):
        page.goto(f"/console/contacts{query}")
        expect(row_of(page, priya)).to_have_count(0)
    to_profile(page, heir)
    expect_items(page, titles)
    page.goto("/console/activity")
    expect(page.get_by_text("Deleted user").first).to_be_visible()
    expect(page.get_by_text("Priya")).to_have_count(0)


def test_r42_deactivate_instead(desk: Desk, priya: Person) -> None:
    page = desk.signed_in("owner")
    to_profile(page, priya)
    ask(page, "Delete contact").get_by_role("link", name="Deactivate instead").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deactivate Priya Raman?")


def test_r01_r40_r41_what_whom_is_offered(desk: Desk, priya: Person) -> None:
    owner = desk.person("owner")
    page, team = desk.signed_in("owner"), desk.signed_in("team")
    to_profile(page, priya)
    expect(open_menu(page)).to_have_text(["Deactivate", "Change role", LINK, "Archive contact", "Delete contact"])
    to_profile(page, owner)
    expect(open_menu(page)).to_have_text(["Archive contact"])
    to_profile(team, priya)
    expect(open_menu(team)).to_have_text(["Change role", LINK, "Archive contact"])
    for act in ("deactivate", "delete"):
        path = f"/console/contacts/{priya.id}/{act}"
        assert team.goto(path).status == 403  # type: ignore[union-attr]
        token = team.locator("input[name=csrf_token]").first.get_attribute("value")
        answer = team.request.post(path, form={"csrf_token": token or ""}, max_redirects=0)
        assert answer.status == 403
    to_profile(page, priya)
    expect(badges(page)).to_have_text(["Active"])


def test_r44_r51_r52_r53_the_last_seat(desk: Desk) -> None:
    desk = replace(desk, world=desk.site.world(seats=2))
    priya = desk.member("team", "Priya Raman")
    waiting = desk.people.person(f"new@{desk.world.name}.test", displayName="New Hire")
    page = desk.signed_in("owner")
    page.goto(f"/console/contacts/{waiting}")
    question = ask(page, "Activate")
    question.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("alert")).to_contain_text("No free 'member' seat: 2 purchased, 2 assigned")
    expect(page.get_by_role("link", name="Add seats")).to_have_attribute("href", "/console/settings/licences/add")
    to_profile(page, priya)
    agree(ask(page, "Deactivate"), "Deactivate", "is deactivated")
    page.goto(f"/console/contacts/{waiting}")
    agree(ask(page, "Activate"), "Activate", "New Hire is active")
    expect(badges(page)).to_have_text(["Active"])


@both_ways
def test_a_new_contact_by_hand_and_an_edit(desk: Desk, scripts: bool) -> None:
    page = desk.signed_in("owner", scripts=scripts)
    page.goto("/console/contacts")
    page.get_by_role("link", name="New contact").click()
    page.get_by_label("First name").fill("Ines")
    page.get_by_label("Last name").fill("Duarte")
    page.get_by_label("userName").fill("ines@x.test")
    page.get_by_label("E-mail").fill("ines@x.test")
    page.get_by_role("button", name="Add contact").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ines Duarte")
    expect(badges(page)).to_have_text(["Not invited"])
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Job title").fill("Florist")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Florist")).to_be_visible()
    question = ask(page, "Change role")
    question.get_by_label("Role").select_option(label="Client")
    agree(question, "Save role", "is Client")


def test_by_keyboard_alone(desk: Desk, priya: Person) -> None:
    page = desk.signed_in("owner")
    for path in ("", "/new", f"/{priya.id}", f"/{priya.id}/delete", f"/{priya.id}/edit"):
        page.goto(f"/console/contacts{path}")
        assert tab_through(page)
    to_profile(page, priya)
    button = page.locator("summary.menu__button")
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("Deactivate", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Deactivate Priya Raman?")).to_be_visible()
    tab_through(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def _people(desk: Desk, priya: Person) -> tuple[str, str]:
    """A workspace with somebody of each kind; an invited and an archived one's ids."""
    link_items(desk, priya)
    people, client = desk.people, desk.world.client()
    client.group("Everyone", client.group("Photographers", priya.id)["id"])
    client.user("zoe@x.test", displayName="Zoë Andersson", externalId="00u1")
    client.user("b@x.test", displayName="Bartholomew Featherstonehaugh-Cholmondeley", active=False)
    both = [{"value": "kim@x.test", "type": "work", "primary": True}, {"value": "kim.lind@home.test", "type": "home"}]
    invited = people.person("kim@x.test", displayName="Kim Lind", emails=both)
    people.invite(invited)
    archived = people.person("old@x.test", displayName="Old Friend")
    actor = access.operator(desk.world.directory, desk.world.name)
    life.act(desk.world.directory, actor, archived, Event.ARCHIVE)
    return invited, archived


PAGES = ("edit", "role", "sign-in-link", "deactivate", "archive", "delete")


@on_one_database
def test_looks_of_the_list(desk: Desk, priya: Person) -> None:
    page = desk.signed_in("owner")
    _people(desk, priya)
    for query, name in (("?archived=1", "contacts"), ("?q=nobody", "contacts-none"), ("/new", "contact-new")):
        page.goto(f"/console/contacts{query}")
        look_over(page, name)
    alone = replace(desk, world=desk.site.world(), _known={})
    page = alone.signed_in("owner")
    page.goto("/console/contacts")
    look_over(page, "contacts-alone")


@on_one_database
def test_looks_of_a_profile(desk: Desk, priya: Person) -> None:
    page = desk.signed_in("owner")
    invited, archived = _people(desk, priya)
    for path, name in (
        (priya.id, "contact"),
        (invited, "contact-invited"),
        (archived, "contact-archived"),
        *((f"{priya.id}/{act}", f"contact-{act}") for act in PAGES),
        *((f"{archived}/{act}", f"contact-{act}") for act in ("activate", "invite", "unarchive")),
        *((f"{invited}/{act}", f"contact-{act}") for act in ("resend", "revoke-invitation")),
    ):
        page.goto(f"/console/contacts/{path}")
        look_over(page, name)


@on_one_database
def test_looks_of_menu_and_dialog(desk: Desk, priya: Person) -> None:
    page = desk.signed_in("owner")
    to_profile(page, priya)
    expect(open_menu(page).first).to_be_visible()
    look_over(page, "contact-menu", by_keyboard=False)
    page.reload()
    ask(page, "Delete contact")
    look_over(page, "contact-dialog")
