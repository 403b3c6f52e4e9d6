"""scim2-client, which checks every answer against the models it discovered, drives whole sessions with a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from scim2_client.client import BaseSyncSCIMClient
from scim2_models import BulkOperation, BulkRequest, PatchOp, PatchOperation, SCIMException, SearchRequest

from tests.http.conftest import Site
from tests.support import ENTERPRISE_URN, USER_URN

# The models are put together of what the server says of itself, so that no type checker can know them.
BULK_OPERATION: Any = BulkOperation
BULK_REQUEST: Any = BulkRequest
PATCH_OP: Any = PatchOp
SEARCH: Any = SearchRequest
TITLES = ("Chef", "Guide", "Pilot")


class Scim(BaseSyncSCIMClient):
    """The client's requests, sent with httpx."""

    def __init__(self, http: httpx.Client) -> None:
        super().__init__()
        self.http = http

    def _stays_under_base_url(self, endpoint: str) -> bool:
        return str(self.http.build_request("GET", endpoint).url).startswith(str(self.http.base_url))

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def request(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        return self.http.request(method, url, **kwargs)


@pytest.fixture
def scim(site: Site) -> Iterator[Any]:
    """A client that has discovered the server, for a workspace with an owner alone."""
    with site.http(site.world().client(preset="strict")) as http:
        client = Scim(http)
        client.discover()
        yield client


def new_user(scim: Any, name: str, **attributes: Any) -> Any:
    model = scim.get_resource_model("User")
    return scim.create(model(user_name=f"{name}@x.test", display_name=name.title(), **attributes))


def patch_of(scim: Any, kind: str, *operations: dict[str, Any]) -> Any:
    return PATCH_OP[scim.get_resource_model(kind)](operations=[PatchOperation(**each) for each in operations])


def values(resource: Any, name: str) -> set[str]:
    return {each.value for each in getattr(resource, name) or ()}


def test_discovery(scim: Any) -> None:
    config = scim.provider.config
    assert config.patch.supported
    assert config.etag.supported
    assert config.bulk.supported
    types = {each.name: str(each.endpoint) for each in scim.provider.resource_types}
    assert types == {"User": "/Users", "Group": "/Groups"}
    names = {model.__name__ for model in scim.provider.models}
    assert names == {"User", "EnterpriseUser", "WorkspaceUser", "Group"}


def test_the_life_of_a_user(scim: Any) -> None:
    user_model = scim.get_resource_model("User")
    user = new_user(scim, "ann", title="Chef", emails=[{"value": "ann@x.test", "type": "work", "primary": True}])
    assert user.id
    assert user.active is True
    assert scim.query(user_model, user.id).model_dump() == user.model_dump()
    assert scim.query(user) is user, "it isn't sent again while it is as it was"

    first_version = user.meta.version
    user.title, user.nick_name = "Pilot", "Annie"
    replaced = scim.replace(user)
    assert (replaced.title, replaced.nick_name) == ("Pilot", "Annie")
    assert replaced.meta.version != first_version
    with pytest.raises(SCIMException) as lost:
        scim.replace(user.model_copy(update={"meta": user.meta.model_copy(update={"version": first_version})}))
    assert lost.value.status == 412

    changes = (
        {"op": "replace", "path": "title", "value": "Guide"},
        {"op": "add", "path": "emails", "value": [{"value": "a@home.test", "type": "home"}]},
        {"op": "remove", "path": "nickName"},
        {"op": "add", "path": f"{ENTERPRISE_URN}:department", "value": "Sales"},
        {"op": "replace", "path": "active", "value": False},
    )
    modified = scim.modify(replaced, patch_of(scim, "User", *changes))
    assert (modified.title, modified.nick_name, modified.active) == ("Guide", None, False)
    assert values(modified, "emails") == {"ann@x.test", "a@home.test"}
    found = scim.query(user_model, user.id, check_response_payload=False)
    assert found[ENTERPRISE_URN] == {"department": "Sales"}

    scim.delete(modified)
    with pytest.raises(SCIMException) as gone:
        scim.query(user_model, user.id)
    assert gone.value.status == 404


def test_lists(scim: Any) -> None:
    user_model = scim.get_resource_model("User")
    for number in range(7):
        new_user(scim, f"user{number}", title=TITLES[number % 3])

    def ask(**parameters: Any) -> Any:
        return scim.query(user_model, query_parameters=SEARCH(**parameters))

    assert scim.query(user_model).total_results == 8
    chefs = ask(filter='title eq "chef" and userName sw "user"', sort_by="userName", sort_order="descending")
    assert [each.user_name for each in chefs.resources] == ["user6@x.test", "user3@x.test", "user0@x.test"]
    little = ask(filter="title pr", attributes=["userName"], count=1).resources[0]
    assert little.user_name
    assert little.title is None
    assert ask(filter="title pr", excluded_attributes=["title"], count=1).resources[0].title is None

    by_index = [ask(filter="title pr", start_index=start, count=3) for start in (1, 4, 7)]
    assert [(page.start_index, page.items_per_page, page.total_results) for page in by_index] == [
        (1, 3, 7), (4, 3, 7), (7, 1, 7),
    ]  # fmt: skip
    by_cursor, cursor = [], ""
    while cursor is not None:
        page = ask(filter="title pr", cursor=cursor, count=3)
        by_cursor.append(page)
        cursor = page.next_cursor
    assert ids(by_cursor) == ids(by_index)
    assert len(set(ids(by_index))) == 7

    asked = SEARCH(filter='title eq "Pilot"', attributes=["displayName"])
    posted = scim.search(user_model, asked)
    assert sorted(each.display_name for each in posted.resources) == ["User2", "User5"]
    everywhere = scim.search(SEARCH(filter='displayName sw "User"'))
    assert everywhere.total_results == 7
    with pytest.raises(SCIMException) as refused:
        ask(filter="active gt true")
    assert refused.value.status == 400


def ids(pages: list[Any]) -> list[str]:
    return [each.id for page in pages for each in page.resources]


def test_groups_and_their_members(scim: Any) -> None:
    group_model, user_model = scim.get_resource_model("Group"), scim.get_resource_model("User")
    ann, bob, crew = new_user(scim, "ann"), new_user(scim, "bob"), scim.create(group_model(display_name="Crew"))
    members = [{"value": ann.id, "type": "User"}, {"value": crew.id, "type": "Group"}]
    team = scim.create(group_model(display_name="Team", members=members))
    assert values(team, "members") == {ann.id, crew.id}
    assert {(each.type, each.display) for each in team.members} == {("User", "Ann"), ("Group", "Crew")}
    assert [(each.value, each.display) for each in scim.query(user_model, ann.id).groups] == [(team.id, "Team")]

    changes = (
        {"op": "add", "path": "members", "value": [{"value": bob.id}]},
        {"op": "remove", "path": f'members[value eq "{ann.id}"]'},
        {"op": "replace", "path": "displayName", "value": "Staff"},
    )
    assert scim.modify(team, patch_of(scim, "Group", *changes)) is None, "204"
    team = scim.query(group_model, team.id)
    assert team.display_name == "Staff"
    assert values(team, "members") == {bob.id, crew.id}
    of_bob = scim.query(group_model, query_parameters=SEARCH(filter=f'members.value eq "{bob.id}"'))
    assert ids([of_bob]) == [team.id]

    team.members = [{"value": ann.id}]
    assert values(scim.replace(team), "members") == {ann.id}
    scim.delete(scim.query(group_model, team.id))
    assert scim.query(user_model, ann.id).groups is None


def test_bulk(scim: Any) -> None:
    user_model, group_model = scim.get_resource_model("User"), scim.get_resource_model("Group")
    old = new_user(scim, "old")
    asked = BULK_REQUEST[user_model | group_model](
        operations=[
            BULK_OPERATION[group_model](
                method="POST",
                path="/Groups",
                bulk_id="team",
                data=group_model(display_name="Team", members=[{"type": "User", "value": "bulkId:kim"}]),
            ),
            BULK_OPERATION[user_model](
                method="POST", path="/Users", bulk_id="kim", data=user_model(user_name="kim@x.test")
            ),
            BULK_OPERATION[user_model](
                method="PATCH",
                path=f"/Users/{old.id}",
                data=patch_of(scim, "User", {"op": "replace", "path": "title", "value": "Boss"}),
            ),
            BULK_OPERATION[user_model](method="DELETE", path="/Users/nobody"),
        ]
    )
    answer = scim.bulk(asked)
    assert [int(each.status) for each in answer.operations] == [201, 201, 200, 404]
    kim = str(answer.operations[1].location).rpartition("/")[2]
    assert scim.query(user_model, old.id).title == "Boss"
    team = scim.query(group_model, str(answer.operations[0].location).rpartition("/")[2])
    assert values(team, "members") == {kim}
    assert "detail" in answer.operations[3].response.model_dump(exclude_none=True)


def test_what_is_refused(scim: Any) -> None:
    new_user(scim, "ann")
    with pytest.raises(SCIMException) as taken:
        new_user(scim, "ANN")
    assert (taken.value.status, taken.value.scim_type) == (409, "uniqueness")
    with pytest.raises(SCIMException) as missing:
        scim.create("User", {"schemas": [USER_URN], "displayName": "X"}, check_request_payload=False)
    assert (missing.value.status, missing.value.scim_type) == (400, "invalidValue")
