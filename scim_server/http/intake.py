"""Bodies that arrive slowly: they are waited for outside of the work. Knows nothing of their content.

The server has more threads than may work at a time, and one whose body is still to come gives its turn away. A read
can't be ended before the client sends or leaves: the server has no time limit, and to answer while another thread
reads the body stops the whole process (seen with Granian 2.8). A proxy in front sets that limit (docs/operations.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PLACES: Final = 256  # bodies that one worker process waits for at the same time


def patient(app: WSGIApplication, turns: int) -> WSGIApplication:
    """The application, for `turns` requests at a time, none of which waits for a body."""
    free: SimpleQueue[None] = SimpleQueue()
    for _ in range(turns):
        free.put(None)

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = _Body(environ["wsgi.input"], free)
        free.get()
        try:
            return app(environ, start_response)
        finally:
            free.put(None)

    return serve


class _Body:
    """A request's body as WSGI has it (PEP 3333); while it is read, another request has the turn."""

    def __init__(self, source: Any, free: SimpleQueue[None]) -> None:
        self._source, self._free = source, free

    def read(self, size: int = -1) -> bytes:
        with self._turn_given_away():
            found: bytes = self._source.read() if size < 0 else self._source.read(size)
        return found

    def readline(self, size: int = -1) -> bytes:
        with self._turn_given_away():
            line: bytes = self._source.readline() if size < 0 else self._source.readline(size)
        return line

    @contextmanager
    def _turn_given_away(self) -> Iterator[None]:
        self._free.put(None)
        try:
            yield
        finally:
            self._free.get()

    def readlines(self, hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")
