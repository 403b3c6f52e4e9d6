"""Every request of corpus/identity_providers.json, sent to a running server as its identity provider sends it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from scim_server.directory import access, clients
from tests.http.conftest import Site
from tests.issuer import AUDIENCE, ISSUER, SUBJECT, Issuer
from tests.support import CORPUS, ENTERPRISE_URN, MEDIA_TYPE, Client, World

REQUESTS = json.loads((CORPUS / "identity_providers.json").read_text())["requests"]
PRESETS = ("entra", "okta", "onelogin", "jumpcloud", "google", "ping")


def test_every_request_has_its_check() -> None:
    assert all("check" in row for row in REQUESTS)
    assert len({row["id"] for row in REQUESTS}) == len(REQUESTS)


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row["id"])
def test_request(site: Site, row: Mapping[str, Any]) -> None:
    world = site.world()
    client = world.client(preset=row["idp"] if row["idp"] in PRESETS else "generic")
    ids = _credentials(world) if _is_oauth(row) else _prepared(client, row.get("given", {}))
    check = _filled(row["check"], ids)
    with httpx.Client(timeout=60) as http:
        for _ in range(2 if check.get("again") else 1):
            answer = _send(http, site, client, _filled(row, ids), row.get("headers", {}))
            _expect(answer, check)
            if answer.status_code == 201:
                assert answer.headers["Location"] == answer.json()["meta"]["location"]
            for then in check.get("then", ()):
                _expect(_send(http, site, client, {"method": "GET", **then}, {}), {"status": [200], **then})


def test_a_check_that_is_wrong_fails(site: Site) -> None:
    """The runner itself: each kind of expectation is able to fail."""
    world = site.world()
    client = world.client()
    _prepared(client, {})
    with httpx.Client(timeout=60) as http:
        answer = _send(http, site, client, {"method": "GET", "path": "/Users"}, {})
    right: dict[str, Any] = {"status": [200], "json": {"/totalResults": 3}, "absent": ["/Resources/9"]}
    _expect(answer, right)
    wrong: list[dict[str, Any]] = [
        {"status": [204]},
        {"json": {"/totalResults": "3"}},
        {"json": {"/Resources/*/active": [1, 1, 1]}},
        {"json": {"/nothing": None}},
        {"absent": ["/Resources/0/id"]},
    ]
    for each in wrong:
        with pytest.raises(AssertionError):
            _expect(answer, {**right, **each})


def _prepared(client: Client, given: Mapping[str, Any]) -> dict[str, str]:
    """The user, its manager and a group that a request finds, made as any client makes them."""
    manager = client.user("manager@example.com", **given.get("manager", {}))
    user = {
        "displayName": "Before",
        "name": {"givenName": "Given", "familyName": "Family"},
        ENTERPRISE_URN: {"manager": {"value": manager["id"]}},
        **given.get("user", {}),
    }
    ids = {"mid": manager["id"], "uid": client.user(user.pop("userName", "before@example.com"), **user)["id"]}
    members = _filled(given.get("members", ["{uid}", "{mid}"]), ids)
    return {**ids, "gid": client.group(given.get("group", "Engineers"), *members)["id"]}


def _is_oauth(row: Mapping[str, Any]) -> bool:
    return str(row["path"]).startswith("/oauth/")


def _credentials(world: World) -> dict[str, str]:
    """A client with a secret, and an assertion of an issuer that is trusted to stand for it."""
    name, issuer = secrets.token_hex(4), Issuer()
    access.create_connection(world.directory, world.name, name, "entra")
    client, _, text = clients.create_client(world.directory, world.name, name, "entra")
    claims: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "subject": SUBJECT}
    clients.create_trust(world.directory, world.name, name, key_set=issuer.key_set, client_id=client.id, **claims)
    return {"client_id": client.id, "client_secret": text or "", "JWT": issuer.token()}


def _filled(value: Any, ids: Mapping[str, str]) -> Any:
    text = json.dumps(value)
    for name, each in ids.items():
        text = text.replace(f"{{{name}}}", each)
    return json.loads(text)


def _send(
    http: httpx.Client, site: Site, client: Client, asked: Mapping[str, Any], headers: Mapping[str, str]
) -> httpx.Response:
    """Send exactly these headers beside the token: no defaults of the HTTP library."""
    if _is_oauth(asked):
        content = asked["body"].encode()
        return http.send(httpx.Request("POST", f"{site.served.url}{asked['path']}", headers=headers, content=content))
    body = json.dumps(asked["body"]).encode() if "body" in asked else None
    url = f"{site.served.url}/scim/v2{asked['path']}"
    sent = {"Authorization": f"Bearer {client.token}", **headers}
    return http.send(httpx.Request(asked["method"], url, headers=sent, content=body))


def _expect(answer: httpx.Response, check: Mapping[str, Any]) -> None:
    status = check["status"]
    assert answer.status_code in (status if isinstance(status, list) else [status]), answer.text
    if answer.status_code == 204:
        assert not answer.content
        return
    for name, value in {"Content-Type": MEDIA_TYPE, **check.get("headers", {})}.items():
        assert answer.headers[name] == value, name
    document = answer.json()
    for pointer, wanted in check.get("json", {}).items():
        found = list(_values(document, pointer.split("/")[1:]))
        if "*" in pointer:
            found, wanted = sorted(map(json.dumps, found)), sorted(map(json.dumps, wanted))
        else:
            wanted = [wanted]
        assert json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True), (pointer, answer.text)
    for pointer in check.get("absent", ()):
        assert not list(_values(document, pointer.split("/")[1:])), (pointer, answer.text)


def _values(document: Any, keys: list[str]) -> Iterator[Any]:
    """What a JSON pointer leads to; `*` goes into every element."""
    if not keys:
        yield document
        return
    head, *rest = keys
    if isinstance(document, list):
        chosen = document if head == "*" else document[int(head) : int(head) + 1]
    else:
        chosen = [document[head]] if head in document else []
    for each in chosen:
        yield from _values(each, rest)
