"""`scim-server client`, `trust` and `connection set`: what they print, warn of and refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

import scim_server.cli
from scim_server.directory import access, clients
from scim_server.storage import clients as rows
from scim_server.storage import contacts
from scim_server.storage.db import reading
from tests.cli.conftest import Here

IDP = ("--connection", "idp")
KEY = ECKey.generate_key("P-256")
MICROSOFT = "https://login.microsoftonline.com/common/discovery/v2.0/keys"


@pytest.fixture
def shop(here: Here) -> Here:
    """Commands on a workspace with the connection idp."""
    access.create_connection(here.world.directory, here.world.name, "idp")
    return here


@pytest.fixture
def key_set(folder: Path) -> str:
    """A file with a public key."""
    file = folder / "keys.json"
    file.write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    return str(file)


def later(shop: Here, monkeypatch: pytest.MonkeyPatch, **time: int) -> None:
    """Set the clock of the commands forward."""
    then = datetime.now(UTC) + timedelta(**time)
    moved = replace(shop.world.directory, now=lambda: then)
    monkeypatch.setattr(scim_server.cli, "open_directory", lambda settings: moved)


def test_the_life_of_a_client(shop: Here, key_set: str) -> None:
    made = shop.json(
        *("client", "create", *IDP, "--name", "Sync", "--scope", "contacts:view", "--scope", "groups:view"),
        *("--redirect-uri", "https://idp.example/a", "--redirect-uri", "https://idp.example/b"),
        *("--key-set", key_set, "--expires-in", "730"),
    )
    assert list(made) == ["client_id", "client", "connection", "scope", "client_secret", "secret", "expires"]
    assert (made["client"], made["connection"], made["scope"]) == ("Sync", "idp", "contacts:view groups:view")
    (listed,) = shop.json("client", "list", *IDP)["clients"]
    (secret,) = listed.pop("secrets")
    assert listed == {
        "id": made["client_id"],
        "connection_id": listed["connection_id"],
        "name": "Sync",
        "scopes": "contacts:view groups:view",
        "redirect_uris": ["https://idp.example/a", "https://idp.example/b"],
        "key_set": {"keys": [KEY.as_dict(private=False)]},
        "pkce": True,
        "created": listed["created"],
        "revoked": None,
    }
    assert (secret["id"], secret["hint"]) == (made["secret"], made["client_secret"][-4:])
    assert (secret["expires"], secret["revoked"], secret["note"]) == (made["expires"], None, None)
    rotated = shop.json("client", "rotate", made["client_id"], "--expires-in", "5")
    assert rotated["client_secret"] != made["client_secret"]
    assert shop.json("client", "revoke", made["client_id"], "--secret", made["secret"]) == {"revoked": made["secret"]}
    (listed,) = shop.json("client", "list", *IDP)["clients"]
    assert [each["id"] for each in listed["secrets"]] == [rotated["secret"]], "what is revoked is in the way"
    (listed,) = shop.json("client", "list", *IDP, "--all")["clients"]
    assert [bool(each["revoked"]) for each in listed["secrets"]] == [True, False]
    last = shop.json("client", "rotate", made["client_id"], "--revoke-others")
    with reading(shop.world.directory.engine) as db:
        workspace, now = shop.world.workspace_id, shop.world.directory.now()
        texts = [each["client_secret"] for each in (made, rotated, last)]
        live = [rows.live_secret(db, workspace, made["client_id"], text, now) is not None for text in texts]
    assert live == [False, False, True]
    assert shop.json("client", "revoke", made["client_id"]) == {"revoked": made["client_id"]}
    assert shop.json("client", "list", *IDP)["clients"] == []
    assert "--all" in shop.run("client", "list", *IDP).stdout
    (listed,) = shop.json("client", "list", *IDP, "--all")["clients"]
    assert listed["revoked"]
    assert all(each["revoked"] for each in listed["secrets"])


def test_a_secret_is_shown_once(shop: Here) -> None:
    made = shop.run("client", "create", *IDP, "--name", "Sync")
    assert "The secret is shown this once." in made.stdout
    (text,) = (word for word in made.stdout.split() if word.startswith("secret_"))
    (client,) = clients.list_clients(shop.world.directory, shop.world.name, "idp")
    for arguments in (("list", *IDP), ("list", *IDP, "--json"), ("rotate", client.client.id)):
        assert text not in shop.run("client", *arguments).output
    assert "The secret is shown this once." in shop.run("client", "rotate", client.client.id).stdout


def test_a_second_revoke_says_so(shop: Here, key_set: str) -> None:
    client = shop.json("client", "create", *IDP, "--name", "Sync")["client_id"]
    named = ("--issuer", f"https://x.example/{shop.world.name}", "--audience", "a", "--key-set", key_set)
    trust = shop.json("trust", "create", *IDP, *named)["id"]
    for command in (("client", "revoke", client), ("trust", "revoke", trust, *IDP)):
        assert command[2] in shop.run(*command).stdout
        assert shop.run(*command).stdout == "It was revoked already; nothing changed.\n"
        assert shop.json(*command) == {"revoked": command[2]}


def test_clients_and_trusts_are_blocks_that_fit_a_terminal(shop: Here) -> None:
    uris = ("https://idp.example/a", "https://idp.example/b")
    made = shop.json("client", "create", *IDP, "--name", "Code", *(f"--redirect-uri={uri}" for uri in uris))
    shop.run("client", "create", *IDP, "--name", "Keys", "--jwks-uri", MICROSOFT, "--expires-in", "7")
    told = shop.run("client", "list", *IDP).stdout
    code, keys = (block.splitlines() for block in told.split("\n\n"))
    assert code[0] == made["client_id"]
    for line in ("  name: Code", f"    {uris[0]}", f"    {uris[1]}", f"  secret {made['secret']}"):
        assert line in code
    assert f"    expires: {made['expires'][:10]}" in code
    assert "    last used: never" in code
    assert "  gets tokens by: an administrator's consent (authorization code)" in code
    assert "  gets tokens by: client credentials" in keys
    assert f"  keys: {MICROSOFT}" in keys
    secret = next(place for place, line in enumerate(keys) if line.startswith("  secret "))
    assert keys[secret + 1] == "    note: expires in 6 days", "what needs doing comes first"
    assert max(map(len, told.splitlines())) <= 100
    name = f"https://sts.windows.net/{shop.world.name}/"
    shop.run("trust", "create", *IDP, "--issuer", name, "--audience", "api://scim", "--jwks-uri", MICROSOFT)
    lines = shop.run("trust", "list", *IDP).stdout.splitlines()
    for line in ("counts as: a bearer token at SCIM", f"issuer: {name}", "subject: any", f"keys: {MICROSOFT}"):
        assert f"  {line}" in lines
    assert max(map(len, lines)) <= 100


def test_a_client_that_cant_authenticate_yet_says_what_is_next(shop: Here) -> None:
    bare = ("client", "create", *IDP, "--name", "Entra", "--no-secret")
    told = shop.run(*bare).stdout
    client = next(word for word in told.split() if word.startswith("client_"))
    assert f"--connection idp --client {client}" in told
    for other in ((*bare, "--jwks-uri", MICROSOFT), (*bare, "--json"), bare[:-1]):
        assert "trust create" not in shop.run(*other).stdout


def test_a_client_without_a_secret_is_listed_too(shop: Here) -> None:
    assert shop.run("client", "list", *IDP).stdout == "The connection has no clients.\n"
    made = shop.run("client", "create", *IDP, "--name", "Keys", "--jwks-uri", MICROSOFT, "--no-secret").stdout
    assert "secret" not in made
    assert "never" not in made
    head, *lines = shop.run("client", "list", *IDP).stdout.splitlines()
    assert head.startswith("client_")
    assert "  name: Keys" in lines


def test_what_ends_soon_is_told(shop: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop.json("client", "create", *IDP, "--name", "Sync", "--expires-in", "40")
    shop.json("token", "create", *IDP, "--expires-in", "40")
    for days, note in ((0, None), (9, None), (11, "expires in 28 days"), (38, "expires in 1 day"), (41, "expired")):
        later(shop, monkeypatch, days=days)
        (listed,) = shop.json("client", "list", *IDP)["clients"]
        assert listed["secrets"][0]["note"] == note
        assert shop.json("token", "list", *IDP)["tokens"][0]["note"] == note
        _, line = shop.run("token", "list", *IDP).stdout.splitlines()
        assert ("expire" in line, line.endswith(note or "")) == (note is not None, True)
        block = shop.run("client", "list", *IDP).stdout.splitlines()
        assert [line for line in block if "note" in line] == ([] if note is None else [f"    note: {note}"])
    shop.json("client", "revoke", made["client_id"])
    assert shop.json("client", "list", *IDP, "--all")["clients"][0]["secrets"][0]["note"] is None


def test_tokens_say_for_whom_they_are(shop: Here) -> None:
    with reading(shop.world.directory.engine) as db:
        owner = contacts.user_names(db, shop.world.workspace_id, [shop.world.owner_id])[shop.world.owner_id]
    shop.json("token", "create", *IDP, "--for", owner)
    shop.json("token", "create", *IDP)
    assert [each["for"] for each in shop.json("token", "list", *IDP)["tokens"]] == [owner, None]
    table = shop.run("token", "list", *IDP).stdout.splitlines()
    assert [owner in line for line in table] == [False, True, False]


def test_the_life_of_a_trust(shop: Here, key_set: str) -> None:
    issuer = f"https://issuer.example/{shop.world.name}"
    base = ("trust", "create", *IDP, "--issuer", issuer, "--audience", "api://scim")
    assert shop.run("trust", "list", *IDP).stdout == "The connection trusts no issuer.\n"
    open_one = shop.json(*base, "--jwks-uri", MICROSOFT, "--scope", "contacts:view", "--scope", "groups:view")
    assert (open_one["subject"], open_one["client_id"]) == (None, None)
    assert open_one["scopes"] == "contacts:view groups:view"
    client = shop.json("client", "create", *IDP, "--name", "Entra", "--no-secret")["client_id"]
    closed = shop.json(*base, "--key-set", key_set, "--client", client, "--subject", "0a1b")
    assert (closed["subject"], closed["client_id"], closed["scopes"]) == ("0a1b", client, "scim")
    listed = shop.json("trust", "list", *IDP)["trusts"]
    assert [each.pop("key_set") for each in listed] == [{"jwks_uri": MICROSOFT}, json.loads(Path(key_set).read_text())]
    assert listed == [open_one, closed]
    blocks = shop.run("trust", "list", *IDP).stdout.split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [open_one["id"], closed["id"]]
    assert all("  last used: never" in block for block in blocks)
    assert f"  counts as: assertion of {client}" in blocks[1]
    assert "  keys: given as a file: P-256" in blocks[1]
    assert shop.json("trust", "revoke", open_one["id"], *IDP) == {"revoked": open_one["id"]}
    assert [each["id"] for each in shop.json("trust", "list", *IDP)["trusts"]] == [closed["id"]]
    assert [bool(each["revoked"]) for each in shop.json("trust", "list", *IDP, "--all")["trusts"]] == [True, False]
    told = shop.run(*base, "--jwks-uri", MICROSOFT)
    assert told.exit_code == 0
    assert "never" not in told.stdout


def test_what_is_refused_is_said_in_a_sentence(shop: Here, folder: Path, key_set: str) -> None:
    (folder / "private.json").write_text(json.dumps({"keys": [KEY.as_dict(private=True)]}))
    (folder / "broken.json").write_text("{")
    (folder / "pub.pem").write_bytes(KEY.as_pem(private=False))
    create = ("client", "create", *IDP, "--name", "Sync")
    trust = ("trust", "create", *IDP, "--issuer", "i", "--audience", "a")
    for said, arguments in (
        ("no connection", ("client", "list", "--connection", "other")),
        ("no client", ("client", "rotate", "client_unknown")),
        ("no client", ("client", "revoke", "client_unknown")),
        ("no trust", ("trust", "revoke", "unknown", *IDP)),
        ("https://", (*create, "--redirect-uri", "http://idp.example/")),
        ("scope", (*create, "--scope", "everything")),
        ("private", (*create, "--key-set", str(folder / "private.json"))),
        ("There is no JSON in broken.json.", (*create, "--key-set", str(folder / "broken.json"))),
        ("pub.pem is a PEM key; a JWK set is needed.", (*create, "--key-set", str(folder / "pub.pem"))),
        ("SCIM_SERVER_KEY_SET_HOSTS", (*trust, "--jwks-uri", "https://elsewhere.example/keys")),
        ("no client", (*trust, "--key-set", key_set, "--client", "client_unknown", "--subject", "s")),
        ("subject", (*trust, "--key-set", key_set, "--client", "client_unknown")),
    ):
        assert said in shop.fails(*arguments), arguments


def test_what_is_misused(shop: Here, key_set: str) -> None:
    trust = ("trust", "create", *IDP, "--issuer", "i", "--audience", "a")
    for arguments in (
        ("connection", "set", "idp"),
        ("client", "create", *IDP),
        ("client", "create", *IDP, "--name", "x", "--expires-in", "1097"),
        ("client", "create", *IDP, "--name", "x", "--key-set", "nowhere.json"),
        trust,
        (*trust, "--key-set", key_set, "--jwks-uri", MICROSOFT),
    ):
        assert shop.run(*arguments).exit_code == 2, arguments


def test_settings_of_a_connection(shop: Here) -> None:
    made = shop.json("connection", "create", "--name", "okta", "--preset", "okta", "--basic-auth")
    assert (made["settings"]["basic_auth"], made["settings"]["bare_token"]) == (True, True)
    changed = shop.json("connection", "set", "OKTA", "--no-bare-token", "--no-basic-auth", "--forbid-delete")
    settings = {**made["settings"], "bare_token": False, "basic_auth": False, "allow_delete": False}
    assert changed == {**made, "settings": settings}
    other = shop.json("connection", "set", "okta", "--invite", "--hide-archived", "--allow-delete")
    assert other["settings"] == {**settings, "invite": True, "list_archived": False, "allow_delete": True}
    lines = shop.run("connection", "set", "okta", "--activate").stdout.splitlines()
    assert "  bare token: no" in lines, "each setting has a line"
    assert "restore on post: yes" in " ".join(lines)
    last = shop.json("connection", "set", "okta", "--no-restore-on-post")
    assert last["settings"] == {**settings, "list_archived": False, "allow_delete": True, "restore_on_post": False}
    assert shop.json("connection", "show", "OKTA") == last
    assert shop.run("connection", "show", "okta").stdout.splitlines()[-1].startswith("  ")
    (_, listed) = shop.json("connection", "list")["connections"]
    assert (listed["connection"], listed["settings"]) == ("okta", last["settings"])
    assert "no connection" in shop.fails("connection", "show", "other")
    assert shop.json("connection", "set", "okta", "--name", "Okta, staff")["connection"] == "Okta, staff"
    assert "no connection" in shop.fails("connection", "set", "okta", "--invite")
    assert "no connection" in shop.fails("connection", "set", "other", "--invite")


def test_pkce_is_needed_unless_a_client_is_made_without(shop: Here) -> None:
    uri = ("--redirect-uri", "https://idp.example/callback")
    shop.json("client", "create", *IDP, "--name", "With", *uri)
    shop.json("client", "create", *IDP, "--name", "Without", *uri, "--without-pkce")
    listed = shop.json("client", "list", *IDP)["clients"]
    assert {each["name"]: each["pkce"] for each in listed} == {"With": True, "Without": False}
