"""The filter language of RFC 7644 §3.4.2.2: text to a syntax tree bound to a schema, and the tree back to text.

Paths of PATCH (§3.5.2, figure 7) are made of the same parts and are parsed here too. Values in the tree are ready to
be compared: folded strings, dates in UTC. Must not know resources, storage, or which identity provider is asking:
what is forgiven beyond the grammar comes in as a set of tolerance ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

from scim_server.scim.dates import normal_date
from scim_server.scim.errors import ScimError, syntax_error
from scim_server.scim.filter_tree import (
    And,
    Compare,
    Filter,
    Not,
    Or,
    Path,
    Present,
    Value,
    ValuePath,
    print_filter,
)
from scim_server.scim.schema import ResourceType, Target, fold
from scim_server.scim.values import UNSOUND, is_sound

__all__ = [
    "FILTER_TOLERANCES",
    "OPERATORS",
    "OPERATORS_OF",
    "PATH_TOLERANCES",
    "And",
    "Compare",
    "Filter",
    "Limits",
    "Not",
    "Or",
    "Path",
    "Present",
    "Value",
    "ValuePath",
    "normal_date",
    "parse_filter",
    "parse_path",
    "print_filter",
    "value_target",
]

_Rule = TypeVar("_Rule")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long (characters), how deep (brackets) and how rich in comparisons a filter may be."""

    length: int = 8192
    depth: int = 16
    terms: int = 100


FILTER_TOLERANCES: Final = frozenset(
    {
        "filter-bare-strings",  # externalId eq jyoung
        "filter-value-path-compare",  # emails[type eq "work"].value eq "x"
        "filter-boolean-strings",  # active eq "True"
        "filter-bare-extension-attributes",  # department eq "x"
        "filter-email-alias",  # email.value eq "x"
    }
)
PATH_TOLERANCES: Final = FILTER_TOLERANCES | {"bare-extension-attributes"}  # manager, as a path
_LIMITS: Final = Limits()

OPERATORS: Final = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
_EQUALITY: Final = frozenset({"eq", "ne"})
_ORDERED: Final = _EQUALITY | {"gt", "ge", "lt", "le"}
# RFC 7644 §3.4.2.2, table 3: which operators make sense for which type (RFC 7643 §2.3)
OPERATORS_OF: Final[Mapping[str, frozenset[str]]] = {
    "string": OPERATORS,
    "reference": OPERATORS,
    "binary": _EQUALITY | {"co", "sw", "ew"},
    "boolean": _EQUALITY,
    "integer": _ORDERED,
    "decimal": _ORDERED,
    "dateTime": _ORDERED,
}
_TEXTUAL: Final = frozenset({"string", "reference", "binary"})
_NUMERIC: Final = frozenset({"integer", "decimal"})
_LITERALS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_WORD: Final = re.compile(r'[^ \t\r\n()\[\]"]*')
_BARE: Final = re.compile(r"[^ \t\r\n)\]]*")
_AFTER_STRING: Final = frozenset(" \t\r\n)]")
# what a bare string may not be: a piece of a quoted or bracketed one, or a word of the grammar
_NOT_BARE: Final = re.compile(r"""'.*|.*["(\[].*|and|or|not""", re.IGNORECASE | re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_MOST_DIGITS: Final = 40
_MOST_EXPONENT: Final = 308
_JSON: Final = json.JSONDecoder()


def parse_filter(
    resource_type: ResourceType, text: str, *, tolerance: frozenset[str] = FILTER_TOLERANCES, limits: Limits = _LIMITS
) -> Filter:
    """The syntax tree of `text`, its names bound to `resource_type` (RFC 7644 §3.4.2.2).

    Raises ScimError("invalidFilter") that shows the position of the fault.
    """
    parser = _Parser(resource_type, text, tolerance, limits, "invalidFilter")
    return parser.whole(parser.filter)


def parse_path(
    resource_type: ResourceType, text: str, *, tolerance: frozenset[str] = PATH_TOLERANCES, limits: Limits = _LIMITS
) -> Path:
    """The target of a PATCH operation (RFC 7644 §3.5.2, figure 7), or an extension's bare URN.

    Raises ScimError("invalidPath") for malformed text and unknown names, and ScimError("invalidFilter") where the
    filter inside the brackets is the broken part.
    """
    parser = _Parser(resource_type, text, tolerance, limits, "invalidPath")
    return parser.whole(parser.path)


def value_target(target: Target) -> Target | None:
    """What is compared or sorted by when `target` is named: itself, or a complex attribute's `value`, or nothing.

    Identity providers write `emails eq "x"`, `manager eq "id"` and `members eq "id"`.
    """
    if target.attribute is None:
        return None
    value = target.leaf.sub.get("value")
    return replace(target, sub=value) if value else target if target.leaf.type != "complex" else None


@dataclass(slots=True)
class _Parser:
    """A reader of one text: `position` is where it stands, `kind` the error that a fault there is.

    White space may be left out beside a bracket and nowhere else. `parent` is the attribute whose brackets we are in,
    `written` the string value that was read last.
    """

    resource_type: ResourceType
    text: str
    tolerance: frozenset[str]
    limits: Limits
    kind: str
    position: int = 0
    depth: int = 0
    terms: int = 0
    parent: Target | None = None
    written: str | None = None

    def __post_init__(self) -> None:
        if len(self.text) > self.limits.length:
            # no more of it than the error shows, which must be sendable
            self.text = UNSOUND.sub("\ufffd", self.text[: self.limits.length + 100])
            raise self.fault(f"The text is longer than {self.limits.length} characters", self.limits.length)
        if unsound := UNSOUND.search(self.text):
            self.text = UNSOUND.sub("\ufffd", self.text)  # the error shows it, and must be sendable
            raise self.fault("A NUL or a lone surrogate is not allowed", unsound.start())

    def whole(self, rule: Callable[[], _Rule]) -> _Rule:
        """What `rule` makes of the text, and of all of it."""
        result = rule()
        self.skip()
        if self.position < len(self.text):
            raise self.fault("Unexpected text")
        return result

    def path(self) -> Path:
        """PATH = attrPath / valuePath [subAttr] / extension URN."""
        name, start = self.word()
        target = self.bind(name, start)
        if self.peek() != "[":
            return Path(target, None)
        self.open_values(target)
        self.kind = "invalidFilter"
        term = self.filter()
        self.skip()
        # where the text ends here the filter is whole, and it's the path that stops short
        self.kind = "invalidFilter" if self.peek() else "invalidPath"
        self.leave("]")
        self.kind = "invalidPath"
        return Path(self.sub_attribute() if self.peek() == "." else target, term)

    def filter(self) -> Filter:
        """FILTER = conjunction *(SP "or" SP conjunction)."""
        terms = [self.conjunction()]
        while self.keyword("or"):
            terms.append(self.conjunction())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def conjunction(self) -> Filter:
        """conjunction = factor *(SP "and" SP factor)."""
        terms = [self.factor()]
        while self.keyword("and"):
            terms.append(self.factor())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def factor(self) -> Filter:
        """factor = attrExp / valuePath / ["not" *SP] "(" FILTER ")"."""
        self.skip()
        if self.peek() == "(":
            return self.group()
        name, start = self.word()
        if name.lower() == "not":
            self.skip()
            if self.peek() != "(":
                raise self.fault("'not' must be followed by a filter in round brackets")
            return Not(self.group())
        target = self.bind(name, start)
        return self.value_path(target) if self.peek() == "[" else self.attribute_expression(target)

    def group(self) -> Filter:
        """group = "(" FILTER ")"."""
        self.enter()
        term = self.filter()
        self.leave(")")
        return term

    def value_path(self, target: Target) -> Filter:
        """valuePath = attrPath "[" valFilter "]"; by tolerance an attrExp from its subAttr on may follow."""
        self.open_values(target)
        term = self.filter()
        self.leave("]")
        if self.peek() == ".":
            if "filter-value-path-compare" not in self.tolerance:
                raise self.fault("A sub-attribute can't be compared after ']'")
            compared = self.attribute_expression(self.sub_attribute())
            term = And((*(term.terms if isinstance(term, And) else (term,)), compared))
        self.parent = None
        return ValuePath(target, term)

    def attribute_expression(self, target: Target) -> Filter:
        """attrExp = attrPath SP ("pr" / compareOp SP compValue)."""
        self.terms += 1
        if self.terms > self.limits.terms:
            raise self.fault(f"There are more than {self.limits.terms} comparisons")
        word, start = self.word()
        op = word.lower()
        if op == "pr":
            return Present(target)
        if op not in OPERATORS:
            raise self.fault(
                f"The operator '{_short(word)}' is not supported" if word else "Expected an operator", start
            )
        compared = value_target(target)
        if compared is None:
            raise self.fault(f"'{target}' has sub-attributes: name the one to compare", start)
        if op not in OPERATORS_OF.get(compared.leaf.type, ()):
            raise self.fault(f"'{op}' can't be used with '{compared}', which is a {compared.leaf.type}", start)
        self.written = None
        value = self.compared_value(compared, op)
        return Compare(compared, op, value, self.written)

    def compared_value(self, target: Target, op: str) -> Value:
        """SP compValue; compValue = false / null / true / number / string."""
        before = self.position
        self.skip()
        start = self.position
        if start == before or start == len(self.text):
            raise self.fault(f"Expected white space and a value after '{op}'")
        value = self.quoted(target) if self.peek() == '"' else self.unquoted(target)
        if value is None and op not in _EQUALITY:
            raise self.fault(f"'{op}' can't be used with null", start)
        return value

    def quoted(self, target: Target) -> Value:
        """string, as JSON has it (RFC 7159 §7)."""
        start = self.position
        try:
            text, self.position = _JSON.raw_decode(self.text, start)
        except json.JSONDecodeError as error:
            raise self.fault("Malformed string", min(error.pos, len(self.text))) from error
        if self.peek() and self.peek() not in _AFTER_STRING:
            raise self.fault("Expected white space or a closing bracket after the string")
        return self.fit(target, text, start)

    def unquoted(self, target: Target) -> Value:
        """false / null / true / number, and by tolerance any string up to white space, ")" or "]"."""
        start = self.position
        word = self.take(_BARE)
        if word.lower() in _LITERALS:
            literal = _LITERALS[word.lower()]
            if literal is not None and target.leaf.type != "boolean":
                raise self.misfit(target, start)
            return literal
        number = _NUMBER.fullmatch(word)
        if number and target.leaf.type in _NUMERIC:
            return self.number(word, start, whole=not (number[1] or number[2]))
        if not word or _NOT_BARE.fullmatch(word):
            raise self.fault("Expected a value; strings stand in double quotes", start)
        if "filter-bare-strings" not in self.tolerance:
            raise self.misfit(target, start) if number else self.fault("Strings stand in double quotes", start)
        return self.fit(target, word, start)

    def number(self, word: str, start: int, *, whole: bool) -> int | Decimal:
        """number, as JSON has it (RFC 7159 §6): exact, and of a size that any database bears."""
        number = Decimal(word)
        if len(number.as_tuple().digits) > _MOST_DIGITS or abs(number.adjusted()) > _MOST_EXPONENT:
            raise self.fault("The number is too large or too precise", start)
        return int(number) if whole else number

    def fit(self, target: Target, text: str, start: int) -> Value:
        """The string `text` as a value of the target's type, folded for comparison."""
        leaf = target.leaf
        if not is_sound(text):  # by an escape
            raise self.fault("The string contains a NUL or a lone surrogate", start)
        if leaf.type in _TEXTUAL:
            self.written = text
            return fold(leaf, text)
        if leaf.type == "boolean" and "filter-boolean-strings" in self.tolerance and text.lower() in ("true", "false"):
            return text.lower() == "true"
        with suppress(ValueError):
            if leaf.type == "dateTime":
                return normal_date(text)
        raise self.misfit(target, start)

    def bind(self, name: str, start: int) -> Target:
        """attrPath = [URI ":"] ATTRNAME [subAttr]; inside brackets ATTRNAME alone."""
        if not name:
            raise self.fault("Expected an attribute name", start)
        # names are ASCII; other letters could become one of ours when they are lowered
        usable = name.isascii() and name[-1] not in ".:"
        find = self.resolve if self.parent is None else partial(_inner_target, self.parent)
        target = find(name) if usable else None
        if target is None:
            where = f" of '{self.parent}'" if self.parent else ""
            raise self.fault(f"Unknown attribute '{_short(name)}'{where}", start)
        if self.kind == "invalidPath":
            return target
        if target.attribute is None:
            raise self.fault("A whole extension can't be compared: name one of its attributes", start)
        if "never" in (target.attribute.returned, target.leaf.returned):  # comparing would reveal it bit by bit
            raise self.fault(f"'{target}' can't be used in a filter", start)
        return target

    def resolve(self, name: str) -> Target | None:
        row = "bare-extension-attributes" if self.kind == "invalidPath" else "filter-bare-extension-attributes"
        target = self.resource_type.resolve(name, bare_extensions=row in self.tolerance)
        if target is None and self.kind == "invalidFilter" and "filter-email-alias" in self.tolerance:
            head, dot, tail = name.partition(".")
            if head.lower() == "email":
                return self.resource_type.resolve(f"emails{dot}{tail}")
        return target

    def open_values(self, target: Target) -> None:
        """The "[" of a valuePath, after an attribute that can have one."""
        if self.parent is not None:
            raise self.fault("Square brackets can't be nested")
        attribute = None if target.sub else target.attribute
        if attribute is None or not (attribute.sub or attribute.multi_valued):
            raise self.fault(f"'{target}' has no values or sub-attributes to choose by")
        self.enter()
        self.parent = target

    def sub_attribute(self) -> Target:
        """subAttr = "." ATTRNAME, after the "]" of a valuePath."""
        self.position += 1
        start = self.position
        return self.bind(self.take(_WORD), start)

    def enter(self) -> None:
        if self.depth == self.limits.depth:
            raise self.fault(f"Brackets are nested deeper than {self.limits.depth}")
        self.depth += 1
        self.position += 1

    def leave(self, bracket: str) -> None:
        self.skip()
        if self.peek() != bracket:
            raise self.fault(f"Expected '{bracket}'")
        self.depth -= 1
        self.position += 1

    def keyword(self, word: str) -> bool:
        found, start = self.word()
        if found.lower() != word:
            self.position = start
        return found.lower() == word

    def word(self) -> tuple[str, int]:
        self.skip()
        start = self.position
        return self.take(_WORD), start

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        found = match[0] if match else ""
        self.position += len(found)
        return found

    def skip(self) -> None:
        self.take(_SPACE)

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def misfit(self, target: Target, start: int) -> ScimError:
        return self.fault(f"The value doesn't fit '{target}', which is a {target.leaf.type}", start)

    def fault(self, message: str, position: int | None = None) -> ScimError:
        return syntax_error(self.kind, message, self.text, self.position if position is None else position)


def _inner_target(parent: Target, name: str) -> Target | None:
    """What `name` stands for inside the brackets of `parent`."""
    if not parent.leaf.sub:
        return parent if name.lower() == "value" else None
    sub = parent.leaf.sub.get(name.lower())
    return replace(parent, sub=sub) if sub else None


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:60]}…"
