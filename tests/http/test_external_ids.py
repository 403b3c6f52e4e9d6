"""What a connection calls a user or a group is its own: no other connection sees, finds, sorts by or overwrites it.

RFC 7643 §3.1, lifecycle.md D11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import select

from scim_server.directory import contacts, groups, search
from scim_server.directory.contacts import Call
from scim_server.directory.search import Query
from scim_server.domain.actor import system
from scim_server.scim.filter import parse_filter
from scim_server.scim.schema import GROUP, USER
from scim_server.storage.db import reading
from scim_server.storage.tables import contact_external_ids, group_external_ids
from tests.http.test_lifecycle import recorded, replaced
from tests.support import GROUP_URN, USER_URN, Client, World, statements

KINDS: Final = ("Users", "Groups")
NAMES: Final = {"Users": "userName", "Groups": "displayName"}
SCHEMAS: Final = {"Users": USER_URN, "Groups": GROUP_URN}


@dataclass(frozen=True)
class Two:
    """Two connections of one workspace: the first made `ann` as "one", and `bob` without a name."""

    world: World
    kind: str
    first: Client
    second: Client
    ann: str
    bob: str

    @property
    def path(self) -> str:
        return f"/{self.kind}/{self.ann}"

    def body(self, name: str, **attributes: Any) -> dict[str, Any]:
        return {"schemas": [SCHEMAS[self.kind]], NAMES[self.kind]: name, **attributes}

    def seen(self) -> tuple[str | None, str | None]:
        """What the two call ann, read one by one and in lists."""
        both = []
        for client in (self.first, self.second):
            one = client.get(self.path)
            assert one.status == 200, one.text
            named = client.get(f'/{self.kind}?filter={NAMES[self.kind]} eq "ann"').json["Resources"]
            listed = [each for each in client.get(f"/{self.kind}").json["Resources"] if each["id"] == self.ann]
            searched = client.post(f"/{self.kind}/.search", {"filter": f'id eq "{self.ann}"'}).json["Resources"]
            alone = client.get(f"{self.path}?attributes=externalId").json
            told = [each.get("externalId") for each in (one.json, *named, *listed, *searched, alone)]
            assert len(told) == 5
            assert len(set(told)) == 1, told
            both.append(told[0])
        return both[0], both[1]

    def version(self) -> str:
        return str(self.first.get(self.path).json["meta"]["version"])


@pytest.fixture(params=KINDS)
def two(world: World, request: pytest.FixtureRequest) -> Two:
    first, second, kind = world.client(), world.client(), request.param
    made = []
    for name, attributes in (("ann", {"externalId": "one"}), ("bob", {})):
        answer = first.post(f"/{kind}", {"schemas": [SCHEMAS[kind]], NAMES[kind]: name, **attributes})
        assert (answer.status, answer.json.get("externalId")) == (201, attributes.get("externalId"))
        made.append(answer.json["id"])
    return Two(world, kind, first, second, *made)


def found(client: Client, two: Two, filter: str) -> set[str]:
    """The names of what a search finds, the owner of the workspace aside."""
    answer = client.get(f"/{two.kind}?filter={filter}")
    assert answer.status == 200, answer.text
    assert answer.json["totalResults"] == len(answer.json["Resources"])
    return {each[NAMES[two.kind]] for each in answer.json["Resources"]} & {"ann", "bob"}


def put(client: Client, two: Two, external_id: str | None) -> Any:
    return client.put(two.path, two.body("ann", **({} if external_id is None else {"externalId": external_id})))


def patch(client: Client, two: Two, external_id: str | None) -> Any:
    remove = {"op": "remove", "path": "externalId"}
    return client.patch(two.path, remove if external_id is None else replaced("externalId", external_id))


def patch_without_a_path(client: Client, two: Two, external_id: str | None) -> Any:
    if external_id is None:
        return patch(client, two, None)
    return client.patch(two.path, {"op": "add", "value": {"externalId": external_id}})


def bulk(client: Client, two: Two, external_id: str | None) -> Any:
    data = two.body("ann", **({} if external_id is None else {"externalId": external_id}))
    operations = [{"method": "PUT", "path": two.path, "data": data}]
    schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
    answer = client.post("/Bulk", {"schemas": [schema], "Operations": operations})
    assert answer.json["Operations"][0]["status"] == "200"
    return answer


WAYS: Final[Mapping[str, Callable[[Client, Two, str | None], Any]]] = {
    "PUT": put,
    "PATCH": patch,
    "PATCH without a path": patch_without_a_path,
    "Bulk": bulk,
}


def test_only_who_set_it_sees_it(two: Two) -> None:
    assert two.seen() == ("one", None)


@pytest.mark.parametrize("way", WAYS)
def test_each_sets_and_removes_its_own(two: Two, way: str) -> None:
    steps: tuple[tuple[Client, str | None, tuple[str | None, str | None]], ...] = (
        (two.second, "two", ("one", "two")),
        (two.first, "ONE", ("ONE", "two")),
        (two.second, "ONE", ("ONE", "ONE")),
        (two.first, None, (None, "ONE")),
        (two.second, None, (None, None)),
        (two.second, "one", (None, "one")),
    )
    for client, external_id, after in steps:
        version = two.version()
        answer = WAYS[way](client, two, external_id)
        assert answer.status in (200, 204), answer.text
        assert two.seen() == after
        assert two.version() != version, "a change of any connection makes a new version"
        before, version = recorded(two.world), two.version()
        WAYS[way](client, two, external_id)
        assert (two.seen(), two.version()) == (after, version), "and a repeat none"
        assert recorded(two.world) == before


def test_what_is_silent_leaves_the_other_s_alone(two: Two) -> None:
    version = two.version()
    assert put(two.second, two, None).status == 200
    assert patch(two.second, two, None).status in (200, 204)
    assert (two.seen(), two.version()) == (("one", None), version)
    assert two.second.put(two.path, two.body("ann", externalId="two")).json["externalId"] == "two"
    title = {"Users": "title", "Groups": "externalId"}[two.kind]
    assert two.second.patch(two.path, replaced(title, "x")).status in (200, 204)
    assert two.seen()[0] == "one"


def test_filters_are_about_one_s_own(two: Two) -> None:
    patch(two.second, two, "two")
    both, ann, bob, nobody = {"ann", "bob"}, {"ann"}, {"bob"}, set[str]()
    for filter, by_first, by_second in (
        ('externalId eq "one"', ann, nobody),
        ('externalId eq "two"', nobody, ann),
        ('externalId eq "TWO"', nobody, nobody),
        ("externalId pr", ann, ann),
        ("not (externalId pr)", bob, bob),
        ('externalId ne "one"', bob, both),
        ('not (externalId eq "one")', bob, both),
        ('externalId sw "o"', ann, nobody),
        ('externalId co "n"', ann, nobody),
        ('externalId ew "o"', nobody, ann),
        ('externalId gt "p"', nobody, ann),
        ("externalId eq null", bob, bob),
        ("externalId ne null", ann, ann),
        (f'externalId eq "one" or id eq "{two.bob}"', both, bob),
        (f'externalId eq "one" and id eq "{two.ann}"', ann, nobody),
    ):
        assert found(two.first, two, filter) == by_first, filter
        assert found(two.second, two, filter) == by_second, filter


def test_presence_is_one_s_own(two: Two) -> None:
    """Where another connection alone has a name for it."""
    for filter, by_second in (("externalId pr", set()), ("externalId eq null", {"ann", "bob"})):
        assert found(two.second, two, filter) == by_second
    assert two.second.get("/?filter=externalId pr").json["totalResults"] == 0
    assert two.first.get('/?filter=externalId eq "one"').json["totalResults"] == 1


def test_sorting_is_by_one_s_own(two: Two) -> None:
    for client, ann, bob in ((two.first, "a", "b"), (two.second, "b", "a")):
        for each, external_id in ((two.ann, ann), (two.bob, bob)):
            client.patch(f"/{two.kind}/{each}", replaced("externalId", external_id))
    third = two.world.client()
    for client, order in ((two.first, "ann bob"), (two.second, "bob ann"), (third, "ann bob")):
        for direction, expected in (("ascending", order.split()), ("descending", order.split()[::-1])):
            if client is third:  # nothing to sort by: the order of ids
                expected = ["ann", "bob"]
            path = f'/{two.kind}?sortBy=externalId&sortOrder={direction}&filter={NAMES[two.kind]} ne "x"'
            names = [each[NAMES[two.kind]] for each in client.get(path).json["Resources"]]
            assert [name for name in names if name in ("ann", "bob")] == expected
            assert walked(client, two, path) == names


def walked(client: Client, two: Two, path: str) -> list[str]:
    """The names of all pages of one, by cursor."""
    names, cursor = list[str](), ""
    while True:
        page = client.get(f"{path}&count=1&cursor={cursor}").json
        names += [each[NAMES[two.kind]] for each in page["Resources"]]
        cursor = page.get("nextCursor", "")
        if not cursor:
            return names


def test_the_same_name_may_be_given_twice(two: Two) -> None:
    for each in (two.ann, two.bob):
        assert two.second.patch(f"/{two.kind}/{each}", replaced("externalId", "one")).status in (200, 204)
    assert found(two.second, two, 'externalId eq "one"') == {"ann", "bob"}
    assert found(two.first, two, 'externalId eq "one"') == {"ann"}


def test_it_goes_with_what_it_names(two: Two) -> None:
    patch(two.second, two, "two")
    assert two.first.delete(two.path).status == 204
    made = two.first.post(f"/{two.kind}", two.body("ann")).json
    assert "externalId" not in made
    assert found(two.second, two, "externalId pr") == set()
    with reading(two.world.directory.engine) as db:
        for table in (contact_external_ids, group_external_ids):
            assert db.execute(select(table).where(table.c.workspace_id == two.world.workspace_id)).all() == []


def test_without_a_connection_there_is_none(two: Two) -> None:
    call = Call(system(two.world.workspace_id), None, "")
    door, kind, resource_type = {"Users": (contacts, "User", USER), "Groups": (groups, "Group", GROUP)}[two.kind]
    directory = two.world.directory
    version = two.version()
    assert "externalId" not in door.read(directory, call, two.ann)
    assert "externalId" not in door.replace(directory, call, two.ann, two.body("ann", externalId="mine"))
    assert (two.seen(), two.version()) == (("one", None), version)
    assert "externalId" not in door.create(directory, call, two.body("cem", externalId="mine"))
    for filter, total in (('externalId eq "one"', 0), ("externalId pr", 0), (f'id eq "{two.ann}"', 1)):
        page = search.find(directory, call, kind, Query(filter=parse_filter(resource_type, filter)))
        assert page.total == total
        assert not [each for each in page.resources if "externalId" in each]
    sort_by = resource_type.resolve("externalId")
    assert search.find(directory, call, kind, Query(sort_by=sort_by)).total >= 3


def test_okta_restores_what_it_calls_the_same(world: World) -> None:
    okta, other = world.client(preset="okta"), world.client(preset="okta")
    path = f"/Users/{okta.user('ann', externalId='e')['id']}"
    assert other.patch(path, replaced("externalId", "f")).status == 200
    assert other.patch(path, replaced("active", False)).status == 200
    for client, external_id in ((okta, "f"), (other, "e")):
        assert client.post("/Users", {"userName": "ann", "externalId": external_id}).status == 409
    restored = other.post("/Users", {"userName": "ann", "externalId": "f"})
    assert (restored.status, restored.json["externalId"], restored.json["active"]) == (201, "f", True)
    assert okta.get(path).json["externalId"] == "e"


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_takes_no_more_statements_for_more_names(world: World, client: Client, kind: str) -> None:
    def cost() -> int:
        with statements(world.directory.engine) as said:
            assert client.get(f"/{kind}?filter=externalId pr").status == 200
        return len(said)

    costs = []
    for size in (1, 5):
        for number in range(size):
            name = f"{size}-{number}"
            body = {"schemas": [SCHEMAS[kind]], NAMES[kind]: name, "externalId": name}
            assert client.post(f"/{kind}", body).status == 201
        costs.append(cost())
    assert costs[0] == costs[1]
