"""What tests share: a workspace of its own for each test, and a client that speaks SCIM to it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from flask import Flask
from sqlalchemy import Engine, event

from scim_server.directory import Directory, access

CORPUS = Path(__file__).parent / "corpus"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WORKSPACE_URN = "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
MEDIA_TYPE = "application/scim+json"


@dataclass(frozen=True)
class Answer:
    """One answer; `json` is None where there is no body."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text) if self.text else None

    @property
    def scim_type(self) -> str | None:
        kind: str | None = self.json.get("scimType")
        return kind


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What this thread asks of the database; the request log's thread writes on the same engine whenever it likes."""
    found: list[str] = []
    here = threading.get_ident()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if threading.get_ident() == here:
            found.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def patch_body(*operations: Mapping[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH_URN], "Operations": list(operations)}


@dataclass(frozen=True)
class Client:
    """Speaks SCIM to an application in this process, by a token of one workspace."""

    app: Flask
    token: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, data: bytes = b""
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", **self.headers, **(headers or {})}
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", MEDIA_TYPE)
        response = self.app.test_client().open(
            f"/scim/v2{path}", method=method, data=data or None, headers=list(sent.items())
        )
        return Answer(response.status_code, dict(response.headers), response.get_data(as_text=True))

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Any) -> Answer:
        return self.request("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        return self.request("PUT", path, body)

    def patch(self, path: str, *operations: Mapping[str, Any]) -> Answer:
        return self.request("PATCH", path, patch_body(*operations))

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", path)

    def user(self, user_name: str, **attributes: Any) -> Any:
        """Create a user and return it."""
        answer = self.post("/Users", {"schemas": [USER_URN], "userName": user_name, **attributes})
        assert answer.status == 201, answer.text
        return answer.json

    def group(self, display_name: str, *member_ids: str) -> Any:
        """Create a group and return it."""
        members = [{"value": member} for member in member_ids]
        answer = self.post("/Groups", {"schemas": [GROUP_URN], "displayName": display_name, "members": members})
        assert answer.status == 201, answer.text
        return answer.json


@dataclass(frozen=True)
class World:
    """A workspace of a test's own, with one connection."""

    app: Flask
    directory: Directory
    name: str
    owner_id: str
    workspace_id: str

    def client(self, *, preset: str = "generic", scopes: str = "scim") -> Client:
        """A client with a new token of a new connection."""
        connection = f"{preset}-{secrets.token_hex(4)}"
        access.create_connection(self.directory, self.name, connection, preset)
        _, text = access.create_token(self.directory, self.name, connection, secrets.token_bytes, scopes=scopes)
        return Client(self.app, text)


def new_world(app: Flask, seats: int = 100) -> World:
    directory: Directory = app.extensions["directory"]
    name = f"workspace-{secrets.token_hex(6)}"
    founded = access.create_workspace(directory, name, f"owner@{name}.test", seats=seats)
    return World(app, directory, name, founded.owner_id, founded.workspace.id)


@dataclass(frozen=True)
class Served:
    """A real `scim-server serve` process."""

    process: subprocess.Popen[str]
    url: str
    token: str | None
    database_url: str
    lines: list[str] = field(default_factory=list)  # what it says: all of it, once it has ended

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client for the SCIM base URL."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": MEDIA_TYPE}
        return httpx.Client(base_url=f"{self.url}/scim/v2", headers=headers, timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cli(database_url: str, *arguments: str) -> Any:
    """Run a command with --json in a process of its own and return what it printed."""
    command = [sys.executable, "-m", "scim_server.cli", *arguments, "--json", "--database", database_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@contextmanager
def serving(database_url: str, *, workers: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A server process on a port of its own; it is killed at the end."""
    port = free_port()
    command = [sys.executable, "-m", "scim_server.cli", "serve", "--port", str(port), "--workers", str(workers)]
    settings = {**os.environ, "SCIM_SERVER_DATABASE_URL": database_url, **(environment or {})}
    process = subprocess.Popen(
        command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    # what the process says is read all the time, so that it never waits for a reader
    lines: list[str] = []
    pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe]
    readers = [threading.Thread(target=lines.extend, args=(pipe,), daemon=True) for pipe in pipes]
    for reader in readers:
        reader.start()
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, url, lines, workers=workers)
        token = next((line.split(": ", 1)[1].strip() for line in lines if line.startswith("Bearer token: ")), None)
        yield Served(process, url, token, database_url, lines)
    finally:
        kill_group(process)
        for reader in readers:
            reader.join()
        for pipe in pipes:
            pipe.close()


def wait_until_ready(process: subprocess.Popen[str], url: str, lines: list[str], *, workers: int = 0) -> None:
    """Until the server answers, and so many workers have said that they are there: one that isn't misses signals."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the server stopped: " + "".join(lines))
        try:
            started = sum("Started worker" in line for line in lines)
            if httpx.get(f"{url}/healthz", timeout=5).status_code == 200 and started >= workers:
                return
        except httpx.TransportError:
            pass
        threading.Event().wait(0.05)
    raise RuntimeError("the server didn't become ready: " + "".join(lines))


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill the process and its workers at once, as `kill -9` does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
