"""What every edge reads off a request in the same way: the URL that the server is reached under, and the whole body."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.utils import get_current_url
from werkzeug.wrappers import Request

from scim_server.scim.errors import ScimError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HOST: Final = re.compile(r"[\w.-]+(:\d+)?$|\[[\da-fA-F:.]+\](:\d+)?$", re.ASCII)
NO_HOST: Final = "The Host header names no host."


def root_of(environ: WSGIEnvironment, base_url: str) -> str:
    """`base_url` if there is one, else the URL by which this request came; without a slash at the end.

    Raises ScimError badRequest for a host that can't be one.
    """
    if base_url:
        return base_url
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return _root(environ["wsgi.url_scheme"], host, environ.get("SCRIPT_NAME", ""))


@lru_cache(maxsize=1024)
def _root(scheme: str, host: str, script: str) -> str:
    if not _HOST.match(host):
        raise ScimError("badRequest", NO_HOST)
    try:
        return get_current_url(scheme, host, script).rstrip("/")
    except ValueError as error:  # a port beyond 65535, a name that is no IDNA
        raise ScimError("badRequest", NO_HOST) from error


def whole_body(received: Request, largest: int) -> bytes:
    """The whole body. Raises RequestEntityTooLarge."""
    body = received.get_data(cache=False)
    # A body without Content-Length is cut at the limit in silence; whether there is more shows only by asking for it.
    if len(body) == largest and received.content_length is None and received.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body
