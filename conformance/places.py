"""Places in a JSON body, and templates that are filled from what earlier steps saved. Pure; knows no case.

A place is a path of names between slashes: `name/familyName`, `Resources/0/id`, `Resources/*/userName` for the value of
each, `emails[type=work]/value` for those whose sub-attribute is that, `<URN>/department`; an empty one is the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_STEP: Final = re.compile(r"(?P<name>[^\[\]]*)(\[(?P<key>[^=]+)=(?P<value>.*)\])?$")
_SLOT: Final = re.compile(r"\$\{([^}]+)\}")


class NotThere(Exception):
    """What a template needs isn't in the answer that was saved; the message names it."""


class _Missing:
    """What stands where nothing is."""

    def __repr__(self) -> str:
        return "nothing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


def at(body: Any, place: str) -> Any:
    """What stands at `place`; MISSING where nothing does; a list where the path has `*` or a filter is followed."""
    if not place:
        return body
    found = list(_walk([body], _split(place)))
    if "*" in place.split("/"):
        return found
    return found[0] if found else MISSING


def objects_at(body: Any, place: str) -> list[Mapping[str, Any]]:
    """The objects in the list at `place`; what is no object is left out, and there are none where no list is."""
    found = at(body, place)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _split(place: str) -> list[str]:
    """The path's names; slashes within brackets are part of the value."""
    return re.findall(r"(?:[^/\[]|\[[^\]]*\])+", place)


def _walk(values: list[Any], path: list[str]) -> Iterator[Any]:
    if not path:
        yield from values
        return
    for value in values:
        yield from _walk(list(_step(value, path[0])), path[1:])


def _step(value: Any, text: str) -> Iterator[Any]:
    match = _STEP.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no step of a path")
    name, key = match["name"], match["key"]
    inner = value if not name else _member(value, name)
    if key is None:
        if name == "*":
            yield from value if isinstance(value, list) else ()
        elif inner is not MISSING:
            yield inner
        return
    for element in inner if isinstance(inner, list) else ():
        if isinstance(element, Mapping) and str(_member(element, key)).lower() == match["value"].lower():
            yield element


def _member(value: Any, name: str) -> Any:
    """The member of that name, in any case (RFC 7643 §2.1), or the element of that number."""
    if isinstance(value, list):
        return value[int(name)] if name.lstrip("-").isdecimal() and -len(value) <= int(name) < len(value) else MISSING
    if not isinstance(value, Mapping):
        return MISSING
    if name in value:
        return value[name]
    return next((inner for known, inner in value.items() if known.lower() == name.lower()), MISSING)


def filled(template: Any, saved: Mapping[str, Any]) -> Any:
    """The template with each `${name/place}` replaced; a text that is nothing but one becomes the value itself.

    Raises NotThere for what isn't in a saved answer, KeyError for an answer that nobody saved.
    """
    if isinstance(template, str):
        whole = _SLOT.fullmatch(template)
        if whole:
            return _saved(whole[1], saved)
        return _SLOT.sub(lambda slot: str(_saved(slot[1], saved)), template)
    if isinstance(template, Mapping):
        return {filled(name, saved): filled(value, saved) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return [filled(value, saved) for value in template]
    return template


def _saved(slot: str, saved: Mapping[str, Any]) -> Any:
    name, _, place = slot.partition("/")
    if name not in saved:
        raise KeyError(f"there is no {slot!r} to fill in")
    value = at(saved[name], place)
    if value is MISSING:
        raise NotThere(f"an earlier answer has no {slot!r}, which the next step needs")
    return value
