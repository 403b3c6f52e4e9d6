"""Requests without what clients sent: which words of a path, a query and a detail may be kept. Pure.

A word is kept if the server itself has it: a route, a parameter, an attribute, an operator, an id of its own. All else
becomes "…", as it may be a name or an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from scim_server.scim.schema import Attribute, ResourceTypes

LEFT_OUT: Final = "…"
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
LONGEST_QUERY: Final = 2000
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROUTES: Final = frozenset(
    ("api", "items", "scim", "v2", "Bulk", ".search", "Me", "Users", "Groups", "User", "Group")
) | {"Schemas", "ResourceTypes", "ServiceProviderConfig", "oauth", "token", "revoke", "introspect"}
_PARAMETERS: Final = {
    each.lower(): each
    for each in ["filter", "attributes", "excludedAttributes", "sortBy", "sortOrder", "startIndex", "count", "cursor"]
}
_OPERATORS: Final = frozenset(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "and", "or", "not"])
# what stands behind an operator; a quotation that doesn't end goes to the end
_LITERAL: Final = re.compile(
    r"""(\b(?:eq|ne|co|sw|ew|gt|ge|lt|le)\s+)("(?:[^"\\]|\\.)*(?:"|$)|[^\s"()\[\]]+)""", re.IGNORECASE
)
_WORDS: Final = re.compile(r"[^\s.:()\[\]]+")
_QUOTED: Final = re.compile(r"""(?<!\w)'.*'(?!\w)|".*\"""", re.DOTALL)
# the first quotation of several
_FIRST: Final = re.compile(r"""'([^']*)'|"([^"]*)\"""")
# what messages have beside attributes, as our own sentences name it
_MESSAGES: Final = frozenset(
    (
        "schemas",
        "operations",
        "op",
        "path",
        "value",
        "method",
        "data",
        "bulkid",
        "failonerrors",
        "add",
        "remove",
        "replace",
    )
)
_UNQUOTED: Final = re.compile(r"(at position \d+): .*|, not (?!a\b|an\b|the\b).*", re.DOTALL)

Shortened = Callable[[str, str], str]
Told = Callable[[str], str]


def resource_of(path: str) -> str | None:
    """The id in a path such as /scim/v2/Users/{id}."""
    found = _ID.search(path.rpartition("/")[2])
    return found[0] if found else None


def reader_of(types: ResourceTypes) -> Shortened:
    """Makes (path, query string) one text, in which the words of these resource types are kept."""
    known = _OPERATORS | {LEFT_OUT} | {word.lower() for word in _words_of(types)}

    @lru_cache(maxsize=4096)
    def is_known(text: str) -> bool:
        return all(word.lower() in known for word in _WORDS.findall(text))

    def filter_of(text: str) -> str:
        kept = _LITERAL.sub(rf"\1{LEFT_OUT}", text[:LONGEST_QUERY])
        return kept if is_known(kept) else LEFT_OUT

    def read(path: str, query: str) -> str:
        kept = "/".join(
            part if not part or part in _ROUTES or _ID.fullmatch(part) else LEFT_OUT for part in path.split("/")
        )
        return f"{kept}?{'&'.join(_arguments(query, filter_of))}" if query else kept

    return read


def _arguments(query: str, filter_of: Callable[[str], str]) -> Iterator[str]:
    for name, value in parse_qsl(query[:LONGEST_QUERY], keep_blank_values=True):
        kept = _PARAMETERS.get(name.lower(), LEFT_OUT)
        yield f"{kept}={filter_of(value) if kept == 'filter' else LEFT_OUT}"


def _words_of(types: ResourceTypes) -> Iterator[str]:
    """The names of all attributes, and the parts of all schemas' names."""
    for each in types:
        for urn, attributes in {each.schema: each.attributes, **each.extensions}.items():
            yield from _WORDS.findall(urn)
            yield from _names(attributes.values())


def _names(attributes: Iterable[Attribute]) -> Iterator[str]:
    for attribute in attributes:
        yield attribute.name
        yield from attribute.sub


def detail_reader(types: ResourceTypes) -> Told:
    """Makes a sentence of a refusal one without what it quotes, names of attributes and of messages' parts aside."""
    known = _MESSAGES | {word.lower() for word in _words_of(types)}

    def is_known(words: str) -> bool:
        found = _WORDS.findall(words)
        return bool(found) and all(word.lower() in known for word in found)

    def quoted(found: re.Match[str]) -> str:
        """All from the first quotation mark to the last, as a value may hold some; a known word before it stays."""
        whole = found[0]
        first = _FIRST.match(whole)
        if first is None or not is_known(first[1] or first[2] or ""):
            return LEFT_OUT
        return whole if first.end() == len(whole) else f"{first[0]} {LEFT_OUT}"

    def read(text: str) -> str:
        return _UNQUOTED.sub(
            lambda found: f"{found[1]}: {LEFT_OUT}" if found[1] else f", not {LEFT_OUT}", _QUOTED.sub(quoted, text)
        )

    return read
