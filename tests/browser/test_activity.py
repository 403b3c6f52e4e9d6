"""The activity log in a browser: rows, filters, the download, and how it looks."""

from __future__ import annotations

import csv
from pathlib import Path

from playwright.sync_api import expect

from scim_server.directory import life, seats
from scim_server.domain.actor import system
from tests.browser.desk import Desk
from tests.browser.look import look_over

PAGE = "/console/activity"


def busy(desk: Desk) -> str:
    """A workspace in which something has happened; the id of Ann Lee, who is deactivated."""
    client, actor = desk.world.client(preset="okta"), system(desk.world.workspace_id)
    ann = client.user("ann.lee@acme.test", displayName="Ann Lee", emails=[{"value": "ann.lee@acme.test"}])["id"]
    gone = client.user("gone@acme.test", displayName="Gone Person")["id"]
    client.group("Sales", ann)
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "title", "value": "Director of Very Long Titles"})
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": False})
    life.delete(desk.world.directory, actor, gone, reassign_to=ann)
    seats.add(desk.world.directory, actor, "member", 25)
    return str(ann)


def test_r45b_r46_the_log_names_who_is_there_and_nobody_who_is_deleted(desk: Desk) -> None:
    ann = busy(desk)
    page = desk.signed_in("admin")
    page.get_by_role("link", name="Activity").click()
    table = page.get_by_role("table", name="Activity, newest first")
    expect(table.get_by_role("row").filter(has_text="Deactivated: Ann Lee")).to_contain_text("active")
    expect(table.get_by_role("row").filter(has_text="Deleted: Deleted user")).to_have_count(1)
    expect(page.locator("body")).not_to_contain_text("Gone Person")
    look_over(page, "activity")
    table.get_by_role("link", name="Ann Lee").first.click()
    expect(page).to_have_url(f"{desk.site.served.url}/console/contacts/{ann}")


def test_filters_and_the_download(desk: Desk, folder: Path) -> None:
    busy(desk)
    page = desk.signed_in("owner")
    page.goto(PAGE)
    page.get_by_label("Person").fill("ann.lee@acme.test")
    page.get_by_label("Act", exact=True).select_option(label="Deactivated")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        assert [(each["act"], each["subject"]) for each in csv.DictReader(lines)] == [
            ("contact.deactivated", "Ann Lee")
        ]
    page.get_by_role("link", name="Clear filters").click()
    page.get_by_label("Last day").fill("2020-01-31")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("Nothing found")).to_be_visible()
    look_over(page, "activity-nothing-found")
    page.goto(f"{PAGE}?person=nobody")
    expect(page.get_by_role("alert")).to_contain_text("no contact with the userName or id 'nobody'")
    look_over(page, "activity-unknown-person")
