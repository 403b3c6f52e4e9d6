"""The log of connections' requests: noted in memory on the way out, written by a thread of its own about each second.

A request pays for one append. What a client sent is left out before anything is written (leave_out.py). When the
database can't be written to, or more comes than is written, requests are dropped, and the server's log says how many.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from datetime import datetime, timedelta
from multiprocessing.util import Finalize
from threading import Event, Lock, Thread, current_thread
from typing import Any, Final, NamedTuple

import orjson
import structlog

from scim_server.directory import Directory, requests
from scim_server.domain.connection import Connection
from scim_server.http.leave_out import LEFT_OUT, METHODS, Told, detail_reader, reader_of, resource_of
from scim_server.scim.values import UNSOUND
from scim_server.storage.db import Busy

MOST_WAITING: Final = 20_000
BATCH: Final = 1000
SECONDS: Final = 1.0
SECONDS_TO_END: Final = 5.0
SWEPT_EVERY: Final = timedelta(hours=1)
log = structlog.get_logger(__name__)


class Noted(NamedTuple):
    """A request as it is held in memory for a second: `path` and `query` as they came, `body` of a refusal alone."""

    connection: Connection
    request_id: str
    at: datetime  # when it was answered
    duration: int  # nanoseconds
    method: str
    path: str
    query: str
    status: int
    location: str  # of what was made or is shown, "" for none
    body: bytes


class RequestLog:
    """The log of one worker process; `days` is how long requests are kept, 0 for no log."""

    def __init__(self, directory: Directory, days: int) -> None:
        self._directory, self._days = directory, days
        self.now = directory.now
        self._read, self._detail = reader_of(directory.types), detail_reader(directory.types)
        self._waiting: deque[Noted] = deque()
        self._dropped = 0
        self._lock, self._writing = Lock(), Lock()
        self._writer: Thread | None = None
        self._ending = Event()
        self._swept: datetime | None = None
        self._process = 0

    @property
    def is_kept(self) -> bool:
        return self._days > 0

    def note(self, noted: Noted) -> None:
        """Have the request written down soon."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(noted)
        if self._writer is None or self._process != os.getpid():
            self._start()

    def flush(self) -> None:
        """Write down what waits, now. What the database doesn't take is dropped."""
        with self._writing:
            self._tell_dropped()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                try:
                    requests.keep(self._directory, [self._row(each) for each in batch])
                except Exception as error:  # noqa: BLE001 - a log that fails must not end the thread that writes it
                    self._dropped += len(batch)
                    self._tell_dropped(str(error) if isinstance(error, Busy) else type(error).__name__)

    def _tell_dropped(self, reason: str = "more came than could be written") -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("requests dropped from the request log", count=dropped, reason=reason)

    def _start(self) -> None:
        """A thread of this process's own, if there is none."""
        with self._lock:
            if self._process != os.getpid():
                if self._process:  # what waited at the fork is the parent's to write
                    self._waiting = deque([self._waiting[-1]])
                    self._writing, self._writer = Lock(), None
                self._process = os.getpid()
                # how a process ends: atexit, or in a child of multiprocessing its own way
                Finalize(self, self.end, exitpriority=10)
                atexit.register(self.end)
            if self._writer is None:
                self._writer = Thread(target=self._write_on, name="request-log", daemon=True)
                self._writer.start()

    def end(self) -> None:
        """Write down what waits, and let the thread go: its connection is given back then."""
        self._ending.set()
        self.flush()
        writer = self._writer
        if writer is not None and self._process == os.getpid():
            writer.join(SECONDS_TO_END)

    def _write_on(self) -> None:
        """Write about each second, until there is nothing; whoever notes a request then begins again."""
        while True:
            self._ending.wait(SECONDS)
            self.flush()
            self._sweep()
            with self._lock:
                if not self._waiting:
                    self._writer = None
                    # one that came before this could be seen is written by this thread still
                    if not self._waiting or self._ending.is_set():
                        return
                    self._writer = current_thread()

    def _sweep(self) -> None:
        now = self._directory.now()
        if self._swept is not None and now - self._swept < SWEPT_EVERY:
            return
        self._swept = now
        try:
            requests.sweep(self._directory, self._days)
        except Exception as error:  # noqa: BLE001 - it is tried again in an hour
            log.warning("the request log can't be swept", reason=type(error).__name__)

    def _row(self, noted: Noted) -> requests.Row:
        microseconds = noted.duration // 1000
        return requests.Row(
            workspace_id=noted.connection.workspace_id,
            id=noted.request_id,
            connection_id=noted.connection.id,
            at=noted.at - timedelta(microseconds=microseconds),
            method=noted.method if noted.method in METHODS else LEFT_OUT,
            path=_storable(self._read(noted.path, noted.query)),
            status=noted.status,
            duration=microseconds,
            resource_id=resource_of(noted.location) or resource_of(noted.path),
            error=_error(noted.body, self._detail) if noted.status >= 400 else None,
        )


def _error(body: bytes, told: Told) -> str | None:
    """What kind of refusal it was, and why, from a body in SCIM's form or the API's, as `told` shortens it.

    Of OAuth's the kind alone.
    """
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    error = found.get("error")
    if isinstance(error, str):  # its description may repeat what was sent
        return _storable(error)
    inner = error if isinstance(error, dict) else {}
    parts = (found.get("scimType") or inner.get("code"), found.get("detail") or inner.get("message"))
    return _storable(": ".join(told(str(part)) for part in parts if part)) or None


def _storable(text: str) -> str:
    """The text without characters that no database keeps: one such row would take its whole batch along."""
    return UNSOUND.sub(LEFT_OUT, text)
