"""A whole provisioning cycle of Entra and of Okta, request by request, against a running server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest

from tests.http.conftest import Site
from tests.support import ENTERPRISE_URN, GROUP_URN, PATCH_URN, USER_URN, WORKSPACE_URN

FLAG = "aadOptscim062020"


@dataclass(frozen=True)
class Entra:
    """Entra's client: it speaks one of two dialects, and appends to the query of the tenant URL it was given."""

    http: httpx.Client
    flag: bool

    def _url(self, path: str, query: str = "") -> str:
        parts = [part for part in (FLAG if self.flag else "", query) if part]
        return f"{path}?{'&'.join(parts)}" if parts else path

    def match(self, endpoint: str, attribute: str, value: str) -> list[Any]:
        without = "excludedAttributes=members&" if endpoint == "/Groups" else ""
        wanted = quote_plus(f'{attribute} eq "{value}"')
        answer = self.http.get(self._url(endpoint, f"{without}filter={wanted}"))
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["Resources"]
        assert answer.json()["totalResults"] == len(found)
        return found

    def post(self, endpoint: str, body: Mapping[str, Any]) -> Any:
        answer = self.http.post(self._url(endpoint), json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.http.get(self._url(path))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def patch(self, path: str, op: str, target: str | None, value: Any = None) -> None:
        operation = {"op": op if self.flag else op.capitalize(), "path": target, "value": value}
        sent = {name: each for name, each in operation.items() if each is not None}
        answer = self.http.patch(self._url(path), json={"schemas": [PATCH_URN], "Operations": [sent]})
        assert answer.status_code in (200, 204), answer.text

    def set_active(self, path: str, value: bool) -> None:
        self.patch(path, "replace", "active", value if self.flag else str(value))

    def add_member(self, path: str, member: str) -> None:
        self.patch(path, "add", "members", [{"value": member} if self.flag else {"$ref": None, "value": member}])

    def remove_member(self, path: str, member: str) -> None:
        if self.flag:
            self.patch(path, "remove", f'members[value eq "{member}"]')
        else:
            self.patch(path, "remove", "members", [{"$ref": None, "value": member}])

    def update(self, path: str) -> None:
        """The same three changes in each dialect."""
        number = f"{ENTERPRISE_URN}:employeeNumber"
        self.patch(path, "replace", 'emails[type eq "work"].value', "Kim.New@Example.com")
        if self.flag:
            self.patch(path, "replace", None, {"name.familyName": "New", number: "701984"})
        else:
            self.patch(path, "replace", "name.familyName", "New")
            self.patch(path, "replace", number, "701984")

    def delete(self, path: str) -> None:
        assert self.http.delete(self._url(path)).status_code == 204
        assert self.http.get(self._url(path)).status_code == 404
        assert self.http.delete(self._url(path)).status_code == 404


def _entra_user(name: str) -> dict[str, Any]:
    return {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "externalId": f"external-{name}",
        "userName": f"{name}@example.com",
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": f"{name}@example.com"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": f"{name} Old", "familyName": "Old", "givenName": name},
        "roles": [],
    }


def _members(group: Mapping[str, Any]) -> set[str]:
    return {member["value"] for member in group.get("members", ())}


@pytest.mark.parametrize("flag", [False, True], ids=["default", FLAG])
def test_entra(site: Site, flag: bool) -> None:
    with site.http(site.world(seats=4).client(preset="entra")) as http:
        entra = Entra(http, flag)
        people = _entra_people(entra)
        group = _entra_group(entra, people)
        _entra_access(entra, people[0], group)


def _entra_people(entra: Entra) -> list[str]:
    """Match, create, update; returns the paths' ids."""
    ids = []
    for name in ("Kim", "Lou", "Max"):
        assert entra.match("/Users", "userName", f"{name}@example.com") == []
        ids.append(entra.post("/Users", _entra_user(name))["id"])
    path = f"/Users/{ids[0]}"
    entra.update(path)
    user = entra.get(path)
    assert user["name"] == {"formatted": "Kim Old", "familyName": "New", "givenName": "Kim"}
    assert user["emails"] == [{"primary": True, "type": "work", "value": "Kim.New@Example.com"}]
    assert user[ENTERPRISE_URN] == {"employeeNumber": "701984"}
    entra.update(path)
    assert entra.get(path)["meta"] == user["meta"], "what is so already is no change"
    return ids


def _entra_group(entra: Entra, people: list[str]) -> str:
    assert entra.match("/Groups", "displayName", "Engineers") == []
    legacy = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
    body = {"schemas": [GROUP_URN, legacy], "externalId": "8aa1a0c0", "displayName": "Engineers"}
    path = f"/Groups/{entra.post('/Groups', body)['id']}"
    for count, person in enumerate(people, start=1):
        entra.add_member(path, person)
        assert _members(entra.get(path)) == set(people[:count])
    entra.patch(path, "replace", "displayName", "Engineering")
    assert _members(entra.get(path)) == set(people)
    assert entra.match("/Groups", "displayName", "Engineers") == []
    (found,) = entra.match("/Groups", "displayName", "engineering")
    assert "members" not in found
    entra.remove_member(path, people[1])
    assert _members(entra.get(path)) == {people[0], people[2]}
    return path


def _entra_access(entra: Entra, user_id: str, group: str) -> None:
    """Deactivate, find, reactivate, delete."""
    path = f"/Users/{user_id}"
    entra.set_active(path, False)
    (found,) = entra.match("/Users", "userName", "kim@example.com")
    assert (found["id"], found["active"]) == (user_id, False)
    entra.set_active(path, True)
    user = entra.get(path)
    assert (user["id"], user["active"], user[WORKSPACE_URN]["status"]) == (user_id, True, "active")
    assert [each["display"] for each in user["groups"]] == ["Engineering"]
    assert user_id in _members(entra.get(group))
    entra.delete(path)
    assert user_id not in _members(entra.get(group))
    assert entra.match("/Users", "userName", "Kim@example.com") == []
    entra.delete(group)


@dataclass(frozen=True)
class Okta:
    """Okta's client: it reads before it writes, and writes users whole."""

    http: httpx.Client

    def match(self, endpoint: str, attribute: str, value: str) -> list[Any]:
        query = quote(f'{attribute} eq "{value}"')
        return self.list(f"{endpoint}?filter={query}&startIndex=1&count=100")

    def list(self, path: str) -> list[Any]:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["Resources"]
        return found

    def post(self, endpoint: str, body: Mapping[str, Any]) -> Any:
        answer = self.http.post(endpoint, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, **changes: Any) -> Any:
        """What the server said, overlaid with the changes."""
        answer = self.http.put(path, json={**self.get(path), "groups": [], **changes})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def patch(self, path: str, *operations: Mapping[str, Any]) -> None:
        answer = self.http.patch(path, json={"schemas": [PATCH_URN], "Operations": operations})
        assert answer.status_code in (200, 204), answer.text


def _okta_user(name: str) -> dict[str, Any]:
    return {
        "schemas": [USER_URN],
        "userName": f"{name}@okta.local",
        "name": {"givenName": name, "familyName": "Old"},
        "emails": [{"primary": True, "value": f"{name}@okta.local", "type": "work"}],
        "displayName": f"{name} Old",
        "locale": "en-US",
        "externalId": f"00u{name}",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }


def test_okta(site: Site) -> None:
    with site.http(site.world(seats=4).client(preset="okta")) as http:
        okta = Okta(http)
        assert len(okta.list("/Users?startIndex=1&count=2")) == 1
        people = _okta_people(okta)
        group = _okta_group(okta, people)
        _okta_access(okta, people[0], group)


def _okta_people(okta: Okta) -> list[str]:
    ids = []
    for name in ("Kim", "Lou", "Max"):
        assert okta.match("/Users", "userName", f"{name}@okta.local") == []
        ids.append(okta.post("/Users", _okta_user(name))["id"])
    path = f"/Users/{ids[0]}"
    before = okta.get(path)
    assert okta.put(path)["meta"] == before["meta"], "the echo of what the server said is no change"
    user = okta.put(path, name={"givenName": "Kim", "familyName": "New"}, title="Boss")
    assert (user["name"]["familyName"], user["title"], user["externalId"]) == ("New", "Boss", "00uKim")
    assert "password" not in user
    return ids


def _okta_group(okta: Okta, people: list[str]) -> str:
    """Group push; Okta sends the group's name with every change of members."""
    assert okta.match("/Groups", "displayName", "Sales") == []
    group_id = okta.post("/Groups", {"schemas": [GROUP_URN], "displayName": "Sales", "members": []})["id"]
    path = f"/Groups/{group_id}"
    name = {"op": "replace", "value": {"id": group_id, "displayName": "Sales"}}
    for count, person in enumerate(people, start=1):
        okta.patch(path, name)
        okta.patch(path, {"op": "add", "path": "members", "value": [{"value": person, "display": "x"}]})
        assert _members(okta.get(path)) == set(people[:count])
    okta.patch(path, {"op": "replace", "value": {"id": group_id, "displayName": "Sellers"}})
    assert (okta.get(path)["displayName"], _members(okta.get(path))) == ("Sellers", set(people))
    okta.patch(path, {"op": "remove", "path": f'members[value eq "{people[1]}"]'})
    assert _members(okta.get(path)) == {people[0], people[2]}
    pushed = [{"value": person, "display": "x"} for person in people[:2]]
    okta.patch(path, {"op": "replace", "path": "members", "value": pushed})
    assert _members(okta.get(path)) == set(people[:2])
    return path


def _okta_access(okta: Okta, user_id: str, group: str) -> None:
    """Deactivate, find, reactivate, and deactivate for good: Okta never deletes a user."""
    path = f"/Users/{user_id}"
    assert okta.put(path, active=False)["active"] is False
    (found,) = okta.match("/Users", "userName", "KIM@okta.local")
    assert (found["id"], found["active"]) == (user_id, False)
    user = okta.put(path, active=True)
    assert (user["id"], user[WORKSPACE_URN]["status"]) == (user_id, "active")
    assert [each["display"] for each in user["groups"]] == ["Sellers"]
    assert user_id in _members(okta.get(group))
    okta.put(path, active=False)
    imported = {each["id"]: each["active"] for each in okta.list("/Users?startIndex=1&count=100")}
    assert imported[user_id] is False
    assert okta.http.delete(group).status_code == 204
    assert "groups" not in okta.get(path)
