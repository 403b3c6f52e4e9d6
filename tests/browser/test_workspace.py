"""Settings of the workspace in a browser: its name, its billing day, and ownership that changes hands (T15, R40)."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.desk import Desk, assert_signed_in
from tests.browser.look import look_over, tab_through

PAGE = "/console/settings/workspace"


def test_t15_r40_the_owner_hands_the_workspace_over(desk: Desk) -> None:
    admin = desk.person("admin")
    desk.person("team")
    page = desk.signed_in("owner")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Workspace", exact=True).click()
    look_over(page, "workspace")
    page.get_by_role("link", name="Transfer ownership").click()
    page.get_by_label("Name, userName or e-mail").fill("nobody at all")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody found")).to_be_visible()
    look_over(page, "transfer-nobody")
    page.get_by_label("Name, userName or e-mail").fill("am")
    page.get_by_role("button", name="Search").click()
    look_over(page, "transfer-search")
    page.get_by_role("link", name=f"Choose {admin.name}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hand the workspace over to {admin.name}?")
    look_over(page, "transfer-question")
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("li", has_text=admin.name)).to_contain_text("Admin")
    page.goto(f"{PAGE}/transfer?to={admin.id}")
    tab_through(page)
    page.get_by_role("button", name="Transfer ownership").click()
    expect(page.get_by_role("status")).to_have_text(f"{admin.name} owns the workspace now. Your role is Admin.")
    expect(page.get_by_role("link", name="Transfer ownership")).to_have_count(0)
    look_over(page, "workspace-handed-over")


def test_handing_over_to_a_team_member_warns_of_what_is_lost(desk: Desk) -> None:
    team = desk.person("team")
    page = desk.signed_in("owner")
    page.goto(f"{PAGE}/transfer?to={team.id}")
    expect(page.get_by_text("To stay an administrator")).to_be_visible()
    look_over(page, "transfer-question-team")
    page.get_by_role("button", name="Transfer ownership").click()
    expect(page.get_by_text(f"{team.name} owns the workspace now. Your role is Team member.")).to_be_visible()
    page.goto(PAGE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")
    assert_signed_in(page)
    look_over(page, "not-allowed")


def test_another_name_and_another_billing_day(desk: Desk) -> None:
    page = desk.signed_in("admin")
    page.goto(PAGE)
    page.get_by_role("link", name="Rename").click()
    look_over(page, "workspace-rename")
    page.get_by_label("Name").fill(f"{desk.world.name} & Sons")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator(".bar__name")).to_have_text(f"{desk.world.name} & Sons")
    page.get_by_role("link", name="Change the billing day").click()
    page.get_by_label("Day of the month").fill("15")
    look_over(page, "workspace-billing-day")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("dd", has_text="Day 15 of the month")).to_be_visible()


def test_a_page_that_is_not_there_keeps_the_bar(desk: Desk) -> None:
    page = desk.signed_in("owner")
    page.goto("/console/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    assert_signed_in(page)
    look_over(page, "not-found")
