"""What every request by a connection passes, at each edge: the limits on the way in, the request log on the way out."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import orjson
from authlib.oauth2.rfc6749 import MissingAuthorizationError

from scim_server.domain.connection import Connection
from scim_server.http.audit import Noted, RequestLog
from scim_server.http.limits import Rate, Throttle
from scim_server.scim.errors import ScimError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_CONNECTION: Final = "scim_server.connection"  # in the environ: whose request it is, once that is known
_REASON: Final = "scim_server.reason"  # why its credentials were refused, which isn't for the answer


@dataclass(frozen=True, slots=True)
class Guard:
    """The limits and the log of one worker process."""

    rate: Rate
    throttle: Throttle
    log: RequestLog

    def admit(self, environ: WSGIEnvironment, connection: Connection) -> None:
        """Count a request, which is the connection's. Raises ScimError tooManyRequests, with Retry-After."""
        environ[_CONNECTION] = connection
        wait = self.rate.wait(connection)
        if wait is not None:
            raise too_many(wait, "This connection makes more requests than the server takes. Retry later.")

    def trace(self, environ: WSGIEnvironment, connection: Connection, reason: str) -> None:
        """Have a request whose credentials were refused written down as the connection's, with the reason.

        One that began with good ones, as a bulk request may, is the connection's already, and has errors of its own.
        """
        if _CONNECTION not in environ:
            environ[_CONNECTION], environ[_REASON] = connection, reason

    def note(
        self,
        environ: WSGIEnvironment,
        request_id: str,
        started: int,
        status: int,
        location: str,
        body: bytes,
    ) -> None:
        """Have the request written into the log, if it was a connection's; `started` is of perf_counter_ns."""
        connection = environ.get(_CONNECTION)
        if connection is None or not self.log.is_kept:
            return
        if _REASON in environ:
            body = orjson.dumps({"detail": environ[_REASON]})
        self.log.note(
            Noted(
                connection,
                request_id,
                self.log.now(),
                perf_counter_ns() - started,
                environ["REQUEST_METHOD"],
                environ.get("PATH_INFO", ""),
                environ.get("QUERY_STRING", ""),
                status,
                location,
                body if status >= 400 else b"",
            )
        )

    def failed(self, request: Any, error: Exception) -> None:
        """Count a request that couldn't prove who it is. Raises ScimError tooManyRequests once there are too many.

        `error` is Authlib's; a request without any credentials tries nothing.
        """
        if isinstance(error, MissingAuthorizationError):
            return
        address = request.remote_addr or ""
        wait = self.throttle.check("token", address)
        self.throttle.failed("token", address)
        if wait is not None:
            raise too_many(wait, "Too many requests from this address came without a valid token. Retry later.")


def too_many(seconds: int, detail: str) -> ScimError:
    """The refusal of a request that is one too many, for so many seconds (RFC 6585 §4)."""
    return ScimError("tooManyRequests", detail, headers={"Retry-After": str(seconds)})
