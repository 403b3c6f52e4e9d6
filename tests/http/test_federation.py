"""Tokens of a trusted issuer at the token endpoint (Entra's workload identity federation) and as bearer tokens at SCIM,
with each wrong claim refused; and what connections take in place of a bearer token where they ask for it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Table, select

from scim_server.app import close, create_app
from scim_server.directory import access, clients
from scim_server.directory.access import NotAllowed, Taken
from scim_server.settings import Settings
from scim_server.storage.access_tables import client_secrets, trusts
from scim_server.storage.clients import Client, Trust
from scim_server.storage.db import reading
from tests.issuer import AUDIENCE, ISSUER, SUBJECT, TENANT, Issuer, Source, epoch, published
from tests.support import MEDIA_TYPE, USER_URN, Answer, World, new_world, statements

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
OTHER_TENANT = f"https://login.microsoftonline.com/{TENANT[::-1]}/v2.0"


@dataclass(frozen=True)
class Scene:
    """A workspace with a connection, and an issuer that nobody else trusts: its name is the test's own."""

    world: World
    source: Source
    issuer: Issuer
    connection: str = field(default_factory=lambda: f"entra-{secrets.token_hex(4)}")

    @property
    def inline(self) -> Mapping[str, Any]:
        return self.issuer.key_set

    @property
    def fetched(self) -> Mapping[str, Any]:
        return {"jwks_uri": f"{self.source.jwks_uri}?{self.connection}"}

    def trust(self, key_set: Mapping[str, Any], client: Client | None = None, **changes: Any) -> Trust:
        given = {"issuer": self.issuer.issuer, "audience": AUDIENCE, "subject": SUBJECT, **changes}
        client_id = None if client is None else client.id
        return clients.create_trust(
            self.world.directory, self.world.name, self.connection, key_set=key_set, client_id=client_id, **given
        )

    def client(self, **options: Any) -> Client:
        given: dict[str, Any] = {"with_secret": False, **options}
        return clients.create_client(self.world.directory, self.world.name, self.connection, "entra", **given)[0]

    def secret(self, **options: Any) -> tuple[Client, str]:
        made, _, text = clients.create_client(
            self.world.directory, self.world.name, self.connection, "entra", **options
        )
        return made, text or ""

    def ask(self, client_id: str, assertion: str, **more: str) -> Answer:
        """What Entra posts to the token endpoint."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            "scope": "scim",
            **more,
        }
        return _answer(self.world.app.test_client().post("/oauth/token", data=form))

    def users(self, authorization: str) -> Answer:
        return _answer(self.world.app.test_client().get("/scim/v2/Users", headers={"Authorization": authorization}))

    def last_used(self, table: Table, row_id: str) -> Any:
        with reading(self.world.directory.engine) as db:
            return db.scalar(select(table.c.last_used).where(table.c.id == row_id))


def _answer(response: Any) -> Answer:
    return Answer(response.status_code, dict(response.headers), response.get_data(as_text=True))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    with published(tmp_path_factory.mktemp("issuer")) as source:
        yield source


@pytest.fixture(scope="module")
def keys() -> Issuer:
    return Issuer()


@pytest.fixture
def scene(app: Flask, source: Source, keys: Issuer, folder: Path) -> Iterator[Scene]:
    """On an application that may fetch from the stand-in issuer; its counts of failures are its own."""
    url = app.extensions["directory"].engine.url.render_as_string(hide_password=False)
    settings = Settings(
        database_url=url,
        mail_folder=str(folder),
        key_set_hosts=f"login.microsoftonline.com,{source.host}",
        key_set_certificates=str(source.certificates),
    )
    other = create_app(settings)
    source.publish(keys.key_set)
    source.asked = 0
    guid = secrets.token_hex(16)
    tenant = "-".join((guid[:8], guid[8:12], guid[12:16], guid[16:20], guid[20:]))
    issuer = Issuer(keys.rsa, keys.ec, f"https://login.microsoftonline.com/{tenant}/v2.0")
    scene = Scene(new_world(other), source, issuer)
    access.create_connection(scene.world.directory, scene.world.name, scene.connection, "entra")
    yield scene
    close(other)


WRONG: Mapping[str, Callable[[Issuer], str]] = {
    "iss": lambda issuer: issuer.token(iss="https://evil.example"),
    "another tenant's issuer": lambda issuer: issuer.token(iss=ISSUER),
    "another tenant": lambda issuer: issuer.token(tid=TENANT),
    "aud": lambda issuer: issuer.token(aud="api://another"),
    "sub": lambda issuer: issuer.token(sub="11111111-2222-3333-4444-555555555555"),
    "no sub": lambda issuer: issuer.token(sub=None),
    "exp": lambda issuer: issuer.token(exp=epoch(minutes=2)),
    "no exp": lambda issuer: issuer.token(exp=None),
    "nbf": lambda issuer: issuer.token(nbf=epoch(minutes=-2)),
    "older than 24 hours": lambda issuer: issuer.token(iat=epoch(hours=25), nbf=None),
    "alg none": lambda issuer: issuer.unsigned(),
    "alg HS256 with the public key": lambda issuer: issuer.by_the_public_key(),
    "unknown kid": lambda issuer: issuer.token(header={"kid": "unknown"}),
    "another's key": lambda issuer: Issuer(issuer=issuer.issuer).token(header={"kid": issuer.rsa.kid}),
    "not a JWT": lambda issuer: "a.b.c",
}


def expect_no_client(answer: Answer) -> None:
    """RFC 6749 §5.2."""
    assert (answer.status, answer.json["error"]) == (401, "invalid_client"), answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "access_token" not in answer.text


def expect_no_token(answer: Answer) -> None:
    """RFC 6750 §3.1."""
    assert answer.status == 401, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("kept", ["inline", "fetched"])
def test_an_assertion_gets_a_token(scene: Scene, kept: str, alg: str) -> None:
    client = scene.client()
    scene.trust(getattr(scene, kept), client)
    answer = scene.ask(client.id, scene.issuer.token(alg))
    assert answer.status == 200, answer.text
    assert (answer.json["token_type"], answer.json["scope"]) == ("Bearer", "scim")
    assert 3600 <= answer.json["expires_in"] <= 21600
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    assert scene.users(f"Bearer {answer.json['access_token']}").status == 200


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_assertion_gets_none(scene: Scene, case: str) -> None:
    client = scene.client()
    scene.trust(scene.inline, client)
    expect_no_client(scene.ask(client.id, WRONG[case](scene.issuer)))
    assert scene.ask(client.id, scene.issuer.token()).status == 200


def test_the_audience_may_be_copied_from_entras_form(scene: Scene) -> None:
    client = scene.client()
    scene.trust(scene.inline, client, audience=f"{AUDIENCE}/.default")
    assert scene.ask(client.id, scene.issuer.token(aud=AUDIENCE)).status == 200
    expect_no_client(scene.ask(client.id, scene.issuer.token(aud="")))


def test_an_assertion_counts_once(scene: Scene) -> None:
    client = scene.client()
    scene.trust(scene.inline, client)
    assertion = scene.issuer.token("ES256", jti="an id")
    assert scene.ask(client.id, assertion).status == 200
    expect_no_client(scene.ask(client.id, assertion))


def test_a_jti_counts_once_whatever_stands_beside_it(scene: Scene) -> None:
    client = scene.client()
    scene.trust(scene.inline, client)
    assert scene.ask(client.id, scene.issuer.token(jti="a", exp=epoch(minutes=-5))).status == 200
    expect_no_client(scene.ask(client.id, scene.issuer.token(jti="a", exp=epoch(minutes=-6))))
    assert scene.ask(client.id, scene.issuer.token(jti="b")).status == 200


def test_without_a_jti_an_assertion_counts_until_it_expires(scene: Scene) -> None:
    client = scene.client()
    scene.trust(scene.inline, client)
    assertion = scene.issuer.token(jti=None)
    assert scene.ask(client.id, assertion).status == 200
    assert scene.ask(client.id, assertion).status == 200


def test_a_wrong_assertion_spends_no_jti(scene: Scene) -> None:
    client = scene.client()
    scene.trust(scene.inline, client)
    expect_no_client(scene.ask(client.id, Issuer(issuer=scene.issuer.issuer).token(jti="a")))
    assert scene.ask(client.id, scene.issuer.token(jti="a")).status == 200


def test_an_unknown_kid_has_the_set_fetched_again_once(scene: Scene) -> None:
    client, other = scene.client(), Issuer(issuer=scene.issuer.issuer)
    scene.trust(scene.fetched, client)
    assert scene.ask(client.id, scene.issuer.token()).status == 200
    assert scene.source.asked == 1
    for _ in range(3):
        expect_no_client(scene.ask(client.id, other.token()))
    assert scene.source.asked == 2


def test_a_new_key_of_the_issuer_counts(scene: Scene) -> None:
    client, other = scene.client(), Issuer(issuer=scene.issuer.issuer)
    scene.trust(scene.fetched, client)
    assert scene.ask(client.id, scene.issuer.token()).status == 200
    scene.source.publish(other.key_set)
    assert scene.ask(client.id, other.token()).status == 200


def test_one_of_several_trusts_is_enough(scene: Scene) -> None:
    client = scene.client()
    scene.trust(Issuer().key_set, client)
    scene.trust(scene.inline, client, subject="another")
    scene.trust(scene.inline, client)
    assert scene.ask(client.id, scene.issuer.token()).status == 200


def test_a_trust_counts_for_its_client_alone(scene: Scene) -> None:
    client, other = scene.client(), scene.client()
    scene.trust(scene.inline, client)
    expect_no_client(scene.ask(other.id, scene.issuer.token()))
    expect_no_client(scene.ask("client_unknown", scene.issuer.token()))
    expect_no_client(scene.ask(SUBJECT, scene.issuer.token()))


def test_a_trust_of_an_assertion_takes_no_bearer_token(scene: Scene) -> None:
    client = scene.client()
    scene.trust(scene.inline, client)
    expect_no_token(scene.users(f"Bearer {scene.issuer.token()}"))


def test_a_revoked_trust_gets_no_token(scene: Scene) -> None:
    client = scene.client()
    trust = scene.trust(scene.inline, client)
    assert scene.ask(client.id, scene.issuer.token()).status == 200
    clients.revoke_trust(scene.world.directory, scene.world.name, scene.connection, trust.id)
    expect_no_client(scene.ask(client.id, scene.issuer.token()))


def test_a_revoked_clients_trust_gets_no_token(scene: Scene) -> None:
    client = scene.client()
    scene.trust(scene.inline, client)
    clients.revoke_client(scene.world.directory, scene.world.name, client.id)
    expect_no_client(scene.ask(client.id, scene.issuer.token()))


def test_more_than_the_clients_scopes_is_refused(scene: Scene) -> None:
    client = scene.client(scopes="contacts:view")
    scene.trust(scene.inline, client)
    answer = scene.ask(client.id, scene.issuer.token(), scope="scim")
    assert (answer.status, answer.json["error"]) == (400, "invalid_scope")
    answer = scene.ask(client.id, scene.issuer.token(), scope="contacts:view")
    assert (answer.status, answer.json["scope"]) == (200, "contacts:view")


def test_the_last_use_of_a_trust_is_noted(scene: Scene) -> None:
    client = scene.client()
    assertions, bearers = scene.trust(scene.inline, client), scene.trust(scene.inline, audience="api://bearer")
    assert scene.last_used(trusts, assertions.id) is None
    scene.ask(client.id, scene.issuer.token())
    assert scene.last_used(trusts, assertions.id) is not None
    assert scene.last_used(trusts, bearers.id) is None
    scene.users(f"Bearer {scene.issuer.token(aud='api://bearer')}")
    assert scene.last_used(trusts, bearers.id) is not None


def own(client: Client, issuer: Issuer, alg: str = "RS256", **changes: Any) -> str:
    """A client's own assertion (RFC 7523 §3)."""
    given = {"iss": client.id, "sub": client.id, "aud": "http://localhost/oauth/token", **changes}
    return issuer.token(alg, **given)


@pytest.mark.parametrize("kept", ["inline", "fetched"])
def test_a_clients_own_assertion_gets_a_token(scene: Scene, kept: str) -> None:
    client = scene.client(key_set=getattr(scene, kept))
    scene.trust(scene.inline, client)
    for alg in ("RS256", "ES256"):
        assert scene.ask(client.id, own(client, scene.issuer, alg)).status == 200
    assert scene.ask("", own(client, scene.issuer, aud="http://localhost")).status == 200
    assert scene.ask(client.id, scene.issuer.token()).status == 200, "and so does the trusted issuer's"


OWN_WRONG: Mapping[str, dict[str, Any]] = {
    "iss": {"iss": SUBJECT},
    "sub": {"sub": "client_unknown"},
    "no sub": {"sub": None},
    "sub of another type": {"sub": ["x"]},
    "aud": {"aud": "https://evil.example/oauth/token"},
    "SCIM as aud": {"aud": "http://localhost/scim/v2"},
    "exp": {"exp": epoch(minutes=2)},
    "no exp": {"exp": None},
    "nbf": {"nbf": epoch(days=-1)},
    "older than 24 hours": {"iat": epoch(hours=25), "nbf": None},
    "unknown kid": {"header": {"kid": "unknown"}},
}


@pytest.mark.parametrize("case", OWN_WRONG)
def test_a_clients_own_wrong_assertion_gets_none(scene: Scene, case: str) -> None:
    client = scene.client(key_set=scene.inline)
    expect_no_client(scene.ask(client.id, own(client, scene.issuer, **OWN_WRONG[case])))
    expect_no_client(scene.ask("", own(client, scene.issuer, **OWN_WRONG[case])))


def test_a_clients_own_assertion_counts_once_and_for_it_alone(scene: Scene) -> None:
    client, other = scene.client(key_set=scene.inline), scene.client(key_set=Issuer().key_set)
    expect_no_client(scene.ask(other.id, own(client, scene.issuer)))
    expect_no_client(scene.ask(other.id, own(other, scene.issuer)))
    expect_no_client(scene.ask(scene.client().id, own(client, scene.issuer)))
    assertion = own(client, scene.issuer)
    assert scene.ask(client.id, assertion).status == 200
    expect_no_client(scene.ask(client.id, assertion))


def test_a_client_without_keys_has_no_assertion_of_its_own(scene: Scene) -> None:
    client, text = scene.secret()
    expect_no_client(scene.ask(client.id, own(client, scene.issuer)))
    answer = scene.ask(client.id, own(client, scene.issuer), client_secret=text)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("host", ["evil.example", "login.microsoftonline.com.evil.example", "127.0.0.1"])
def test_a_key_set_from_elsewhere_is_refused(scene: Scene, host: str) -> None:
    with pytest.raises(NotAllowed, match="SCIM_SERVER_KEY_SET_HOSTS"):
        scene.trust({"jwks_uri": f"https://{host}/keys"}, scene.client())


def test_a_host_that_is_allowed_no_more_is_asked_no_more(scene: Scene, folder: Path) -> None:
    client = scene.client()
    scene.trust(scene.fetched, client)
    scene.trust(scene.fetched, audience="api://bearer")
    engine = scene.world.directory.engine
    later = create_app(Settings(database_url=engine.url.render_as_string(hide_password=False), mail_folder=str(folder)))
    moved = Scene(World(later, later.extensions["directory"], scene.world.name, "", ""), scene.source, scene.issuer)
    expect_no_client(moved.ask(client.id, scene.issuer.token()))
    expect_no_token(moved.users(f"Bearer {scene.issuer.token(aud='api://bearer')}"))
    assert scene.source.asked == 0
    close(later)


@pytest.mark.parametrize("kept", ["inline", "fetched"])
def test_a_trusted_bearer_token_is_the_connection(scene: Scene, kept: str) -> None:
    scene.trust(getattr(scene, kept), scopes="contacts:view contacts:edit")
    token = scene.issuer.token()
    for _ in range(2):
        assert scene.users(f"Bearer {token}").status == 200
    headers = {"Authorization": f"Bearer {token}", "Content-Type": MEDIA_TYPE}
    body = {"schemas": [USER_URN], "userName": "kim@example.com", "externalId": "kim"}
    made = scene.world.app.test_client().post("/scim/v2/Users", json=body, headers=headers)
    assert made.status_code == 201
    user_id = made.get_json(force=True)["id"]
    read = scene.world.app.test_client().get(f"/scim/v2/Users/{user_id}", headers=headers)
    assert (read.status_code, read.get_json(force=True)["externalId"]) == (200, "kim")
    refused = scene.world.app.test_client().delete(f"/scim/v2/Users/{user_id}", headers=headers)
    assert refused.status_code == 403
    assert 'scope="contacts:delete"' in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_bearer_token_is_refused(scene: Scene, case: str) -> None:
    scene.trust(scene.inline)
    expect_no_token(scene.users(f"Bearer {WRONG[case](scene.issuer)}"))
    assert scene.users(f"Bearer {scene.issuer.token()}").status == 200


def test_a_bearer_token_of_any_subject_where_none_is_named(scene: Scene) -> None:
    scene.trust(scene.inline, subject=None)
    for subject in ("one", None):
        assert scene.users(f"Bearer {scene.issuer.token(sub=subject)}").status == 200
    expect_no_token(scene.users(f"Bearer {scene.issuer.token(aud=['api://one', 'api://two'])}"))
    assert scene.users(f"Bearer {scene.issuer.token(aud=['api://one', AUDIENCE])}").status == 200


def test_a_bearer_token_with_an_unknown_kid_has_the_set_fetched_again_once(scene: Scene) -> None:
    scene.trust(scene.fetched)
    assert scene.users(f"Bearer {scene.issuer.token()}").status == 200
    for _ in range(3):
        expect_no_token(scene.users(f"Bearer {Issuer(issuer=scene.issuer.issuer).token()}"))
    assert scene.source.asked == 2


def test_a_revoked_trust_takes_no_bearer_token(scene: Scene) -> None:
    trust = scene.trust(scene.inline)
    assert scene.users(f"Bearer {scene.issuer.token()}").status == 200
    clients.revoke_trust(scene.world.directory, scene.world.name, scene.connection, trust.id)
    expect_no_token(scene.users(f"Bearer {scene.issuer.token()}"))


def test_a_bearer_token_never_falls_to_another_workspace(scene: Scene) -> None:
    """Two trusts of one token can't be made, and where they come about neither counts."""
    scene.trust(scene.inline)
    world = new_world(scene.world.app)
    other = Scene(world, scene.source, scene.issuer)
    access.create_connection(world.directory, world.name, other.connection)
    with pytest.raises(Taken):
        other.trust(scene.inline)
    other.trust(scene.inline, audience="api://two")
    expect_no_token(scene.users(f"Bearer {scene.issuer.token(aud=[AUDIENCE, 'api://two'])}"))


def test_an_ordinary_token_takes_one_statement(scene: Scene) -> None:
    scene.trust(scene.inline)
    client = scene.world.client()
    user_id = client.user("kim@example.com")["id"]
    client.get(f"/Users/{user_id}")  # notes the use
    with statements(scene.world.directory.engine) as said:
        assert client.get(f"/Users/{user_id}").status == 200
        assert not said, "the one statement is on the driver's own cursor"
        assert scene.users(f"Bearer {scene.issuer.token()}").status == 200
        assert said


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def expect_unknown_scheme(answer: Answer) -> None:
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "invalid_token" not in answer.headers["WWW-Authenticate"]


def test_basic_where_the_connection_asks_for_it(scene: Scene) -> None:
    client, text = scene.secret(scopes="contacts:view")
    expect_unknown_scheme(scene.users(basic(client.id, text)))
    access.set_connection(scene.world.directory, scene.world.name, scene.connection, {"basic_auth": True})
    assert scene.users(basic(client.id, text)).status == 200
    headers = {"Authorization": basic(client.id, text), "Content-Type": MEDIA_TYPE}
    refused = scene.world.app.test_client().delete("/scim/v2/Users/1", headers=headers)
    assert refused.status_code == 403
    access.set_connection(scene.world.directory, scene.world.name, scene.connection, {"basic_auth": False})
    expect_unknown_scheme(scene.users(basic(client.id, text)))


@pytest.mark.parametrize(
    "header",
    [
        lambda client, text: basic(client, text[:-1]),
        lambda client, text: basic(client, text + "x"),
        lambda client, text: basic(client, ""),
        lambda client, text: basic("", text),
        lambda client, text: basic("client_unknown", text),
        lambda client, text: basic("client\x00", text),
        lambda client, text: "Basic",
        lambda client, text: "Basic !!!",
        lambda client, text: "Basic /////w==",
        lambda client, text: f"Basic {client}:{text}",
        lambda client, text: f"Bearer {text}",
    ],
)
def test_wrong_basic_credentials(scene: Scene, header: Callable[[str, str], str]) -> None:
    client, text = scene.secret()
    access.set_connection(scene.world.directory, scene.world.name, scene.connection, {"basic_auth": True})
    answer = scene.users(header(client.id, text))
    assert answer.status == 401
    assert text not in answer.text


def test_a_secret_that_ended_is_no_password(scene: Scene) -> None:
    access.set_connection(scene.world.directory, scene.world.name, scene.connection, {"basic_auth": True})
    client, text = scene.secret()
    _, new = clients.rotate(scene.world.directory, scene.world.name, client.id)
    assert scene.users(basic(client.id, text)).status == scene.users(basic(client.id, new)).status == 200
    _, newest = clients.rotate(scene.world.directory, scene.world.name, client.id, revoke_others=True)
    for each, status in ((text, 401), (new, 401), (newest, 200)):
        assert scene.users(basic(client.id, each)).status == status
    clients.revoke_client(scene.world.directory, scene.world.name, client.id)
    expect_unknown_scheme(scene.users(basic(client.id, newest)))


def test_the_last_use_of_a_secret_is_noted(scene: Scene) -> None:
    access.set_connection(scene.world.directory, scene.world.name, scene.connection, {"basic_auth": True})
    client, text = scene.secret()
    with reading(scene.world.directory.engine) as db:
        secret_id = db.scalar(select(client_secrets.c.id).where(client_secrets.c.client_id == client.id))
    assert scene.last_used(client_secrets, str(secret_id)) is None
    scene.users(basic(client.id, text))
    assert scene.last_used(client_secrets, str(secret_id)) is not None


def test_a_token_without_a_scheme_where_the_connection_takes_it(scene: Scene) -> None:
    directory, name = scene.world.directory, scene.world.name
    token, text = access.create_token(directory, name, scene.connection, secrets.token_bytes)
    expect_unknown_scheme(scene.users(text))
    access.set_connection(directory, name, scene.connection, {"bare_token": True})
    assert scene.users(text).status == scene.users(f"Bearer {text}").status == 200
    for wrong in (f"Token {text}", f"{text} {text}", f"{text}x", text[:-1], "Bearer"):
        expect_unknown_scheme(scene.users(wrong))
    access.revoke_token(directory, name, scene.connection, token.id)
    expect_unknown_scheme(scene.users(text))


def test_okta_may_send_a_token_alone_and_others_not(world: World) -> None:
    for preset, status in (("okta", 200), ("generic", 401), ("strict", 401)):
        client = world.client(preset=preset)
        assert client.get("/Users", Authorization=client.token).status == status
