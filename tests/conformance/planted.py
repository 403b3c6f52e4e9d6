"""A WSGI wrapper that plants one fault in an application, and the faults by name. Knows no case but by its id.

A fault is a function of the request and of what serves it rightly; it may change the request, the answer or both, and
may ask more than once.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX: Final = "/scim/v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request below the base URL; `body` is its JSON, or None. `headers` have lower-case names."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    raw: bytes = b""

    def but(self, **changes: Any) -> Asked:
        """The same request with those parts changed; a changed body replaces the raw one."""
        if "body" in changes:
            changes["raw"] = b"" if changes["body"] is None else json.dumps(changes["body"]).encode()
        return replace(self, **changes)

    @property
    def kind(self) -> str:
        """The first segment of the path: `Users`, `Groups`, `Bulk` …"""
        return self.path.strip("/").split("/")[0]

    @property
    def of_one(self) -> bool:
        """Whether it is about one resource."""
        return len(self.path.strip("/").split("/")) == 2


@dataclass(slots=True, kw_only=True)
class Answered:
    """An answer, to be changed at will; `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources in it: those of a list, or the one that it is."""
        if not isinstance(self.body, dict):
            return []
        if "Resources" in self.body:
            return list(self.body["Resources"])
        return [self.body] if "id" in self.body else []


Serve = Callable[[Asked], Answered]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to be wrong, and the case that must notice it."""

    name: str
    caught_by: str
    plant: Callable[[Asked, Serve], Answered]


FAULTS: Final[list[Fault]] = []


def caught_by(case: str) -> Callable[[Callable[[Asked, Serve], Answered]], Callable[[Asked, Serve], Answered]]:
    """Enter a fault that the case of that id must notice; the function's name is the fault's."""

    def enter(plant: Callable[[Asked, Serve], Answered]) -> Callable[[Asked, Serve], Answered]:
        FAULTS.append(Fault(name=plant.__name__, caught_by=case, plant=plant))
        return plant

    return enter


def planted(app: WSGIApplication, fault: Fault) -> WSGIApplication:
    """The application with the fault in it."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def serve(asked: Asked) -> Answered:
            return _served(app, environ, asked)

        answered = fault.plant(_asked(environ), serve)
        content = b"" if answered.body is None else json.dumps(answered.body).encode()
        headers = {name: value for name, value in answered.headers.items() if name != "content-length"}
        if answered.status not in (204, 304):
            headers["content-length"] = str(len(content))
        start_response(f"{answered.status} Planted", list(headers.items()))
        return [content]

    return wrapped


def _asked(environ: WSGIEnvironment) -> Asked:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    raw = environ["wsgi.input"].read(length) if length else b""
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = None
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    return Asked(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"].removeprefix(PREFIX),
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        headers=headers,
        body=body,
        raw=raw,
    )


def _served(app: WSGIApplication, environ: WSGIEnvironment, asked: Asked) -> Answered:
    own = {name: value for name, value in environ.items() if not name.startswith("HTTP_")}
    own |= {f"HTTP_{name.replace('-', '_').upper()}": value for name, value in asked.headers.items()}
    own |= {
        "REQUEST_METHOD": asked.method,
        "PATH_INFO": PREFIX + asked.path,
        "QUERY_STRING": urlencode(asked.query),
        "CONTENT_TYPE": asked.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(asked.raw)) if asked.raw else "",
        "wsgi.input": io.BytesIO(asked.raw),
    }
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Callable[[bytes], object]:
        said.extend((int(status.split()[0]), {name.lower(): value for name, value in headers}))
        return lambda _: None

    content = b"".join(app(own, start_response))
    return Answered(status=said[0], headers=said[1], body=json.loads(content) if content else None)
