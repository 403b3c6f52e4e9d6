"""A SCIM server of a few lines, for tests of the suite itself: it keeps users and groups, and no rules."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from conformance.exchange import Target

URL = "http://tiny.example/v2"
TOKEN = "tiny-token-of-the-tests"


@dataclass
class Tiny:
    """What it holds, what it was asked, and what it declares; `instead` may answer in its place."""

    config: Mapping[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    instead: Callable[[str, str], tuple[int, Any] | None] = lambda method, path: None

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        own = self.instead(method, path)
        if own is not None:
            return own
        if path == "/ServiceProviderConfig":
            return 200, self.config
        if method == "POST" and path in ("/Users", "/Groups"):
            place = f"{path}/{len(self.asked)}"
            made = {**body, "id": place.rpartition("/")[2], "meta": {"resourceType": path[1:-1], "location": place}}
            self.kept[place] = made
            return 201, made
        if path not in self.kept:
            return 404, {"status": "404"}
        return (204, self.kept.pop(path)) if method == "DELETE" else (200, self.kept[path])

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(dict(request.headers))
        try:
            body = json.loads(request.content) if request.content else None
        except ValueError:
            body = None
        status, answer = self.answer(request.method, request.url.path.removeprefix("/v2"), body)
        content = json.dumps(answer).encode()
        return httpx.Response(status, content=content, headers={"content-type": "application/json"})

    def target(self, **parts: Any) -> Target:
        client = httpx.Client(transport=httpx.MockTransport(self.handle))
        return Target(**{"client": client, "url": URL, "token": TOKEN, "wait": lambda _: None, **parts})


@contextmanager
def listening(tiny: Tiny) -> Iterator[str]:
    """The server on a port of this machine; its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = tiny.answer(self.command, self.path.partition("?")[0].removeprefix("/v2"), body)
            content = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/scim+json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v2"
        finally:
            server.shutdown()
