"""Steps about credentials, versions, limits and entity-tags that data would be clumsy for. Judges by NotMet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from conformance.exchange import Exchange
from conformance.expectations import NotMet, check
from conformance.places import at, objects_at
from conformance.runner import Session, Unsupported, path_of

BULK_URN: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
LARGEST_JOB: Final = 5_000  # operations; a server that allows more isn't asked for one too many
LARGEST_BODY: Final = 20_000_000  # bytes, likewise
_HERE: Final = ("localhost", "127.0.0.1", "::1")


def _without_token(session: Session, exchange: Exchange) -> Exchange:
    """The exchange without the token, for reports; it takes the place of the last one."""
    token = session.target.token or ""
    headers = {name: value.replace(token, "…") for name, value in exchange.request_headers.items()}
    safe = replace(exchange, url=exchange.url.replace(token, "…"), request_headers=headers)
    session.exchanges[-1] = safe
    return safe


def token_in_query(session: Session, path: str) -> None:
    """Ask with the token in the query alone (RFC 6750 §2.3). Raises NotMet where that lets in."""
    exchange = session.send("GET", path, query={"access_token": session.target.token}, headers={"authorization": None})
    if _without_token(session, exchange).status < 300:
        raise NotMet(f"expected a token in the URL to be refused, saw status {exchange.status}")


def scheme_in_lower_case(session: Session, path: str) -> None:
    """Ask with `bearer` for `Bearer`: the scheme's name has no case (RFC 7235 §2.1). Raises NotMet."""
    exchange = session.send("GET", path, headers={"authorization": f"bearer {session.target.token}"})
    if _without_token(session, exchange).status != 200:
        raise NotMet(f"expected the scheme 'bearer' to be as good as 'Bearer', saw status {exchange.status}")


def transport(session: Session) -> None:
    """Look at the base URL's scheme (RFC 7644 §7.2). Raises NotMet, or Unsupported for a server on this machine."""
    parts = urlsplit(session.target.url)
    if parts.hostname in _HERE:
        raise Unsupported("the server is on this machine, where nothing goes over a network")
    if parts.scheme != "https":
        raise NotMet(f"expected the server to be asked over TLS, saw {parts.scheme}")


def another_version(session: Session, segment: str) -> None:
    """Ask for another protocol version, which isn't to be answered as 2.0 (RFC 7644 §3.13). NotMet, Unsupported."""
    base, _, version = session.target.url.rpartition("/")
    if version.lower() not in ("v2", "2.0", "v2.0"):
        raise Unsupported("the base URL has no version in it")
    exchange = session.send("GET", f"{base}/{segment}/Users", query={"count": 1})
    schemas = at(exchange.body, "schemas")
    if exchange.status < 400 and any(":2.0:" in str(each) for each in (schemas if isinstance(schemas, list) else ())):
        raise NotMet(f"expected {segment} not to be answered as 2.0, saw status {exchange.status} and {schemas}")


def myself(session: Session) -> None:
    """Ask for /Me and look whether the answer is one of the three of RFC 7644 §3.11. Raises NotMet."""
    exchange = session.send("GET", "/Me")
    location = exchange.header("location")
    if exchange.status >= 400:
        check("error", exchange)
    elif not location:
        raise NotMet(f"expected the Location of what /Me stands for, saw none with status {exchange.status}")
    elif exchange.status == 200 and location != at(exchange.body, "meta/location"):
        raise NotMet(f"expected Location {at(exchange.body, 'meta/location')!r}, saw {location!r}")
    elif exchange.status not in (200, 308):
        raise NotMet(f"expected 200, 308 or an error, saw status {exchange.status}")


def too_many_operations(session: Session, path: str) -> Exchange:
    """Send one operation more than the server says that it takes. Raises NotMet, Unsupported."""
    most = _limit(session, "maxOperations", LARGEST_JOB)
    operations = [{"method": "DELETE", "path": f"{path}-{number}"} for number in range(most + 1)]
    return _too_large(session, {"Operations": operations}, 0)


def too_large_payload(session: Session, path: str) -> Exchange:
    """Send one small operation in a body of blanks beyond the size that the server takes. Raises NotMet."""
    most = _limit(session, "maxPayloadSize", LARGEST_BODY)
    return _too_large(session, {"Operations": [{"method": "DELETE", "path": path}]}, most + 1)


def _limit(session: Session, name: str, largest: int) -> int:
    said = at(session.saved["config"], f"bulk/{name}")
    if type(said) is not int or not 0 < said <= largest:
        raise Unsupported(f"the server declares no {name} that could be tried, but {said!r}")
    return said


def _too_large(session: Session, body: Mapping[str, Any], size: int) -> Exchange:
    raw = json.dumps({"schemas": [BULK_URN], **body}).ljust(size)
    exchange = session.send("POST", "/Bulk", raw=raw)
    check("error 413", exchange)
    return exchange


def limit_is_named(session: Session, path: str) -> None:
    """Send too many operations and look for a limit in the refusal's text (RFC 7644 §3.7.4). Raises NotMet.

    Which limit a server looks at first is its own affair.
    """
    exchange = too_many_operations(session, path)
    detail = str(at(exchange.body, "detail"))
    declared = {name: at(session.saved["config"], f"bulk/{name}") for name in ("maxOperations", "maxPayloadSize")}
    limits = {name: most for name, most in declared.items() if isinstance(most, int)}
    digits = re.sub(r"(?<=\d)[,._' ](?=\d{3})", "", detail)
    if not any(name.lower() in detail.lower() or str(most) in digits for name, most in limits.items()):
        raise NotMet(f"expected the error to name a limit of {limits}, saw {detail!r}")


def in_a_circle(session: Session, kind: str, members: Mapping[str, Any]) -> None:
    """Create two resources that refer to each other by bulkId (RFC 7644 §3.7.1): resolved, or refused with 409.

    `members`: what each body has besides, with `bulkId:other` where it refers to the other one. Raises NotMet.
    """
    path = f"/{kind}s"
    operations = []
    for own, other in (("one", "two"), ("two", "one")):
        data = json.loads(json.dumps(dict(members)).replace("bulkId:other", f"bulkId:{other}"))
        operations.append({"method": "POST", "path": path, "bulkId": own, "data": session.body_of(kind, data)})
    exchange = session.send("POST", "/Bulk", body={"schemas": [BULK_URN], "Operations": operations})
    if exchange.status == 409:
        return
    results = at(exchange.body, "Operations")
    if exchange.status != 200 or not isinstance(results, list):
        raise NotMet(f"expected 200 or 409, saw status {exchange.status}")
    locations = [str(each["location"]) for each in objects_at(results, "") if each.get("location")]
    # What was made but couldn't be joined up is there all the same, and must go at the end.
    session.made += [path_of(place) for place in locations]
    statuses = [str(at(each, "status")) for each in results]
    if "409" in statuses:
        return
    if statuses != ["201", "201"]:
        raise NotMet(f"expected both to be created, or 409, saw {statuses}")
    ids = [place.rstrip("/").split("/")[-1] for place in locations]
    if len(ids) != 2:
        raise NotMet(f"expected the location of both, saw {locations}")
    for own, other in (ids, reversed(ids)):
        read = session.send("GET", f"{path}/{own}")
        if f'"{other}"' not in read.text:
            raise NotMet(f"expected {path}/{own} to refer to {other}, saw {read.text[:300]}")


def other_form(_: Session, tag: str) -> str:
    """The entity-tag in its other form: weak for strong, strong for weak (RFC 7232 §2.3)."""
    return tag.removeprefix("W/") if tag.startswith("W/") else f"W/{tag}"


PROCEDURES: Final[Mapping[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        another_version,
        in_a_circle,
        limit_is_named,
        myself,
        other_form,
        scheme_in_lower_case,
        token_in_query,
        too_large_payload,
        too_many_operations,
        transport,
    )
}
