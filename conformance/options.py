"""What the command's options must be before a server is asked anything. Knows no case and sends nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click
import httpx

_HEADER: Final = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:(.*)", re.DOTALL)


def base_url(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """The SCIM base URL without a slash at its end. Raises click.BadParameter, whose message repeats no secret."""
    if not given:
        return None
    try:
        parts = urlsplit(given)
        httpx.URL(given)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except (ValueError, httpx.InvalidURL):
        known = False
    if not known:
        raise click.BadParameter("it must be like https://host/scim/v2.")
    if parts.query or parts.fragment:
        raise click.BadParameter("a base URL has no query and no fragment; a secret goes into --token or --header.")
    return given.rstrip("/?#")


def token(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """The token without blanks around it, None for nothing. Raises click.BadParameter, whose message hides it."""
    found = (given or "").strip()
    if not found.isascii() or not found.isprintable():
        raise click.BadParameter("it has characters that no header can have.")
    return found or None


def headers(_: click.Context, __: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Headers by their lower-case names. Raises click.BadParameter for one without a name or a colon."""
    found: dict[str, str] = {}
    for number, header in enumerate(given, 1):
        match = _HEADER.fullmatch(header)
        if match is None or not match[2].isprintable() or not match[2].isascii():
            raise click.BadParameter(f"number {number} is not NAME:VALUE.")
        found[match[1].lower()] = match[2].strip()
    return found


def extra(_: click.Context, __: click.Parameter, given: str) -> dict[str, Any]:
    """What every User has besides. Raises click.BadParameter for what is no JSON object."""
    try:
        found = json.loads(given, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise click.BadParameter("that is nested too deep.") from error
    except UnicodeError as error:
        raise click.BadParameter("that has half of a surrogate pair in it.") from error
    except ValueError as error:
        raise click.BadParameter(f"that is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise click.BadParameter("that is not a JSON object.")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def report(_: click.Context, __: click.Parameter, given: Path | None) -> Path | None:
    """A file whose folder is there. Raises click.BadParameter."""
    if given is not None and not given.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(given.parent)!r}.")
    return given
