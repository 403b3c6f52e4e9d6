"""Settings → Provisioning: connections, tokens, clients, trusts, settings and set-up, in a browser without scripts."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select

from scim_server.directory import access, clients
from scim_server.directory.requests import Wanted, newest
from scim_server.domain.actor import system
from scim_server.domain.connection import PRESETS, Settings
from scim_server.http.console import guide_document
from scim_server.http.console.guides import GUIDES
from scim_server.http.console.provisioning import SETTINGS
from scim_server.storage.db import reading
from scim_server.storage.tables import metadata
from tests.directory.desk import address
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.issuer import AUDIENCE, ISSUER, Issuer
from tests.support import Client, World, new_world
from tests.test_docs import ROOT

HOME = "/console/settings/provisioning"
FORMS = ("/settings", "/tokens/new", "/clients/new")


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


@pytest.fixture
def page(world: World, owner: Browser) -> str:
    """The path of a new connection's page."""
    answer = owner.send(f"{HOME}/new", f"{HOME}/new", name="entra", preset="entra")
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removesuffix("/setup")


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def shown(owner: Browser, path: str) -> str:
    answer = owner.get(path)
    assert answer.status_code == 200, answer.text
    return words(answer.text)


def secret_in(text: str, prefix: str) -> str:
    found = set(re.findall(rf"{prefix}_[\w-]{{43}}", text))
    assert len(found) == 1, found
    return str(found.pop())


def everything(world: World) -> str:
    """All that the database holds, as text."""
    with reading(world.directory.engine) as db:
        return "\n".join(str(row) for table in metadata.sorted_tables for row in db.execute(select(table)))


def create_token(owner: Browser, page: str, **fields: str) -> str:
    """Fill in the form with all boxes but `scim` left empty, and send it: the page that answers."""
    form = owner.form(f"{page}/tokens/new", f"{page}/tokens/new")
    kept = {name: value for name, value in form.items() if not name.startswith("scope.")}
    answer = owner.open("POST", f"{page}/tokens/new", {**kept, "scope.scim": "yes", **fields})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_new_connection_is_listed_and_leads_to_its_set_up(world: World, owner: Browser) -> None:
    assert "No connections yet" in shown(owner, HOME)
    answer = owner.send(f"{HOME}/new", f"{HOME}/new", name="Staff sync", preset="okta")
    assert answer.status_code == 303
    (made,) = access.list_connections(world.directory, world.name)
    assert (made.name, made.preset) == ("Staff sync", "okta")
    assert answer.headers["Location"] == f"{HOME}/{made.id}/setup"
    assert "Set up Staff sync" in shown(owner, answer.headers["Location"])
    assert "Staff sync Okta 0 tokens" in shown(owner, HOME)
    twice = owner.send(f"{HOME}/new", f"{HOME}/new", name="staff sync", preset="entra")
    assert twice.status_code == 403
    assert "has a connection named" in words(twice.text)
    assert 'value="staff sync"' in twice.text, "what was typed is kept"
    assert re.search(r'value="entra" checked', twice.text)


def test_a_token_works_at_once_and_is_seen_once(world: World, owner: Browser, page: str) -> None:
    made = create_token(owner, page, days="30")
    text = secret_in(made, "scim")
    assert f"http://localhost{'/scim/v2'}" in made
    client = Client(world.app, text)
    assert client.get("/Users").status == 200
    world.app.extensions["guard"].log.flush()
    assert text not in everything(world)
    assert text not in str(owner.cookie)
    assert all(text not in owner.get(path).text for path in (page, f"{page}/setup", HOME, "/console/settings/requests"))
    assert f"…{text[-4:]}" in shown(owner, page)
    assert "Last used" in shown(owner, page)


def test_a_reload_of_the_page_with_a_token_makes_no_other(world: World, owner: Browser, page: str) -> None:
    form = owner.form(f"{page}/tokens/new", f"{page}/tokens/new")
    assert owner.open("POST", f"{page}/tokens/new", form).status_code == 200
    again = owner.open("POST", f"{page}/tokens/new", form)
    assert again.headers["Location"] == page
    assert "made already" in shown(owner, page)
    assert len(access.list_tokens(world.directory, world.name, "entra")) == 1
    create_token(owner, page)
    assert len(access.list_tokens(world.directory, world.name, "entra")) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"days": "0"}, "expires in 1 to 3650 days"),
        ({"days": "soon"}, "whole number"),
        ({"days": "9" * 5000}, "whole number"),
        ({"scope.scim": ""}, "at least one"),
    ],
)
def test_a_token_that_can_not_be_is_told_in_the_form(
    world: World, owner: Browser, page: str, fields: dict[str, str], said: str
) -> None:
    form = owner.form(f"{page}/tokens/new", f"{page}/tokens/new")
    kept = {name: value for name, value in form.items() if not name.startswith("scope.")}
    scopes = {} if "scope.scim" in fields else {"scope.groups:view": "yes", **fields}
    answer = owner.open("POST", f"{page}/tokens/new", {**kept, **scopes})
    assert answer.status_code == 403
    assert said in words(answer.text)
    assert ("scope.groups:view" in scopes) == bool(
        re.search(r'name="scope.groups:view" value="yes" checked', answer.text)
    )
    assert not access.list_tokens(world.directory, world.name, "entra")


def test_a_token_may_do_what_was_chosen(world: World, owner: Browser, page: str) -> None:
    form = owner.form(f"{page}/tokens/new", f"{page}/tokens/new")
    kept = {name: value for name, value in form.items() if not name.startswith("scope.")}
    asked = {"scope.groups:view": "yes", "scope.workspace:manage": "yes"}
    text = secret_in(owner.open("POST", f"{page}/tokens/new", {**kept, **asked}).text, "scim")
    (token,) = access.list_tokens(world.directory, world.name, "entra")
    assert token.scopes == "groups:view", "what SCIM has no use for isn't offered"
    assert Client(world.app, text).get("/Groups").status == 200
    assert Client(world.app, text).get("/Users").status == 403


def test_a_revoked_token_is_refused(world: World, owner: Browser, page: str) -> None:
    client = Client(world.app, secret_in(create_token(owner, page), "scim"))
    (token,) = access.list_tokens(world.directory, world.name, "entra")
    question = f"{page}/tokens/{token.id}/revoke"
    assert f"Revoke the token …{token.hint}?" in shown(owner, question)
    assert client.get("/Users").status == 200, "a question changes nothing"
    assert owner.send(question, question).headers["Location"] == page
    assert client.get("/Users").status == 401
    assert "is revoked" in shown(owner, page)
    assert "Revoked" not in shown(owner, page)
    assert "Revoked" in shown(owner, f"{page}?all=1")
    world.app.extensions["guard"].log.flush()
    refused = newest(world.directory, system(world.workspace_id), Wanted(errors=True))[0][0]
    one = shown(owner, f"/console/settings/requests/{refused.id}")
    assert "The token or secret was revoked" in one


def test_notes_tell_of_what_ends_soon(world: World, owner: Browser, page: str) -> None:
    create_token(owner, page, days="12")
    assert "Expires in 11 days" in shown(owner, page)
    assert "Expires in 11 days" in shown(owner, HOME)


def test_a_client_its_rotation_and_its_end(world: World, owner: Browser, page: str) -> None:
    form = f"{page}/clients/new"
    fields = {name: value for name, value in owner.form(form, form).items() if name != "without_pkce"}
    made = owner.open("POST", form, {**fields, "name": "Entra sync"})
    assert made.status_code == 200, made.text
    first = secret_in(made.text, "secret")
    (listed,) = clients.list_clients(world.directory, world.name, "entra")
    assert listed.client.id in made.text
    assert first not in everything(world)
    assert first not in owner.get(page).text

    def token_status(secret: str) -> int:
        asked = {"grant_type": "client_credentials", "client_id": listed.client.id, "client_secret": secret}
        return world.app.test_client().post("/oauth/token", data=asked).status_code

    assert token_status(first) == 200
    rotate = f"{page}/clients/{listed.client.id}/rotate"
    second = secret_in(owner.send(rotate, rotate, others="keep").text, "secret")
    assert (token_status(first), token_status(second)) == (200, 200)
    third = secret_in(owner.send(rotate, rotate, others="end").text, "secret")
    assert [token_status(each) for each in (first, second, third)] == [401, 401, 200]
    live = next(
        each for each in clients.list_clients(world.directory, world.name, "entra")[0].secrets if not each.revoked
    )
    question = f"{page}/clients/{listed.client.id}/secrets/{live.id}/revoke"
    assert owner.send(question, question).status_code == 303
    assert token_status(third) == 401
    question = f"{page}/clients/{listed.client.id}/revoke"
    assert owner.send(question, question).status_code == 303
    assert "Entra sync" not in shown(owner, page).partition("Trusted issuers")[0].partition("OAuth clients")[2]
    ended = owner.send(rotate, rotate, others="keep")
    assert ended.status_code == 403
    assert "is revoked. Make a new one" in words(ended.text)


def test_a_client_that_needs_consent(world: World, owner: Browser, page: str) -> None:
    form = f"{page}/clients/new"
    uris = "https://idp.example/callback\nhttps://idp.example/other"
    made = owner.send(form, form, name="Okta", redirect_uris=uris, without_pkce="yes")
    assert made.status_code == 200, made.text
    (listed,) = clients.list_clients(world.directory, world.name, "entra")
    assert listed.client.redirect_uris == tuple(uris.split())
    assert not listed.client.pkce
    assert "an administrator's consent, without PKCE" in shown(owner, page)
    wrong = owner.send(form, form, name="Okta", redirect_uris="nowhere", without_pkce="yes")
    assert wrong.status_code == 403
    assert "nowhere</textarea>" in wrong.text


def test_a_trust_is_shown_and_revoked_but_not_made(world: World, owner: Browser, page: str) -> None:
    trust = clients.create_trust(
        world.directory, world.name, "entra", issuer=ISSUER, audience=AUDIENCE + address(), key_set=Issuer().key_set
    )
    assert ISSUER in shown(owner, page)
    question = f"{page}/trusts/{trust.id}/revoke"
    assert owner.send(question, question).status_code == 303
    assert ISSUER not in shown(owner, page)
    assert clients.list_trusts(world.directory, world.name, "entra")[0].revoked is not None


def test_settings_are_boxes(world: World, owner: Browser, page: str) -> None:
    assert set(SETTINGS) == set(Settings.__dataclass_fields__)
    form = f"{page}/settings"
    token = owner.form(form, form)["csrf_token"]
    assert owner.open("POST", form, {"csrf_token": token, "invite": "yes"}).status_code == 303
    (made,) = access.list_connections(world.directory, world.name)
    assert made.settings == Settings(invite=True, allow_delete=False)
    assert re.search(r'name="invite" value="yes" checked', owner.get(form).text)
    assert not re.search(r'name="allow_delete" value="yes" checked', owner.get(form).text)


def test_another_name(world: World, owner: Browser, page: str) -> None:
    access.create_connection(world.directory, world.name, "okta")
    form = f"{page}/settings"
    taken = owner.send(form, form, name="Okta", invite="yes")
    assert (taken.status_code, "has a connection named" in taken.text) == (403, True)
    assert 'value="Okta"' in taken.text, "what was typed is kept"
    assert re.search(r'name="invite" value="yes" checked', taken.text)
    assert owner.send(form, form, name="Entra, staff").status_code == 303
    assert "Entra, staff" in shown(owner, page)
    assert {each.name for each in access.list_connections(world.directory, world.name)} == {"Entra, staff", "okta"}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_set_up_has_this_servers_urls(world: World, owner: Browser, preset: str) -> None:
    made = access.create_connection(world.directory, world.name, preset, preset)
    text = shown(owner, f"{HOME}/{made.id}/setup")
    assert "http://localhost/scim/v2" in text
    assert GUIDES[preset].name in text
    assert "{" not in text.replace("{$parameters.scimusername}", "")
    assert "Create a token" in text
    assert "for the first request" in text
    assert "begin with https" in text, "it is warned of plain http"


def test_over_https_nothing_is_warned_of(world: World) -> None:
    made = access.create_connection(world.directory, world.name, "entra", "entra")
    text = shown(visiting(world, site="https://scim.example.com"), f"{HOME}/{made.id}/setup")
    assert "https://scim.example.com/scim/v2" in text
    assert "begin with https" not in text


def test_the_set_up_tells_of_the_last_request(world: World, owner: Browser, page: str) -> None:
    client = Client(world.app, secret_in(create_token(owner, page), "scim"))
    client.user("kim@x.test")
    world.app.extensions["guard"].log.flush()
    assert re.search(r"Connected Last request at .* 201 POST /scim/v2/Users", shown(owner, f"{page}/setup"))
    assert "1 token" in shown(owner, HOME)
    assert shown(owner, HOME).endswith("None")
    client.get("/Users?filter=nothing")
    world.app.extensions["guard"].log.flush()
    assert "Refused Last request" in shown(owner, f"{page}/setup")
    assert re.search(r"1 errors? of entra", shown(owner, HOME))


def test_what_is_another_workspaces_is_not_there(world: World, owner: Browser, page: str) -> None:
    other = new_world(world.app)
    theirs = access.create_connection(other.directory, other.name, "theirs")
    token, _ = access.create_token(other.directory, other.name, "theirs", other.directory.random_bytes)
    client, secret, _ = clients.create_client(other.directory, other.name, "theirs", "Theirs")
    assert secret is not None
    form = {"csrf_token": owner.form(f"{page}/settings", f"{page}/settings")["csrf_token"]}
    form |= {"days": "9", "scope.scim": "yes", "name": "Mine"}
    of_client = f"/clients/{client.id}"
    parts = [f"/tokens/{token.id}/revoke", f"{of_client}/rotate", f"{of_client}/revoke"]
    parts += [f"{of_client}/secrets/{secret.id}/revoke", f"/trusts/{token.id}/revoke"]
    for path in ("", "/setup"):
        assert owner.get(f"{HOME}/{theirs.id}{path}").status_code == 404
    for path in (*(page + each for each in parts), *(f"{HOME}/{theirs.id}{each}" for each in (*parts, *FORMS))):
        assert owner.get(path).status_code == 404, path
        assert owner.open("POST", path, form).status_code == 404, path
    (untouched,) = access.list_tokens(other.directory, other.name, "theirs")
    assert untouched.revoked is None
    (listed,) = clients.list_clients(other.directory, other.name, "theirs")
    assert (listed.client.revoked, len(listed.secrets), listed.secrets[0].revoked) == (None, 1, None)


def test_a_client_of_another_connection_is_not_this_ones(world: World, owner: Browser, page: str) -> None:
    access.create_connection(world.directory, world.name, "okta")
    client, _, _ = clients.create_client(world.directory, world.name, "okta", "Okta")
    assert owner.get(f"{page}/clients/{client.id}/revoke").status_code == 404


def test_only_administrators_come_in(world: World, owner: Browser, page: str) -> None:
    team = visiting(world, "team")
    for path in (HOME, f"{HOME}/new", page, f"{page}/setup", f"{page}/tokens/new", "/console/settings/requests"):
        assert team.get(path).status_code == 403, path
    csrf = team.form("/console/account", "/signout")["csrf_token"]
    forged = {"csrf_token": csrf, "days": "9", "scope.scim": "yes", "name": "Mine", "preset": "okta"}
    for path in (f"{HOME}/new", f"{page}/settings", f"{page}/tokens/new", f"{page}/clients/new"):
        assert team.open("POST", path, forged).status_code == 403, path
    assert not access.list_tokens(world.directory, world.name, "entra")


def test_acts_are_recorded_with_who_did_them(world: World, owner: Browser, page: str) -> None:
    create_token(owner, page)
    log = shown(owner, "/console/activity")
    assert log.count("Console") >= 2, "connection and token"


def test_the_page_of_identity_providers_is_printed_from_the_guides() -> None:
    assert (ROOT / "docs" / "identity-providers.md").read_text() == guide_document.page()
    assert set(GUIDES) == set(PRESETS)
    assert all(guide.preset == preset for preset, guide in GUIDES.items())
