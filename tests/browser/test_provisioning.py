"""Settings → Provisioning and the request log as an administrator walks through them, in a real browser."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from scim_server.directory import access, clients
from scim_server.domain.connection import PRESETS
from tests.browser.desk import Desk
from tests.browser.look import NARROW, look_over, on_one_database
from tests.directory.desk import address
from tests.issuer import ISSUER, Issuer
from tests.support import MEDIA_TYPE

HOME = "/console/settings/provisioning"


def settings(page: Page, name: str) -> None:
    """The way there: Settings, then the link beside it."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").click()
    page.get_by_role("navigation", name="Settings").get_by_role("link", name=name).click()


def new_connection(page: Page, name: str, provider: str) -> None:
    """Make a connection; the page is then how it is set up."""
    settings(page, "Provisioning")
    page.get_by_role("link", name="New connection").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label(provider, exact=True).check()
    page.get_by_role("button", name="Make connection").click()
    expect(page.get_by_role("heading", level=1, name=f"Set up {name}")).to_be_visible()


def status(desk: Desk, token: str, method: str = "GET", path: str = "/Users", **more: object) -> int:
    """What a request with that token is answered."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": MEDIA_TYPE}
    with httpx.Client(base_url=f"{desk.site.served.url}/scim/v2", headers=headers) as http:
        answer = http.request(method, path, **more)  # type: ignore[arg-type]
    return answer.status_code


def come(page: Page, text: str) -> None:
    """Until a page has a text, which the log has a second after the request."""
    for _ in range(50):
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(100)
        page.reload()
    raise AssertionError(text)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_from_a_new_connection_to_a_sync_and_its_end(desk: Desk, scripts: bool) -> None:
    page = desk.signed_in("owner", scripts=scripts)
    new_connection(page, "Entra", "Microsoft Entra ID")
    expect(page.get_by_label("Tenant URL")).to_have_text(f"{desk.site.served.url}/scim/v2")
    expect(page.get_by_text("for the first request")).to_be_visible()
    page.get_by_role("link", name="Create a token").click()
    page.get_by_label("Days until it expires").fill("90")
    page.get_by_role("button", name="Create token").click()
    token = page.get_by_label("Token", exact=True).inner_text()
    assert re.fullmatch(r"scim_[\w-]{43}", token)
    assert token not in page.url

    assert status(desk, token, "POST", json={"userName": "kim@x.test"}) == 201
    page.reload()  # sends the form again
    expect(page.get_by_role("status")).to_contain_text("made already")
    assert len(access.list_tokens(desk.world.directory, desk.world.name, "Entra")) == 1
    page.get_by_role("link", name="Set-up, step by step").click()
    come(page, "Connected")
    assert token not in page.content()

    settings(page, "Provisioning")
    page.get_by_role("link", name="Entra", exact=True).click()
    page.get_by_role("link", name=re.compile("Revoke the token")).click()
    asked = page.get_by_role("dialog") if scripts else page.get_by_role("main")
    asked.get_by_role("link", name="Cancel").click()
    assert status(desk, token) == 200, "cancelled"
    page.get_by_role("link", name=re.compile("Revoke the token")).click()
    asked.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status")).to_contain_text("is revoked")
    assert status(desk, token) == 401


def test_copying_a_token(desk: Desk) -> None:
    page = desk.signed_in("owner")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    made = access.create_connection(desk.world.directory, desk.world.name, "Okta", "okta")
    page.goto(f"{HOME}/{made.id}/tokens/new")
    page.get_by_role("button", name="Create token").click()
    token = page.get_by_label("Token", exact=True)
    page.locator(".copyable", has=token).get_by_role("button", name="Copy").click()
    expect(page.locator(".copyable", has=token).get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token.inner_text()


@on_one_database
def test_the_log_says_why_a_sync_fails(desk: Desk) -> None:
    page, client = desk.signed_in("admin"), desk.world.client(preset="okta")
    assert status(desk, client.token, "POST", json={"userName": "kim@x.test", "displayName": "Kim Vale"}) == 201
    assert status(desk, client.token, "POST", json={"userName": "kim@x.test"}) == 409
    assert status(desk, client.token, "DELETE", f"/Users/{desk.world.owner_id}") == 403
    assert status(desk, client.token, path="/Users?filter=nothing") == 400
    settings(page, "Request log")
    come(page, "invalidFilter")
    look_over(page, "requests")
    page.get_by_label("Answer").select_option("409")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody").get_by_role("link", name="POST /scim/v2/Users").click()
    expect(page.get_by_role("heading", level=1, name="The userName is in use")).to_be_visible()
    look_over(page, "request-refused")
    page.goto("/console/settings/requests?status=201")
    page.locator("tbody").get_by_role("link", name="POST /scim/v2/Users").click()
    look_over(page, "request-done")
    page.get_by_role("link", name="Open kim@x.test").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Kim Vale")
    page.goto("/console/settings/requests?status=503")
    look_over(page, "requests-none")


@on_one_database
def test_each_page_looks_as_it_should(desk: Desk) -> None:
    page = desk.signed_in("owner")
    directory, name = desk.world.directory, desk.world.name
    settings(page, "Provisioning")
    page.goto(HOME)
    look_over(page, "provisioning-list")
    page.goto(f"{HOME}/new")
    look_over(page, "provisioning-new")
    page.get_by_label("Name", exact=True).fill(" ")
    page.get_by_role("button", name="Make connection").click()
    expect(page.get_by_role("alert")).to_contain_text("needs a name")
    look_over(page, "provisioning-new-refused")

    new_connection(page, "Entra", "Microsoft Entra ID")
    made = access.list_connections(directory, name)[-1]
    one = f"{HOME}/{made.id}"
    page.goto(one)
    look_over(page, "connection-empty")
    access.create_token(directory, name, "Entra", directory.random_bytes, expires_in_days=12)
    client, _, _ = clients.create_client(
        directory, name, "Entra", "Entra sync", redirect_uris=["https://idp.example/callback"], pkce=False
    )
    clients.create_trust(directory, name, "Entra", issuer=ISSUER, audience=address(), key_set=Issuer().key_set)
    page.goto(one)
    look_over(page, "connection")
    for path, shown in (
        ("settings", "connection-settings"),
        ("tokens/new", "token-new"),
        ("clients/new", "client-new"),
        (f"clients/{client.id}/rotate", "client-rotate"),
        (f"clients/{client.id}/revoke", "client-revoke"),
    ):
        page.goto(f"{one}/{path}")
        look_over(page, shown)
    page.goto(f"{one}/tokens/new")
    page.get_by_role("button", name="Create token").click()
    look_over(page, "token-made")
    page.goto(f"{one}/clients/{client.id}/rotate")
    page.get_by_role("button", name="Make another secret").click()
    look_over(page, "secret-made")
    page.goto(HOME)
    look_over(page, "provisioning")


@on_one_database
@pytest.mark.parametrize("preset", PRESETS)
def test_each_set_up_looks_as_it_should(desk: Desk, preset: str) -> None:
    made = access.create_connection(desk.world.directory, desk.world.name, preset.title(), preset)
    page = desk.signed_in("owner")
    page.goto(f"{HOME}/{made.id}/setup")
    look_over(page, f"setup-{preset}")


@on_one_database
def test_a_question_as_a_dialog_fits_a_phone(desk: Desk) -> None:
    made = access.create_connection(desk.world.directory, desk.world.name, "Okta", "okta")
    access.create_token(desk.world.directory, desk.world.name, "Okta", desk.world.directory.random_bytes)
    page = desk.signed_in("owner", width=NARROW)
    page.goto(f"{HOME}/{made.id}")
    page.get_by_role("link", name=re.compile("Revoke the token")).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    look_over(page, "token-revoke")
