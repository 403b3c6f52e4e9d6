"""A workspace full of people and groups for the law of filters, made through the real directory from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from flask import Flask

from scim_server.directory import Directory, access, contacts, groups
from scim_server.directory.contacts import Call
from scim_server.domain.actor import Actor
from scim_server.domain.errors import Refused
from scim_server.domain.roles import ALL_PERMISSIONS
from scim_server.domain.seats import LicenceType, Policy
from scim_server.scim.extensions import extended
from scim_server.scim.match import comparable
from scim_server.scim.patch import Operation, read_operations
from scim_server.scim.schema import CORE, ENTERPRISE_URN, Attribute, ResourceType
from scim_server.scim.values import read_resource
from scim_server.storage import ledger
from scim_server.storage.db import writing
from tests.support import WORKSPACE_URN, new_world, patch_body

BASE: Final = "https://people.example/scim/v2"
STRICT: Final = frozenset(("country-names", "any-photo"))  # but any word may stand anywhere
MEASURE_URN: Final = "urn:example:2.0:Measure"
BUDGET_URN: Final = "urn:example:2.0:Budget"

# Attributes of kinds that the standard schemas lack.
EXTENSIONS: Final[Mapping[str, list[tuple[str, Any]]]] = {
    "User": [
        (
            "here",
            {
                "id": MEASURE_URN,
                "name": "Measure",
                "attributes": [
                    {"name": "floor", "type": "integer"},
                    {"name": "height", "type": "decimal"},
                    {"name": "joined", "type": "dateTime"},
                    {"name": "remote", "type": "boolean"},
                    {"name": "tags", "multiValued": True},
                    {"name": "levels", "type": "integer", "multiValued": True},
                    {
                        "name": "desks",
                        "type": "complex",
                        "multiValued": True,
                        "subAttributes": [
                            {"name": "code", "caseExact": True},
                            {"name": "width", "type": "decimal"},
                            {"name": "since", "type": "dateTime"},
                            {"name": "primary", "type": "boolean"},
                        ],
                    },
                ],
            },
        )
    ],
    "Group": [("here", {"id": BUDGET_URN, "name": "Budget", "attributes": [{"name": "amount", "type": "decimal"}]})],
}
NUMBERS: Final = (
    0, -0.0, 1, -1, 2, 10, -10, 12, 123, -12, -123, 0.1, -0.1, 0.5, 1.5, 100, 1e22, 1e23, 123456789.25, 2**53,
    2**53 + 1, 2**63 - 1, -(2**63) + 1, 1e-7, 5e-324, 1.7976931348623157e308, 9007199254740992.0,
)  # fmt: skip
DATES: Final = (
    "2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "2026-01-02T00:00:00.000001Z", "2025-12-31T24:00:00",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
)  # fmt: skip

# Strings that are alike, and strings that databases are known to treat in ways of their own.
WORDS: Final = (
    "ann", "Ann", "ANN", "anna", "ann ", "an", "a", "ab", "á", "a\u0301", "Á", "Zoe", "zoé",
    "ann@x.test", "ANN@X.TEST", "ann@x.test.org", "x", "X-1", "work", "Work", "home", "other", "license", "user",
    "straße", "STRASSE", "STRAẞE", "strasse", "İstanbul", "istanbul", "i̇stanbul", "Istanbul", "ISTANBUL",
    "\N{LATIN SMALL LETTER DOTLESS I}stanbul", "ΣΊΣΥΦΟΣ", "Σίσυφος", "σίσυφοσ", "ς", "Ω", "\N{OHM SIGN}", "ﬁ", "ǅ",
    "\N{FULLWIDTH LATIN SMALL LETTER A}", "Å", "\N{ANGSTROM SIGN}", "q\u0307\u0323", "q\u0323\u0307",
    "%", "_", "a%b", "a_b", "a\\b", "\\", "\\%", 'a"b', '"', "'", "it's", "*", "?", "[a]", "{}", "$.a", "a.b", ";--",
    "😀", "😀x", "x😀", "\U0010ffff", "\U0010ffff\U0010ffff", "\uffff", "\ue000", "\ud7ff", "\U00010000", "\ufffd",
    "", " ", "  ", "\t", "\n", "a\nb", "\u00a0", "\u200b", "\x01", "\x7f", "1", "01", "1.0", "1e0", "0", "-1", "null",
    "true", "false", "2026-01-01T00:00:00Z", "direct", "assigned", "member", 'W/"1"',
)  # fmt: skip


@dataclass(frozen=True)
class Population:
    """Calls into one workspace, and the comparable form of everything in it as the caller sees it, by ids."""

    directory: Directory
    call: Call
    types: Mapping[str, ResourceType]
    forms: Mapping[str, list[dict[str, Any]]]


def clock(randomness: Random) -> Iterator[datetime]:
    """Times that stand still now and then, with microseconds and without."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    while True:
        yield now
        now += timedelta(microseconds=randomness.choice((0, 0, 1, 10**6, 86_399_999_999)))


def populate(app: Flask, seed: int, *, people: int = 40, teams: int = 8) -> list[Population]:
    """Make the population that belongs to `seed`: as two connections see it, and as a caller without one does."""
    randomness = Random(seed)
    world = new_world(app, seats=people // 2)
    times = clock(randomness)
    types = extended(CORE, EXTENSIONS)
    directory = replace(world.directory, now=lambda: next(times), types=types)
    writing(
        directory.engine,
        lambda db: ledger.add_licence(db, world.workspace_id, LicenceType("extra", policy=Policy.ALLOW)),
    )
    connection = access.create_connection(directory, world.name, "people")
    actor = Actor(
        workspace_id=world.workspace_id, kind="connection", door="scim", permissions=ALL_PERMISSIONS, id=connection.id
    )
    call = Call(actor, connection, BASE)
    ids = [world.owner_id]
    for number in range(people):
        ids += _person(randomness, directory, call, number, ids)
    made: list[str] = []
    for number in range(teams):
        made.append(_team(randomness, directory, call, number, ids, made))
    other = replace(call, connection=access.create_connection(directory, world.name, "others"))
    for each in ids:
        if randomness.random() < 0.5:
            contacts.patch(directory, other, each, _called(randomness, types.user))
    for each in made:
        if randomness.random() < 0.5:
            groups.patch(directory, other, each, _called(randomness, types.group))
    views = (call, other, replace(call, connection=None))
    return [_seen(directory, view, sorted(ids), sorted(made)) for view in views]


def _called(randomness: Random, resource_type: ResourceType) -> list[Operation]:
    change = {"op": "replace", "path": "externalId", "value": randomness.choice(WORDS)}
    return read_operations(resource_type, patch_body(change), STRICT)


def _seen(directory: Directory, call: Call, ids: list[str], teams: list[str]) -> Population:
    types = directory.types
    forms = {
        "User": [comparable(types.user, contacts.read(directory, call, each)) for each in ids],
        "Group": [comparable(types.group, groups.read(directory, call, each)) for each in teams],
    }
    return Population(directory, call, {each.name: each for each in types}, forms)


def _person(randomness: Random, directory: Directory, call: Call, number: int, ids: list[str]) -> list[str]:
    invites = randomness.random() < 0.3 and call.connection is not None
    body = _resource(randomness, directory.types.user)
    if invites and call.connection is not None:
        settings = replace(call.connection.settings, invite=True)
        call = replace(call, connection=replace(call.connection, settings=settings))
        body["emails"] = [{"value": f"{number}@x.test"}]
    body["userName"] = f"{randomness.choice(WORDS)}-{number}"
    body["active"] = randomness.random() < 0.7
    licence = randomness.choice(("member", "client", "extra", "extra", None))
    if licence is not None:
        body["entitlements"] = [{"type": "License", "value": licence}, *body.get("entitlements", ())]
    if randomness.random() < 0.3:
        body.setdefault(ENTERPRISE_URN, {})["manager"] = {"value": randomness.choice([*ids, *WORDS])}
    try:
        user = contacts.create(directory, call, read_resource(directory.types.user, body, STRICT))
    except Refused:  # no free seat, or no address to invite: it comes in without access
        body["active"] = False
        user = contacts.create(
            directory, call, read_resource(directory.types.user, {**body, "entitlements": None}, STRICT)
        )
    for operation in _edits(randomness):
        operations = read_operations(directory.types.user, patch_body(operation), STRICT)
        contacts.patch(directory, call, user["id"], operations)
    return [user["id"]]


def _edits(randomness: Random) -> list[dict[str, Any]]:
    edits = (
        {"op": "replace", "path": "active", "value": False},
        {"op": "remove", "path": "active"},
        {"op": "replace", "path": f"{WORKSPACE_URN}:archived", "value": True},
        {"op": "remove", "path": f"{WORKSPACE_URN}:archived"},
        {"op": "replace", "path": "nickName", "value": randomness.choice(WORDS)},
        {"op": "remove", "path": "displayName"},
        {"op": "remove", "path": "emails"},
    )
    return [edit for edit in edits if randomness.random() < 0.15]


def _team(randomness: Random, directory: Directory, call: Call, number: int, ids: list[str], teams: list[str]) -> str:
    body = _resource(randomness, directory.types.group)
    body["displayName"] = f"{randomness.choice(WORDS)}-{number}"
    size = randomness.choice((0, 1, 3, len(ids) // 2))
    members = [*randomness.sample(ids, size), *randomness.sample(teams, min(len(teams), randomness.choice((0, 1, 2))))]
    body["members"] = [{"value": each} for each in members]
    group = groups.create(directory, call, read_resource(directory.types.group, body, STRICT))
    if randomness.random() < 0.3 and members:
        operation = {"op": "remove", "path": f'members[value eq "{members[0]}"]'}
        groups.patch(
            directory, call, group["id"], read_operations(directory.types.group, patch_body(operation), STRICT)
        )
    return str(group["id"])


def _resource(randomness: Random, resource_type: ResourceType) -> dict[str, Any]:
    """A body with any of the attributes that a client may set, most of them absent."""
    body: dict[str, Any] = {"schemas": [resource_type.schema]}
    for urn, attribute in resource_type.all_attributes():
        if attribute.name in ("schemas", "members", "manager", "password") or attribute.mutability == "readOnly":
            continue
        if randomness.random() < 0.45 and (value := _value(randomness, attribute)) is not None:
            (body if urn is None else body.setdefault(urn, {}))[attribute.name] = value
    return body


def _value(randomness: Random, attribute: Attribute) -> Any:
    if attribute.multi_valued:
        elements = [_single(randomness, attribute) for _ in range(randomness.choice((1, 1, 2, 3)))]
        if not attribute.sub:
            return elements
        primary = randomness.randrange(4)
        for place, element in enumerate(elements):
            element.pop("primary", None)
            if place == primary or randomness.random() < 0.2:
                element["primary"] = place == primary
        return [element for element in elements if element]
    return _single(randomness, attribute)


def _single(randomness: Random, attribute: Attribute) -> Any:
    if attribute.type == "complex":
        settable = [sub for sub in attribute.sub.values() if sub.mutability != "readOnly"]
        return {sub.name: _single(randomness, sub) for sub in settable if randomness.random() < 0.5}
    if attribute.type == "boolean":
        return randomness.random() < 0.5
    if attribute.type == "binary":
        return randomness.choice(("TUlJ", "tUlJ", "TUlJRA==", ""))
    if attribute.type == "integer":
        return randomness.choice([number for number in NUMBERS if isinstance(number, int)])
    if attribute.type == "decimal":
        return randomness.choice(NUMBERS)
    if attribute.type == "dateTime":
        return randomness.choice(DATES)
    if attribute.name == "email":
        return randomness.choice(("ann@x.test", "Ann@X.test", "zoé@x.test"))
    return randomness.choice(WORDS)
