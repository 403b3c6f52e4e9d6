"""A resource type as its schema documents declare it, for tests that try what is declared. No tests of its own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support import ENTERPRISE_URN, Client

Resource = dict[str, Any]
ROWS: list[dict[str, Any]] = [
    {"name": "code", "caseExact": True},
    {"name": "word"},
    {"name": "size", "type": "integer"},
    {"name": "rate", "type": "decimal"},
    {"name": "open", "type": "boolean"},
    {"name": "since", "type": "dateTime"},
    {"name": "key", "type": "binary", "caseExact": True},
    {"name": "page", "type": "reference", "referenceTypes": ["external"], "caseExact": True},
    {"name": "tags", "multiValued": True},
    {"name": "numbers", "type": "integer", "multiValued": True},
    {"name": "origin", "mutability": "immutable"},
    {"name": "given", "mutability": "readOnly"},
    {"name": "pin", "mutability": "writeOnly", "returned": "never"},
    {"name": "secret", "returned": "never"},
    {"name": "note", "returned": "request"},
    {"name": "rank", "returned": "always"},
    {"name": "label", "required": True},
    {
        "name": "desk",
        "type": "complex",
        "subAttributes": [
            {"name": "room", "caseExact": True},
            {"name": "floor", "type": "integer"},
            {"name": "since", "type": "dateTime", "mutability": "readOnly"},
            {"name": "maker", "mutability": "immutable"},
        ],
    },
    {
        "name": "badges",
        "type": "complex",
        "multiValued": True,
        "subAttributes": [{"name": "value"}, {"name": "colour", "canonicalValues": ["red", "blue"]}],
    },
]
# RFC 7643 §8.7.1 declares it readWrite. It follows `value`, whatever is sent, so that it always leads somewhere.
DERIVED = f"{ENTERPRISE_URN}:manager.$ref"


@dataclass(frozen=True)
class Declared:
    """One attribute or sub-attribute as the document has it."""

    schema: str
    core: bool
    row: Mapping[str, Any]
    parent: Mapping[str, Any] | None = None

    @property
    def top(self) -> Mapping[str, Any]:
        return self.parent or self.row

    @property
    def path(self) -> str:
        name = f"{self.parent['name']}.{self.row['name']}" if self.parent else str(self.row["name"])
        return name if self.core else f"{self.schema}:{name}"

    @property
    def mutability(self) -> str:
        """Its own, or that of the attribute it is a part of where that is stricter."""
        return "readOnly" if self.top["mutability"] == "readOnly" else str(self.row["mutability"])

    @property
    def returned(self) -> str:
        return str(self.top["returned"])

    def body(self, value: Any) -> Resource:
        """A part of a resource in which nothing but this has a value."""
        if self.row["multiValued"]:
            value = [value]
        if self.parent:
            value = {self.row["name"]: value}
            value = [value] if self.parent["multiValued"] else value
        part = {self.top["name"]: value}
        return part if self.core else {self.schema: part}

    def of(self, resource: Resource) -> Any:
        """Its value in a resource, of several the first one; None where there is none."""
        found = (resource if self.core else resource.get(self.schema, {})).get(self.top["name"])
        for row in (self.parent, self.row):
            if row is not None and row["multiValued"]:
                found = found[0] if found else None
            if row is not None and row is self.parent:
                found = (found or {}).get(self.row["name"])
        return found


VALUES: Mapping[str, Callable[[str], Any]] = {
    "string": lambda word: f"Va{word}",
    "reference": lambda word: f"https://x.test/Va{word}",
    "binary": lambda word: base64.b64encode(f"Va{word}".encode()).decode(),
    "boolean": lambda word: len(word) % 2 == 1,
    "integer": len,
    "decimal": lambda word: len(word) + 0.5,
    "dateTime": lambda word: f"2020-01-01T00:00:0{len(word)}Z",
}
WRONG: Mapping[str, Any] = {"string": True, "reference": True, "binary": "%", "complex": "word"}  # beside objects


@dataclass(frozen=True)
class Kind:
    """A resource type under test: its attributes by the document, and what makes a resource that fits."""

    client: Client
    name: str
    declared: list[Declared]

    @property
    def endpoint(self) -> str:
        return f"/{self.name}s"

    def leaves(self, **wanted: str) -> Iterator[Declared]:
        """What has values of its own, and the mutability and so on that are asked for."""
        for each in self.declared:
            if each.path == DERIVED and wanted.get("mutability") == "readWrite":
                continue
            if each.row["type"] != "complex" and all(getattr(each, name) == value for name, value in wanted.items()):
                yield each

    def least(self, name: str = "least") -> Resource:
        """What is required and nothing else."""
        body: Resource = {"schemas": self.client.get(f"/ResourceTypes/{self.name}").json["schema"].split()}
        for each in self.leaves():
            if each.core and each.row["required"] and each.parent is None:
                body[each.row["name"]] = f"{name}@x.test"
        return body

    def made(self, name: str, part: Resource) -> Resource:
        """A new resource with `part`."""
        answer = self.client.post(self.endpoint, self.with_label({**self.least(name), **part}))
        assert answer.status == 201, (name, part, answer.text)
        created: Resource = answer.json
        return created

    def with_label(self, body: Resource) -> Resource:
        """`body` with what is required of each extension that it has."""
        for each in self.declared:
            if not each.core and each.row["required"] and each.schema in body:
                body = {**body, each.schema: {each.row["name"]: "L", **body[each.schema]}}
        return body

    def read(self, resource: Resource, query: str = "") -> Resource:
        found: Resource = self.client.get(f"{self.endpoint}/{resource['id']}{query}").json
        return found

    def put(self, resource: Resource, name: str, part: Resource) -> Any:
        return self.client.put(f"{self.endpoint}/{resource['id']}", self.with_label({**self.least(name), **part}))

    def patch(self, resource: Resource, op: str, path: str, *value: Any) -> Any:
        operation = {"op": op, "path": path, **({"value": value[0]} if value else {})}
        return self.client.patch(f"{self.endpoint}/{resource['id']}", operation)

    def value(self, each: Declared, word: str) -> Any:
        """A value that fits: of a member the id of a user."""
        if each.path == "members.value":
            return self.client.user(f"{word}-{len(word)}@members.test")["id"]
        return VALUES[each.row["type"]](word)

    def found(self, filter: str) -> list[str]:
        answer = self.client.post(f"{self.endpoint}/.search", {"filter": filter, "count": 1000})
        assert answer.status == 200, (filter, answer.text)
        return [each["id"] for each in answer.json["Resources"]]


def kind_of(client: Client, name: str) -> Kind:
    told = client.get(f"/ResourceTypes/{name}").json
    urns = [told["schema"], *(each["schema"] for each in told["schemaExtensions"])]
    declared = []
    for urn in urns:
        for row in client.get(f"/Schemas/{urn}").json["attributes"]:
            declared.append(Declared(urn, urn == told["schema"], row))
            declared += [Declared(urn, urn == told["schema"], sub, row) for sub in row.get("subAttributes", ())]
    assert len(declared) >= 30
    return Kind(client, name, declared)


def lies(kind: Kind, rows: Iterator[Declared], attempt: Callable[[Declared, str], Any], least: int) -> None:
    """Try `attempt` on each row, with a word of its own; it returns what is wrong, or nothing."""
    found, tried = {}, 0
    for number, each in enumerate(rows):
        tried += 1
        if wrong := attempt(each, f"LueLue{number}"):
            found[each.path] = wrong
    assert not found
    assert tried >= least, kind.name
