"""What the target says that it can do, by its discovery endpoints; one without them is taken to do everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.exchange import Exchange, Target
from conformance.places import MISSING, at

ENTERPRISE_URN: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
# capability → where ServiceProviderConfig says whether it is there
DECLARED: Final = {
    "patch": "patch/supported",
    "bulk": "bulk/supported",
    "filter": "filter/supported",
    "sort": "sort/supported",
    "etag": "etag/supported",
    "changePassword": "changePassword/supported",
    "cursor": "pagination/cursor",
    "index": "pagination/index",
    "events": "securityEvents",
    "interop": "interopProfileConformant",
}
# what only servers that say so have
_ONLY_DECLARED: Final = frozenset(("cursor", "events", "interop"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """What was found; `missing` are the capabilities that the target says it hasn't."""

    config: Any
    resource_types: Mapping[str, Any]  # by name
    schemas: Mapping[str, Any]  # by URN
    missing: frozenset[str] = frozenset()
    exchanges: tuple[Exchange, ...] = field(default=(), repr=False)

    def has(self, need: str) -> bool:
        """Whether it has a capability, `User`, `Group`, `enterprise`, a schema by URN, or `attribute <URN> <path>`."""
        kind, _, rest = need.partition(" ")
        if kind == "attribute":
            urn, _, path = rest.partition(" ")
            return not self.schemas or self.attribute(urn, path) is not None
        if need == "enterprise":
            return not self.schemas or ENTERPRISE_URN in self.schemas
        if need.startswith("urn:"):
            return need in self.schemas
        if need in ("User", "Group"):
            return not self.resource_types or need in self.resource_types
        return need not in self.missing

    def attribute(self, urn: str, path: str) -> Any:
        """What the schema says of the attribute or sub-attribute (`name.familyName`); None where it has none."""
        attributes = at(self.schemas.get(urn, {}), "attributes")
        found: Any = None
        for name in path.split("."):
            matching = [each for each in _objects(attributes) if str(each.get("name", "")).lower() == name.lower()]
            if not matching:
                return None
            found = matching[0]
            attributes = found.get("subAttributes")
        return found


def discover(target: Target) -> Discovered:
    """Ask the target's three discovery endpoints. Raises Unreachable."""
    exchanges = tuple(target.send("GET", path) for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"))
    config = exchanges[0].body if exchanges[0].status == 200 else None
    missing = set(_ONLY_DECLARED)
    if isinstance(config, dict):
        missing = {name for name, place in DECLARED.items() if not _supported(name, at(config, place))}
    if target.token is None:
        missing.add("token")
    return Discovered(
        config=config,
        resource_types={str(each.get("name")): each for each in _listed(exchanges[1])},
        schemas={str(each.get("id")): each for each in _listed(exchanges[2])},
        missing=frozenset(missing),
        exchanges=exchanges,
    )


def why_not(discovered: Discovered) -> str | None:
    """Why it makes no sense to run cases against what answered the discovery so; None where it does."""
    first, statuses = discovered.exchanges[0], {each.status for each in discovered.exchanges}
    if statuses <= {401, 403}:
        refused = "The token was refused" if "authorization" in first.request_headers else "A token is wanted"
        return f"{refused}: {first.status} to {first.method} {first.url}."
    if statuses == {404}:
        return f"No discovery endpoint is there: 404 to {first.method} {first.url}. Is that below the SCIM base URL?"
    if all(each.body is None for each in discovered.exchanges):
        kind = first.header("content-type") or "nothing"
        return f"No discovery endpoint answers with JSON: {first.status} and {kind} to {first.method} {first.url}."
    return None


def _supported(name: str, said: Any) -> bool:
    if name == "index":
        return said is not False
    return said is not MISSING and bool(said)


def _listed(exchange: Exchange) -> Iterator[dict[str, Any]]:
    body = exchange.body if exchange.status == 200 else None
    yield from _objects(at(body, "Resources") if isinstance(body, dict) else body)


def _objects(values: Any) -> Iterator[dict[str, Any]]:
    for value in values if isinstance(values, list) else ():
        if isinstance(value, dict):
            yield value
