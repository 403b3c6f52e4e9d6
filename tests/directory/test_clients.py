"""OAuth clients, their secrets and trusted issuers: what can be made, what counts, how it ends, what is recorded."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import Connection as Db
from sqlalchemy import insert, select, text

from scim_server.directory import Directory, access, activity, clients
from scim_server.directory.access import NotAllowed, Taken, Unknown
from scim_server.domain.actor import Actor, system
from scim_server.domain.connection import PRESETS
from scim_server.domain.errors import MissingPermission, Refused
from scim_server.domain.expiry import expiry_note
from scim_server.domain.roles import Permission
from scim_server.storage import clients as rows
from scim_server.storage.access import hash_of
from scim_server.storage.access_tables import refresh_tokens, tokens
from scim_server.storage.clients import Client, Secret
from scim_server.storage.db import reading, writing
from tests.support import World, new_world

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
PUBLIC = {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}
PRIVATE = {"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}
SHORT = {"keys": [{"kty": "RSA", "n": "q" * 170 + "w", "e": "AQAB"}]}
MICROSOFT = {"jwks_uri": "https://login.microsoftonline.com/common/discovery/v2.0/keys"}


@pytest.fixture
def directory(world: World) -> Directory:
    """The directory with its clock stopped, on a workspace with the connection idp."""
    directory = replace(world.directory, now=lambda: NOW)
    access.create_connection(directory, world.name, "idp")
    return directory


def made(directory: Directory, world: World, **options: Any) -> tuple[Client, Secret, str]:
    client, secret, text = clients.create_client(directory, world.name, "idp", "Sync", **options)
    assert secret is not None
    assert text is not None
    return client, secret, text


def live(directory: Directory, client: Client, text: str, now: datetime = NOW) -> Secret | None:
    with reading(directory.engine) as db:
        return rows.live_secret(db, client.workspace_id, client.id, text, now)


def by_id(directory: Directory, client_id: str) -> Client | None:
    with reading(directory.engine) as db:
        return rows.client_by_id(db, client_id)


def acts(directory: Directory, world: World, act: str) -> list[tuple[str | None, Mapping[str, Any]]]:
    entries = activity.find(directory, system(world.workspace_id), activity.Wanted(acts=[act]))
    return [(each.subject_id, each.facts) for each in entries]


def test_a_client_and_its_secret(directory: Directory, world: World) -> None:
    client, secret, text = made(directory, world, redirect_uris=["https://idp.example/back"], key_set=PUBLIC)
    assert (len(client.id), client.id[:7]) == (29, "client_")
    assert (client.scopes, client.redirect_uris, client.key_set) == ("scim", ("https://idp.example/back",), PUBLIC)
    assert (text[:7], secret.hint, secret.expires) == ("secret_", text[-4:], NOW + timedelta(days=365))
    assert by_id(directory, client.id) == client
    assert live(directory, client, text) == secret
    assert clients.list_clients(directory, world.name, "IDP") == [clients.Listed(client=client, secrets=[secret])]
    assert acts(directory, world, "client.created") == [(client.id, {"scopes": [None, "scim"]})]
    (entry,) = activity.find(directory, system(world.workspace_id), activity.Wanted(acts=["client.created"]))
    assert (entry.words, entry.actor, entry.subject) == ("created a client", "command line", "Sync")


def test_the_text_of_a_secret_is_nowhere_in_the_database(directory: Directory, world: World) -> None:
    _, _, told = made(directory, world)
    with reading(directory.engine) as db:
        kept = [str(row) for name in ("clients", "client_secrets", "activity") for row in db.execute(_all(name))]
    assert any(hash_of(told) in row for row in kept)
    assert not any(told in row or told.removeprefix("secret_") in row for row in kept)


def _all(name: str) -> Any:
    return text(f"SELECT * FROM {name}")


def test_a_client_without_a_secret(directory: Directory, world: World) -> None:
    client, secret, told = clients.create_client(
        directory, world.name, "idp", "Keys", key_set=PUBLIC, with_secret=False
    )
    assert (secret, told) == (None, None)
    assert clients.list_clients(directory, world.name, "idp") == [clients.Listed(client=client, secrets=[])]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "printable"),
        ({"scopes": "scim everything"}, "'everything'"),
        ({"scopes": ""}, "scope"),
        ({"expires_in_days": 0}, "1 to 1096 days"),
        ({"expires_in_days": 1097}, "1 to 1096 days"),
        ({"redirect_uris": ["http://idp.example/back"]}, "https://"),
        ({"redirect_uris": ["http://localhost.idp.example/"]}, "https://"),
        ({"redirect_uris": ["https://idp.example/back#top"]}, "fragment"),
        ({"redirect_uris": ["https://idp.example/#"]}, "fragment"),
        ({"redirect_uris": ["/back"]}, "absolute"),
        ({"redirect_uris": ["https:///back"]}, "absolute"),
        ({"redirect_uris": ["https://me@idp.example/"]}, "absolute"),
        ({"redirect_uris": ["https://idp.example/a b"]}, "absolute"),
        ({"redirect_uris": ["https://idp.example/\r\nX: y"]}, "absolute"),
        ({"redirect_uris": ["https://idp.example:0/"]}, "absolute"),
        ({"redirect_uris": ["https://idp.example:99999/"]}, "absolute"),
        ({"redirect_uris": ["https://[idp/"]}, "absolute"),
        ({"redirect_uris": ["https://idp.example/\ud800"]}, "absolute"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "absolute"),
        ({"redirect_uris": ["https://idp.example/" + "x" * 2000]}, "absolute"),
        ({"redirect_uris": [f"https://idp.example/{n}" for n in range(21)]}, "at most 20"),
        ({"key_set": PRIVATE}, "private"),
        ({"key_set": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "private or shared"),
        ({"key_set": SHORT}, "2048"),
        ({"key_set": {"keys": []}}, "no public"),
        ({"key_set": {"keys": "x"}}, "key set is"),
        ({"key_set": {}}, "key set is"),
        ({"key_set": []}, "key set is"),
        ({"key_set": {"jwks_uri": "https://elsewhere.example/keys"}}, "SCIM_SERVER_KEY_SET_HOSTS"),
        ({"key_set": {"jwks_uri": "http://login.microsoftonline.com/keys"}}, "https://"),
        ({"key_set": {"jwks_uri": 1}}, "https://"),
    ],
)
def test_what_a_client_can_not_be(directory: Directory, world: World, options: dict[str, Any], said: str) -> None:
    with pytest.raises(NotAllowed, match=said):
        clients.create_client(directory, world.name, "idp", **{"name": "Sync", **options})
    assert clients.list_clients(directory, world.name, "idp") == []


def test_what_a_client_may_be(directory: Directory, world: World) -> None:
    uris = ["http://127.0.0.1:8765/back", "http://[::1]/back", "http://localhost/x", "https://idp.example/a?b=c"]
    client, secret, _ = made(
        directory, world, redirect_uris=[*uris, uris[0]], key_set=MICROSOFT, scopes="scim  scim", expires_in_days=1096
    )
    assert client.redirect_uris == tuple(uris)
    assert (client.key_set, client.scopes) == (MICROSOFT, "scim")
    assert secret.expires == NOW + timedelta(days=1096)
    rsa = {"keys": [RSAKey.generate_key(2048).as_dict(private=False)]}
    assert made(directory, world, key_set=rsa)[0].key_set == rsa


def test_which_secrets_count(directory: Directory, world: World) -> None:
    client, first, text = made(directory, world, expires_in_days=30)
    second, other = clients.rotate(directory, world.name, client.id)
    assert live(directory, client, text) == first
    assert live(directory, client, other) == second, "both, so that a sync goes on"
    for wrong in ("", text[:-1], text.upper(), "secret_\ud800", hash_of(text)):
        assert live(directory, client, wrong) is None
    assert live(directory, client, text, NOW + timedelta(days=30) - timedelta(seconds=1)) == first
    assert live(directory, client, text, NOW + timedelta(days=30)) is None, "its time is over"
    assert live(directory, made(directory, world)[0], text) is None, "it is another client's"
    clients.revoke_secret(directory, world.name, client.id, first.id)
    clients.revoke_secret(directory, world.name, client.id, first.id)
    assert live(directory, client, text) is None
    assert live(directory, client, other) == second
    assert acts(directory, world, "client.rotated") == [(client.id, {"secret": [None, second.id]})]
    assert acts(directory, world, "client.secret_revoked") == [(client.id, {"secret": [first.id, None]})]


def add_tokens(directory: Directory, client: Client) -> Callable[[], list[datetime | None]]:
    """Give a client a token of each kind; what is returned says when they were revoked."""
    common = {
        "workspace_id": client.workspace_id,
        "client_id": client.id,
        "family_id": "one",
        "scopes": "scim",
        "created": NOW,
        "expires": NOW + timedelta(hours=1),
    }
    access_id, refresh_id = directory.new_id(), directory.new_id()
    opaque = {**common, "id": access_id, "hash": access_id, "hint": "abcd", "connection_id": client.connection_id}

    def add(db: Db) -> None:
        db.execute(insert(tokens), opaque)
        db.execute(insert(refresh_tokens), {**common, "id": refresh_id, "hash": refresh_id})

    def revoked() -> list[datetime | None]:
        with reading(directory.engine) as db:
            queries = (
                select(tokens.c.revoked).where(tokens.c.id == access_id),
                select(refresh_tokens.c.revoked).where(refresh_tokens.c.id == refresh_id),
            )
            return [db.scalar(query) for query in queries]

    writing(directory.engine, add)
    return revoked


def test_a_rotation_leaves_tokens_and_one_after_a_leak_does_not(directory: Directory, world: World) -> None:
    client, first, text = made(directory, world)
    bystander = add_tokens(directory, made(directory, world)[0])
    revoked = add_tokens(directory, client)
    second, _ = clients.rotate(directory, world.name, client.id)
    clients.revoke_secret(directory, world.name, client.id, first.id)
    assert revoked() == [None, None]
    third, last = clients.rotate(directory, world.name, client.id, revoke_others=True, expires_in_days=7)
    assert revoked() == [NOW, NOW]
    assert bystander() == [None, None]
    assert live(directory, client, text) is None
    assert live(directory, client, last) == third
    (listed,) = (each for each in clients.list_clients(directory, world.name, "idp") if each.client.id == client.id)
    assert [each.revoked for each in listed.secrets] == [NOW, NOW, None]
    ended = [facts["secret"][0] for _, facts in acts(directory, world, "client.secret_revoked")]
    assert ended == [first.id, second.id]


def test_what_clients_get_is_not_among_the_tokens_of_a_connection(directory: Directory, world: World) -> None:
    add_tokens(directory, made(directory, world)[0])
    own, _ = access.create_token(directory, world.name, "idp", secrets.token_bytes)
    assert [each.id for each in access.list_tokens(directory, world.name, "idp")] == [own.id]


def test_a_revoked_client_is_over_with_all_it_had(directory: Directory, world: World) -> None:
    client, _, text = made(directory, world)
    trust = _trust(directory, world, client_id=client.id, subject="sub")
    revoked = add_tokens(directory, client)
    for _ in range(2):
        clients.revoke_client(directory, world.name, client.id)
    assert by_id(directory, client.id) is None
    assert live(directory, client, text) is None
    assert revoked() == [NOW, NOW]
    with reading(directory.engine) as db:
        assert rows.trusts_of_client(db, world.workspace_id, client.id) == []
    assert [each.revoked for each in clients.list_trusts(directory, world.name, "idp")] == [NOW]
    assert trust.revoked is None
    assert acts(directory, world, "client.revoked") == [(client.id, {})], "a second time changes nothing"
    with pytest.raises(NotAllowed, match="revoked"):
        clients.rotate(directory, world.name, client.id)
    with pytest.raises(NotAllowed, match="revoked"):
        _trust(directory, world, client_id=client.id, subject="sub")


def test_last_use_is_noted_every_few_minutes(directory: Directory, world: World) -> None:
    client, secret, text = made(directory, world)
    trust = _trust(directory, world)
    for minutes, expected in ((0, 0), (4, 0), (5, 5)):
        now = NOW + timedelta(minutes=minutes)

        def note(db: Db, now: datetime = now) -> None:
            found = rows.live_secret(db, world.workspace_id, client.id, text, now)
            (trusted,) = rows.trusts_for(db, trust.issuer, trust.audience)
            assert found is not None
            rows.note_secret_use(db, world.workspace_id, found, now)
            rows.note_trust_use(db, trusted, now)

        writing(directory.engine, note)
        (listed,) = clients.list_clients(directory, world.name, "idp")
        assert listed.secrets[0].last_used == NOW + timedelta(minutes=expected)
        assert clients.list_trusts(directory, world.name, "idp")[0].last_used == NOW + timedelta(minutes=expected)
    assert secret.last_used is None


def test_secrets_made_at_the_same_time_all_count(directory: Directory, world: World) -> None:
    client, _, _ = made(directory, world)
    with ThreadPoolExecutor(4) as pool:
        texts = [text for _, text in pool.map(lambda _: clients.rotate(directory, world.name, client.id), range(4))]
    assert all(live(directory, client, each) for each in texts)


# Trusts


def _issuer() -> str:
    return f"https://issuer.example/{secrets.token_hex(6)}"


def _trust(directory: Directory, world: World, **options: Any) -> rows.Trust:
    terms = {"issuer": _issuer(), "audience": "api://scim", "key_set": PUBLIC, **options}
    return clients.create_trust(directory, world.name, "idp", **terms)


def test_a_trust_without_a_client(directory: Directory, world: World) -> None:
    trust = _trust(directory, world, key_set=MICROSOFT, scopes="contacts:view")
    assert (trust.client_id, trust.subject, trust.scopes, trust.key_set) == (None, None, "contacts:view", MICROSOFT)
    with reading(directory.engine) as db:
        assert rows.trusts_for(db, trust.issuer, trust.audience) == [trust]
        assert rows.trusts_for(db, trust.issuer, "other") == []
        assert rows.trusts_for(db, trust.issuer + "\x00", trust.audience) == []
    assert clients.list_trusts(directory, world.name, "idp") == [trust]
    for _ in range(2):
        clients.revoke_trust(directory, world.name, "idp", trust.id)
    with reading(directory.engine) as db:
        assert rows.trusts_for(db, trust.issuer, trust.audience) == []
    assert acts(directory, world, "trust.revoked") == [(trust.id, {})]
    created = activity.find(directory, system(world.workspace_id), activity.Wanted(acts=["trust.created"]))
    assert [(each.words, each.subject) for each in created] == [("trusted an issuer", trust.issuer)]


def test_a_trust_of_a_client_has_its_scopes_and_a_subject(directory: Directory, world: World) -> None:
    client, _, _ = made(directory, world, scopes="contacts:view groups:view")
    trust = _trust(directory, world, client_id=client.id, subject="0a1b")
    assert (trust.scopes, trust.subject) == (client.scopes, "0a1b")
    with reading(directory.engine) as db:
        assert rows.trusts_of_client(db, world.workspace_id, client.id) == [trust]
    for options, said in (
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"scopes": "scim"}, "client's"),
    ):
        with pytest.raises(NotAllowed, match=said):
            _trust(directory, world, **{"client_id": client.id, "subject": "0a1b", **options})
    access.create_connection(directory, world.name, "second")
    with pytest.raises(Unknown, match="no client"):
        clients.create_trust(
            directory, world.name, "second", issuer="i", audience="a", subject="s", key_set=PUBLIC, client_id=client.id
        )
    assert clients.list_trusts(directory, world.name, "second") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "x" * 2001}, "issuer"),
        ({"audience": " a"}, "audience"),
        ({"audience": "a\x00"}, "audience"),
        ({"subject": "\ud800"}, "subject"),
        ({"scopes": "all"}, "scope"),
        ({"key_set": PRIVATE}, "private"),
        ({"key_set": {"jwks_uri": "https://10.0.0.1/keys"}}, "SCIM_SERVER_KEY_SET_HOSTS"),
    ],
)
def test_what_a_trust_can_not_be(directory: Directory, world: World, options: dict[str, Any], said: str) -> None:
    with pytest.raises(NotAllowed, match=said):
        _trust(directory, world, **options)
    assert clients.list_trusts(directory, world.name, "idp") == []


def test_bearer_tokens_of_one_issuer_stand_for_one_connection(app: Flask, directory: Directory, world: World) -> None:
    """What several trusts would take could be pushed into somebody else's workspace."""
    other = new_world(app)
    access.create_connection(directory, other.name, "idp")
    one = _trust(directory, world, subject="one")
    _trust(directory, other, issuer=one.issuer, subject="two")
    for subject in ("one", None):
        with pytest.raises(Taken, match="trusted already"):
            _trust(directory, other, issuer=one.issuer, subject=subject)
    client, _, _ = made(directory, other)
    _trust(directory, other, issuer=one.issuer, subject="one", client_id=client.id)
    clients.revoke_trust(directory, world.name, "idp", one.id)
    _trust(directory, other, issuer=one.issuer, subject="one")


# Who and where


def test_names_that_are_not_there(app: Flask, directory: Directory, world: World) -> None:
    client, secret, _ = made(directory, world)
    other = new_world(app)
    for act in (
        lambda: clients.create_client(directory, "nowhere", "idp", "Sync"),
        lambda: clients.create_client(directory, world.name, "none", "Sync"),
        lambda: clients.list_clients(directory, other.name, "idp"),
        lambda: clients.rotate(directory, other.name, client.id),
        lambda: clients.rotate(directory, world.name, client.id + "\x00"),
        lambda: clients.revoke_client(directory, other.name, client.id),
        lambda: clients.revoke_secret(directory, other.name, client.id, secret.id),
        lambda: clients.revoke_secret(directory, world.name, client.id, "\ud800"),
        lambda: clients.revoke_trust(directory, world.name, "idp", "none"),
        lambda: access.set_connection(directory, other.name, "idp", {"invite": True}),
    ):
        with pytest.raises(Unknown):
            act()
    assert by_id(directory, "\ud800") is None
    assert by_id(directory, client.id) == client


def test_a_person_needs_the_permission_and_the_workspace(app: Flask, directory: Directory, world: World) -> None:
    client, secret, _ = made(directory, world)
    trust = _trust(directory, world)

    def everything(actor: Actor) -> list[Callable[[], object]]:
        at = (directory, world.name)
        known: dict[str, Any] = {"actor": actor}
        return [
            lambda: clients.create_client(*at, "idp", "Sync", **known),
            lambda: clients.list_clients(*at, "idp", **known),
            lambda: clients.rotate(*at, client.id, **known),
            lambda: _trust(directory, world, **known),
            lambda: clients.list_trusts(*at, "idp", **known),
            lambda: access.set_connection(*at, "idp", {"invite": True}, **known),
            lambda: clients.revoke_secret(*at, client.id, secret.id, **known),
            lambda: clients.revoke_trust(*at, "idp", trust.id, **known),
            lambda: clients.revoke_client(*at, client.id, **known),
        ]

    def person(workspace_id: str, *permissions: Permission) -> Actor:
        return Actor(
            workspace_id=workspace_id,
            kind="contact",
            door="console",
            permissions=frozenset(permissions),
            id=world.owner_id,
        )

    refused: tuple[tuple[Actor, type[Refused]], ...] = (
        (person(world.workspace_id, Permission.SEATS_MANAGE), MissingPermission),
        (person(new_world(app).workspace_id, *Permission), Unknown),
    )
    for actor, refusal in refused:
        for act in everything(actor):
            with pytest.raises(refusal):
                act()
    assert len(clients.list_clients(directory, world.name, "idp")) == 1
    for act in everything(person(world.workspace_id, Permission.WORKSPACE_MANAGE)):
        act()
    entries = activity.find(directory, system(world.workspace_id), activity.Wanted(contact_id=world.owner_id))
    by_console = [each.act for each in entries if each.door == "console"]
    assert by_console == [
        "client.created",
        "client.rotated",
        "trust.created",
        "connection.edited",
        "client.secret_revoked",
        "trust.revoked",
        "client.revoked",
    ]


# Settings of a connection, and ends


def test_settings_change_one_by_one(directory: Directory, world: World) -> None:
    assert PRESETS["okta"].bare_token
    assert not any(each.bare_token for name, each in PRESETS.items() if name != "okta")
    assert not any(each.basic_auth for each in PRESETS.values())
    before = access.create_connection(directory, world.name, "okta", "okta")
    changed = access.set_connection(directory, world.name, "OKTA", {"basic_auth": True, "bare_token": False})
    assert changed.settings == replace(before.settings, basic_auth=True, bare_token=False)
    assert access.set_connection(directory, world.name, "okta", {"basic_auth": True}) == changed
    restored = access.set_connection(directory, world.name, "okta", {"bare_token": True})
    assert restored.settings == replace(before.settings, basic_auth=True)
    (listed,) = (each for each in access.list_connections(directory, world.name) if each.name == "okta")
    assert listed == restored
    assert acts(directory, world, "connection.edited") == [
        (before.id, {"basic_auth": [False, True], "bare_token": [True, False]}),
        (before.id, {"bare_token": [False, True]}),
    ]


def test_a_connection_gets_another_name(world: World) -> None:
    directory = world.directory
    made = access.create_connection(directory, world.name, "idp", "okta")
    access.create_connection(directory, world.name, "other")
    _, text = access.create_token(directory, world.name, "idp", secrets.token_bytes)
    client = replace(world.client(), token=text)
    for name in ("", "x" * 201, "a\nb"):
        with pytest.raises(access.NotAllowed):
            access.set_connection(directory, world.name, "idp", {}, new_name=name)
    with pytest.raises(access.Taken, match="'OTHER'"):
        access.set_connection(directory, world.name, "idp", {"invite": True}, new_name="OTHER")
    assert access.set_connection(directory, world.name, "idp", {}, new_name=" idp ") == made
    changed = access.set_connection(directory, world.name, "idp", {}, new_name="IDP")
    assert changed == replace(made, name="IDP"), "another spelling of its own name is free"
    changed = access.set_connection(directory, world.name, "idp", {"invite": True}, new_name="Okta, staff")
    assert (changed.id, changed.name, changed.settings) == (made.id, "Okta, staff", replace(made.settings, invite=True))
    with pytest.raises(access.Unknown):
        access.list_tokens(directory, world.name, "idp")
    assert client.get("/Users").status == 200
    assert acts(directory, world, "connection.edited") == [
        (made.id, {"name": ["idp", "IDP"]}),
        (made.id, {"name": ["IDP", "Okta, staff"], "invite": [False, True]}),
    ]
    assert access.create_connection(directory, world.name, "idp").id != made.id


def test_a_name_has_one_winner(directory: Directory, world: World) -> None:
    names = ("a", "b", "c", "d")
    for name in names:
        access.create_connection(directory, world.name, name)

    def rename(name: str) -> bool:
        try:
            return bool(access.set_connection(directory, world.name, name, {}, new_name="wanted"))
        except access.Taken:
            return False

    with ThreadPoolExecutor(len(names)) as pool:
        assert sorted(pool.map(rename, names)) == [False, False, False, True]


def test_a_setting_counts_from_the_next_request_on(world: World) -> None:
    access.create_connection(world.directory, world.name, "idp")
    _, text = access.create_token(world.directory, world.name, "idp", secrets.token_bytes)
    client = replace(world.client(), token=text)
    person = client.user("ann@x.test")["id"]
    access.set_connection(world.directory, world.name, "idp", {"allow_delete": False})
    assert client.delete(f"/Users/{person}").status == 403
    access.set_connection(world.directory, world.name, "idp", {"allow_delete": True})
    assert client.delete(f"/Users/{person}").status == 204


def test_settings_changed_at_the_same_time_are_all_kept(directory: Directory, world: World) -> None:
    names = ("basic_auth", "bare_token", "invite", "list_archived")
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: access.set_connection(directory, world.name, "idp", {name: True}), names))
    (listed,) = access.list_connections(directory, world.name)
    assert all(getattr(listed.settings, name) for name in names)


@pytest.mark.parametrize(
    ("left", "note"),
    [
        (timedelta(days=30), None),
        (timedelta(days=30) - timedelta(seconds=1), "expires in 29 days"),
        (timedelta(days=1), "expires in 1 day"),
        (timedelta(hours=23), "expires within a day"),
        (timedelta(0), "expired"),
        (timedelta(days=-400), "expired"),
    ],
)
def test_what_is_said_of_an_end(left: timedelta, note: str | None) -> None:
    assert expiry_note(NOW + left, None, NOW) == note
    assert expiry_note(NOW + left, NOW, NOW) is None, "nothing is to be done about a revoked one"
    assert expiry_note(None, None, NOW) is None
