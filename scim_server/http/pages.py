"""What the pages for browsers share: the cookie, CSRF, security headers, and refusals as pages.

Forms work without scripts; the console's one script adds comfort. Knows no page's contents and no rules.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from flask import (
    Blueprint,
    Flask,
    Request,
    Response,
    abort,
    current_app,
    make_response,
    render_template,
    request,
    session,
)
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect
from uuid_utils import uuid7
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RoutingException
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import Directory
from scim_server.domain.errors import Refused
from scim_server.http.errands import Errands
from scim_server.http.limits import Throttle
from scim_server.http.scim import PREFIX
from scim_server.http.wire import NO_HOST
from scim_server.storage.db import Busy

AUTHORIZE: Final = "/oauth/authorize"
CONSOLE: Final = "/console"
STATIC: Final = "/static"
COOKIE: Final = "scim_session"
KEY_BYTES: Final = 32
MOST_BODY: Final = 64 * 1024  # a form's, which has a few short fields
_FIRST: Final = frozenset(("signin", "signout", "invitation", "static", "console"))
_OWN_PATH: Final = re.compile(r"/(?!/)[!-\[\]-~]*")  # printable ASCII without backslashes, which browsers turn round
_YEAR: Final = 365 * 24 * 3600

# Beside those of every answer. No opener policy: an identity provider opens the consent page as a window of its own,
# and waits for it to come back.
HEADERS: Final[Mapping[str, str]] = {
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_WORDS: Final[Mapping[int, tuple[str, str]]] = {  # status → title, and what to do
    400: ("That didn't work", "The request was not complete, or the form was too old. Go back, reload and try again."),
    403: ("Not allowed", "You have no access to this."),
    404: ("Not found", "There is nothing at this address. Check the link, or start at the beginning."),
    405: ("Not possible", "This address can't be used that way."),
    413: ("Too large", "What was sent is larger than a form can be."),
    429: ("Too many tries", "Wait a while, then try again."),
    500: ("Something went wrong", "This is a fault of the server."),
    503: ("Not available now", "The server is busy. Try again in a moment."),
}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What pages need. `base_url` is the one that people reach them under, "" for the request's own; `key` signs the
    cookie; `throttle` counts failures; `errands` are done after the answer. `around` gives the values that put a
    refusal of that status into the frame of the page that it is instead of. `mails`: whether letters are sent, not
    written into a folder.
    """

    directory: Directory
    base_url: str
    key: Callable[[], bytes]
    throttle: Throttle
    errands: Errands
    around: Callable[[int], Mapping[str, Any]] = lambda _: {}
    mails: bool = False


class Cookies(SecureCookieSessionInterface):
    """The one cookie: signed, of pages alone. Under https its name binds it to this host (RFC 6265bis §4.1.3.2)."""

    session_digest_method = staticmethod(hashlib.sha256)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie. None, which leaves a session that can't be written, elsewhere and without a key."""
        if not is_page(request.path) or request.path.startswith(f"{STATIC}/"):
            return None
        try:
            app.secret_key = site(app).key()
        except Busy as error:
            log.warning(str(error))
            return None
        return super().open_session(app, request)

    def get_cookie_name(self, app: Flask) -> str:
        return f"__Host-{COOKIE}" if is_https(app) else COOKIE

    def get_cookie_secure(self, app: Flask) -> bool:
        return is_https(app)


def mount(app: Flask, site: Site) -> None:
    """Serve what is static, and see to cookie, CSRF, headers and refusals of every page."""
    app.extensions["pages"] = site
    app.session_interface = Cookies()
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SEND_FILE_MAX_AGE_DEFAULT=_YEAR,  # the name has the version
        WTF_CSRF_CHECK_DEFAULT=False,  # _guard has it checked, on pages alone
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        WTF_CSRF_SSL_STRICT=False,  # no referrer is sent; _guard asks where a form comes from
    )
    CSRFProtect(app)
    app.register_blueprint(
        Blueprint("pages", __name__, template_folder="templates", static_folder="static", static_url_path=STATIC)
    )
    app.jinja_env.globals.update(at=at, version=_version())
    app.jinja_env.filters.update(instant=_instant, second=_second, iso=_iso)
    app.before_request(_guard)
    app.after_request(_secured)
    for kind in (HTTPException, Refused, Busy, Exception):
        app.register_error_handler(kind, refused)


def is_page(path: str) -> bool:
    """Whether a path is for browsers: then refusals are pages."""
    return path in ("/", AUTHORIZE) or path[1:].split("/", 1)[0] in _FIRST


def site(app: Flask | None = None) -> Site:
    """The site that the application serves, by default the one of this request."""
    found: Site = (app or current_app).extensions["pages"]
    return found


def is_https(app: Flask | None = None) -> bool:
    """Whether people reach the site by https."""
    return site(app).base_url.startswith("https://") or request.is_secure


def at(path: str) -> str:
    """A path of the site as browsers see it, where a proxy puts something before it."""
    base = site().base_url
    return (urlsplit(base).path if base else request.root_path) + path


def own_path(text: str | None) -> str | None:
    """`text` if it is a path of the site, and nothing that a browser could take for another's."""
    return text if text is not None and _OWN_PATH.fullmatch(text) else None


def render(template: str, status: int = 200, **values: Any) -> Response:
    """A page; `user` among the values is whoever is signed in."""
    return make_response(render_template(template, **values), status)


def policy(form_target: str = "", *, scripts: bool = False) -> str:
    """The Content-Security-Policy: nothing but our own style and images, and forms that end here, or at `form_target`.

    Browsers hold a form to it through redirects too, so the page whose form leads elsewhere has to name where. With
    `scripts`, our own files' may run and ask us for more; nothing that stands in a page ever does.
    """
    targets = f"'self' {form_target}".strip()
    own_scripts = "script-src 'self'; connect-src 'self'; " if scripts else ""
    return (
        f"default-src 'none'; {own_scripts}style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {targets}"
    )


def refusal(status: int, message: str = "", *, title: str = "", detail: str = "", **values: Any) -> Response:
    """A page that says no: by the status's own words, or by others; `values` are what else the page is to have."""
    own_title, own_message = _WORDS.get(status, _WORDS[400 if status < 500 else 500])
    words = {"title": title or own_title, "message": message or own_message, "detail": detail}
    # a page about a fault leaves messages where they are: it may be the cookie that can't be read
    return render("refusal.html", status, is_fault=status >= 500, **words, **values)


def refused(error: Exception) -> AnyResponse | HTTPException:
    """What is answered to an error: a page where browsers are, and a line of text elsewhere."""
    if isinstance(error, HTTPException) and (isinstance(error, RoutingException) or error.code is None):
        return error  # an answer in itself
    status, message, detail = _told(error)
    if is_page(request.path):
        response = refusal(status, message, detail=detail, **_around(status))
    else:
        response = Response(f"{message or _WORDS.get(status, _WORDS[400])[1]}\n", status, mimetype="text/plain")
    kept = error.get_headers() if isinstance(error, HTTPException) else ()
    for name, value in kept:
        if name.lower() in ("allow", "retry-after", "connection"):
            response.headers[name] = value
    if isinstance(error, Busy):
        response.headers["Retry-After"] = "1"
    return response


def _around(status: int) -> Mapping[str, Any]:
    """What puts a refusal into the frame of the pages around it, where they have one and it can be had."""
    try:
        return site().around(status)
    except Busy as error:
        log.warning(str(error))
        return {}


def _told(error: Exception) -> tuple[int, str, str]:
    """Status, message and detail; what an operator should know is logged."""
    match error:
        case CSRFError():
            return 400, "The form was too old, or cookies are switched off. Go back, reload and try again.", ""
        case HTTPException():
            return error.code or 500, "" if is_page(request.path) else _plain(error), ""
        case Refused():
            return 403, str(error), ""
        case Busy():
            log.warning(str(error))
            return 503, "", ""
        case _:
            request_id = str(uuid7())
            log.exception("unexpected fault", request_id=request_id, exc_info=error)
            return 500, "", f"The log has it under {request_id}."


def _plain(error: HTTPException) -> str:
    return {400: NO_HOST, 404: f"SCIM is at {PREFIX}."}.get(error.code or 500, error.description or error.name)


def _guard() -> None:
    """Before a page is made: its form must be ours, and not long."""
    if not is_page(request.path) or request.routing_exception is not None:
        return
    request.max_content_length = MOST_BODY
    if request.path.startswith(f"{STATIC}/"):
        return
    if current_app.session_interface.is_null_session(session):
        raise Busy("The key of sessions can't be read")
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(400)
    current_app.extensions["csrf"].protect()


def _secured(response: Response) -> Response:
    """Every page's headers."""
    if not is_page(request.path):
        return response
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", policy())
    return response


def _version() -> str:
    """What changes with what is static."""
    files = sorted((Path(__file__).parent / "static").iterdir())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _instant(value: datetime) -> str:
    """A time as people read it: to the minute, in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _second(value: datetime) -> str:
    """A time in a log, to the second, in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _iso(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
