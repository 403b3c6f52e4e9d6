"""What the Schemas document declares of each attribute is tried: the server does what it says.

Everything here goes by the document as a client reads it, on a server with one extension more for each resource type,
which has what the standard's schemas lack. A failure names the attributes that the document doesn't tell the truth of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from scim_server.app import close, create_app
from scim_server.settings import Settings
from tests.http.declared import ROWS, WRONG, Declared, Kind, Resource, kind_of, lies
from tests.support import ENTERPRISE_URN, WORKSPACE_URN, World, new_world


@pytest.fixture(scope="module")
def extended(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A server on the same database with an extension for each resource type."""
    folder: Path = tmp_path_factory.mktemp("schemas")
    for name in ("User", "Group"):
        (folder / name).mkdir()
        document = {"id": f"urn:example:truth:1.0:{name}", "name": "Truth", "attributes": ROWS}
        (folder / name / "truth.json").write_text(json.dumps(document))
    url = app.extensions["directory"].engine.url.render_as_string(hide_password=False)
    extended = create_app(Settings(database_url=url, schemas_folder=str(folder)))
    yield extended
    close(extended)


@pytest.fixture
def extended_world(extended: Flask) -> World:
    return new_world(extended, seats=1000)


@pytest.fixture(params=["User", "Group"])
def kind(extended_world: World, request: pytest.FixtureRequest) -> Kind:
    """One resource type, read off /ResourceTypes and /Schemas."""
    return kind_of(extended_world.client(), request.param)


@pytest.fixture(params=["User", "Group"])
def strict(extended_world: World, request: pytest.FixtureRequest) -> Kind:
    """The same for a connection to which nothing is forgiven."""
    return kind_of(extended_world.client(preset="strict"), request.param)


# Mutability


def test_read_write_is_written_changed_and_removed(kind: Kind) -> None:
    def attempt(each: Declared, word: str) -> Any:
        first, second = kind.value(each, word), kind.value(each, f"{word}s")
        made = kind.made(word, each.body(first))
        if each.returned in ("default", "always") and each.of(kind.read(made)) != first:
            return "written", kind.read(made)
        new = [second] if each.row["multiValued"] else second
        query = f"?attributes={each.path}"
        if kind.patch(made, "replace", each.path, new).status >= 300:
            return "not changed"
        if each.returned != "never" and each.of(kind.read(made, query)) != second:
            return "changed", kind.read(made, query)
        if each.row["required"]:
            return None
        removed = kind.patch(made, "remove", each.path)
        return removed.status >= 300 or each.of(kind.read(made, query)) is not None

    lies(kind, kind.leaves(mutability="readWrite"), attempt, 15 if kind.name == "Group" else 60)


def test_read_only_is_ignored_in_bodies_and_refused_as_a_path(kind: Kind) -> None:
    def attempt(each: Declared, word: str) -> Any:
        plain = each.of(kind.made(f"plain-{word}", {}))
        sent = not plain if each.row["type"] == "boolean" else kind.value(each, word)
        part = each.body(sent)
        made = kind.made(word, part)
        if each.of(made) == sent:
            return "POST", made
        put = kind.put(made, word, part)
        if put.status != 200 or each.of(put.json) != each.of(made):
            return "PUT", put.text
        refused = kind.patch(made, "replace", each.path, sent)
        if (refused.status, refused.scim_type) != (400, "mutability"):
            return "PATCH", refused.text
        pathless = kind.client.patch(f"{kind.endpoint}/{made['id']}", {"op": "replace", "value": part})
        return pathless.status >= 300 or each.of(kind.read(made)) != each.of(made)

    lies(kind, kind.leaves(mutability="readOnly"), attempt, 3 if kind.name == "Group" else 15)


def test_immutable_is_set_once(kind: Kind) -> None:
    def attempt(each: Declared, word: str) -> Any:
        if each.top["multiValued"]:  # of a member: its parts are given with it, and gone with it
            person = kind.client.user(f"{word}@x.test")["id"]
            made = kind.made(word, {each.top["name"]: [{"value": person}]})
            path = f'{each.top["name"]}[value eq "{person}"].{each.row["name"]}'
            return kind.patch(made, "replace", path, "other").scim_type != "mutability"
        first, second = kind.value(each, word), kind.value(each, f"{word}s")
        made = kind.made(word, {each.schema: {"label": "L"}})
        ways: tuple[Callable[[Any], Any], ...] = (
            lambda value: kind.patch(made, "add", each.path, value),
            lambda value: kind.patch(made, "replace", each.schema, each.body(value)[each.schema]),
            lambda value: kind.put(made, word, each.body(value)),
        )
        for way in ways:
            for value, expected in ((first, None), (first, None), (second, "mutability")):
                answer = way(value)
                if (answer.json or {}).get("scimType") != expected:
                    return value, answer.text
        return each.of(kind.read(made)) != first

    lies(kind, kind.leaves(mutability="immutable"), attempt, 4 if kind.name == "Group" else 1)


def test_write_only_is_taken_and_never_given_back(kind: Kind) -> None:
    def attempt(each: Declared, word: str) -> Any:
        made = kind.made(word, each.body(kind.value(each, word)))
        taken = kind.patch(made, "replace", each.path, kind.value(each, f"{word}s"))
        return taken.status >= 300 or each.returned != "never"

    lies(kind, kind.leaves(mutability="writeOnly"), attempt, 1)


# Returned


def answers(kind: Kind, made: Resource, query: str = "") -> Iterator[tuple[str, Resource]]:
    """The resource in each kind of answer that a reader can get."""
    mark = "&" if query else "?"
    listed = kind.client.get(f'{kind.endpoint}{query}{mark}filter=id eq "{made["id"]}"').json["Resources"]
    yield "GET", kind.read(made, query)
    yield "list", listed[0]
    body = dict(pair.split("=", 1) for pair in query.removeprefix("?").split("&") if pair)
    found = kind.client.post(f"{kind.endpoint}/.search", {"filter": f'id eq "{made["id"]}"', **body}).json["Resources"]
    yield "search", found[0]


def test_returned_is_what_is_returned(kind: Kind) -> None:
    """Each row: whether it is in an answer without parameters, with its name asked for, another's, and excluded."""
    expected = {
        "always": (True, True, True, True),
        "default": (True, True, False, False),
        "request": (False, True, False, False),
        "never": (False, False, False, False),
    }

    def attempt(each: Declared, word: str) -> Any:
        part = each.body(kind.value(each, word))
        made = kind.made(word, part)
        top = each.path if each.parent is None else each.path.rpartition(".")[0]
        queries = ("", f"?attributes={top}", "?attributes=meta.created", f"?excludedAttributes={top}")
        for query, there in zip(queries, expected[each.returned], strict=True):
            for way, answer in answers(kind, made, query):
                if (each.of(answer) is not None) != there:
                    return query, way, answer
        written = kind.put(made, word, part).json
        seen = [each.of(answer) is not None for answer in (made, written)]
        return seen != [each.returned != "never"] * 2 and ("written", made, written)

    rows = [*kind.leaves(mutability="readWrite"), *kind.leaves(mutability="writeOnly")]
    lies(kind, iter(rows), attempt, 15 if kind.name == "Group" else 60)
    ways = {each.returned for each in rows}
    assert ways == set(expected), "each way is tried"


def test_what_is_never_returned_is_not_to_be_guessed_either(kind: Kind) -> None:
    def attempt(each: Declared, word: str) -> Any:
        kind.made(word, each.body(kind.value(each, word)))
        for op in ("eq", "sw", "co", "gt"):
            refused = kind.client.post(f"{kind.endpoint}/.search", {"filter": f'{each.path} {op} "V"'})
            if (refused.status, refused.scim_type) != (400, "invalidFilter"):
                return refused.text
        present = kind.client.post(f"{kind.endpoint}/.search", {"filter": f"{each.path} pr"}).status
        return (present, kind.client.get(f"{kind.endpoint}?sortBy={each.path}").status) != (400, 400)

    lies(kind, kind.leaves(returned="never"), attempt, 2)


# Comparison, uniqueness, presence, shape


def test_case_counts_where_it_is_said_to(kind: Kind) -> None:
    skipped = []

    def attempt(each: Declared, word: str) -> Any:
        person = kind.client.user(f"{word}@people.test")["id"]
        made = example(kind, each, word, person)
        value = each.of(made)
        if not isinstance(value, str) or value.swapcase() == value:
            skipped.append(each.path)
            return None
        for op, text in (("eq", value), ("co", value[1:])):
            quoted, other = json.dumps(text), json.dumps(text.swapcase())
            if made["id"] not in kind.found(f"{each.path} {op} {quoted}"):
                return op, "isn't found at all", value
            if (made["id"] in kind.found(f"{each.path} {op} {other}")) == each.row["caseExact"]:
                return op, "caseExact is", each.row["caseExact"], value
        return None

    texts = ("string", "reference", "binary")
    rows = (each for each in kind.leaves() if each.row["type"] in texts and each.returned != "never")
    lies(kind, rows, attempt, 10 if kind.name == "Group" else 55)
    # nobody has been invited, and no name is kept for a manager: there is nothing to compare
    assert set(skipped) <= {f"{WORKSPACE_URN}:invitation.state", f"{ENTERPRISE_URN}:manager.displayName"} | {
        each.path for each in kind.leaves(mutability="readOnly") if each.row["name"] == "given"
    }


def example(kind: Kind, each: Declared, word: str, person: str) -> Resource:
    """A resource in which the attribute has a value, be it written or the server's own."""
    if each.top["name"] == "members":
        return kind.read(kind.made(word, {"members": [{"value": person}]}))
    if each.top["name"] == "manager":
        made = kind.made(word, {each.schema: {"manager": {"value": person.swapcase()}}})
        return kind.read(made)
    if each.mutability == "readOnly":
        made = kind.made(word, {})
        if each.top["name"] == "groups":
            kind.client.group(f"Group {word}", made["id"])
        return kind.read(made)
    return kind.read(kind.made(word, each.body(kind.value(each, word))), f"?attributes={each.path}")


def test_unique_is_unique_and_nothing_else_is(kind: Kind) -> None:
    rows = [each for each in kind.leaves(mutability="readWrite") if each.row["uniqueness"] != "none"]
    assert [each.row["uniqueness"] for each in rows] == ["server"]
    (unique,) = rows
    first, second = kind.made("one", {}), kind.made("two", {})
    taken = unique.of(first)
    for value in (taken, taken.swapcase()):
        answers = [
            kind.client.post(kind.endpoint, {**kind.least(), unique.row["name"]: value}),
            kind.client.put(f"{kind.endpoint}/{second['id']}", {**kind.least(), unique.row["name"]: value}),
            kind.patch(second, "replace", unique.path, value),
        ]
        assert [(each.status, each.scim_type) for each in answers] == [(409, "uniqueness")] * 3

    def attempt(each: Declared, word: str) -> Any:
        part = each.body(kind.value(each, word))
        first, second = (kind.made(f"{word}{number}", part) for number in range(2))
        return first["id"] == second["id"]

    others = (each for each in kind.leaves(mutability="readWrite") if each.row["uniqueness"] == "none")
    lies(kind, others, attempt, 15 if kind.name == "Group" else 60)


def test_required_is_required_and_nothing_else_is(kind: Kind) -> None:
    assert kind.made("least", {})["id"], "what is required is enough"
    rows = [each for each in kind.leaves() if each.row["required"]]
    assert {each.core for each in rows} == {True, False}
    for number, each in enumerate(rows):
        made = kind.made(f"r{number}", each.body("Full"))
        for value in ("absent", None, "", " "):
            part = each.body("" if value == "absent" else value)
            body = {**kind.least(f"new{number}"), **part}
            if value == "absent" and each.core:
                del body[each.row["name"]]
            elif value == "absent":
                body[each.schema] = {"word": "there"}
            refused = kind.client.post(kind.endpoint, body)
            if not each.core and value in (None, ""):
                continue  # unassigned, and with it the whole extension
            assert (refused.status, refused.scim_type) == (400, "invalidValue"), (each.path, value, refused.text)
        if each.core:
            assert kind.patch(made, "remove", each.path).status == 400, each.path


def test_values_of_another_type_are_refused(strict: Kind) -> None:
    def attempt(each: Declared, word: str) -> Any:
        wrong = WRONG.get(each.row["type"], "word")
        fitting = {} if each.row["type"] == "complex" else strict.value(each, word)
        values = [each.body(wrong)] + ([each.body({"x": 1})] if each.row["type"] != "complex" else [])
        shape = each.body(fitting)
        holder = shape if each.core else shape[each.schema]
        name, value = each.top["name"], holder[each.top["name"]]
        swapped = value[0] if each.top["multiValued"] else [value, value]
        values.append({name: swapped} if each.core else {each.schema: {name: swapped}})
        schemas = [strict.least()["schemas"][0], *([] if each.core else [each.schema])]
        for part in values:
            refused = strict.client.post(
                strict.endpoint, strict.with_label({**strict.least(word), **part, "schemas": schemas})
            )
            if (refused.status, refused.scim_type) not in ((400, "invalidValue"), (400, "invalidSyntax")):
                return part, refused.text
        return None

    rows = (each for each in strict.declared if each.mutability in ("readWrite", "writeOnly"))
    lies(strict, rows, attempt, 15 if strict.name == "Group" else 70)


def test_canonical_values_are_taken_and_so_are_others(kind: Kind) -> None:
    """They are suggestions (RFC 7643 §7): what an identity provider calls it otherwise is kept as it is."""
    rows = [each for each in kind.leaves(mutability="readWrite") if each.row.get("canonicalValues")]
    assert len(rows) >= (1 if kind.name == "Group" else 4)
    for number, each in enumerate(rows):
        for place, value in enumerate([*each.row["canonicalValues"], "my own"]):
            assert each.of(kind.made(f"c{number}-{place}", each.body(value))) == value, each.path


def test_what_is_no_list_of_its_own_can_be_sorted_by(kind: Kind) -> None:
    def attempt(each: Declared, word: str) -> Any:
        sorts = kind.client.get(f"{kind.endpoint}?sortBy={each.path}&sortOrder=descending&count=1").status
        return sorts != (400 if each.top["name"] in ("groups", "members") else 200) and sorts

    rows = (each for each in kind.leaves() if each.returned != "never")
    lies(kind, rows, attempt, 20 if kind.name == "Group" else 70)
