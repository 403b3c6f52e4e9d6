"""/api: what the host application asks beside SCIM, in plain JSON. Knows no rules: it asks the directory.

A refusal is `{"error": {"code": …, "message": …}}`; the code is for programs, the message for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any, Final

import orjson
import structlog
from flask import Flask, Response, request
from uuid_utils import uuid7
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from scim_server.directory import Directory, items
from scim_server.directory.items import MOST_ON_A_PAGE, NewItem, ShownItem, Wanted
from scim_server.domain.actor import Actor
from scim_server.domain.errors import MissingPermission, Refused
from scim_server.http.guard import Guard
from scim_server.http.oauth import Authenticator
from scim_server.http.refusals import challenge
from scim_server.mapping import instant
from scim_server.scim.errors import ScimError
from scim_server.storage.db import Busy

PREFIX: Final = "/api"
PAGE: Final = 100
_PARAMETERS: Final = frozenset(("owner", "author", "kind", "after", "count"))
_MEMBERS: Final = {"kind": True, "title": True, "owner": True, "author": False, "reference": False}  # name → required
Handler = Callable[[Directory, Actor], tuple[int, Any]]
log = structlog.get_logger(__name__)


class ApiError(Exception):
    """A refusal as it is sent: HTTP status, code for programs, message for people, headers beside."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.code, self.headers = status, code, dict(headers or {})
        super().__init__(message)


def mount(app: Flask, directory: Directory, guard: Guard, base_url: str) -> None:
    """Serve /api, all of it: what isn't there is refused in the same form."""
    authenticator = Authenticator(directory, guard, base_url)

    def serve(rest: str = "") -> Response:
        request_id, started = str(uuid7()), perf_counter_ns()
        response = _answered(lambda: _answer(directory, guard, authenticator, rest, request_id), request_id)
        guard.note(request.environ, request_id, started, response.status_code, "", response.get_data())
        return response

    app.view_functions["api"] = serve
    for path in ("", "/", "/<path:rest>"):  # for every method there is: Flask's own routes have a list of them
        app.url_map.add(Rule(f"{PREFIX}{path}", endpoint="api"))


def _answer(directory: Directory, guard: Guard, authenticator: Authenticator, rest: str, request_id: str) -> Response:
    """Who calls is asked first: a stranger learns nothing, not even what there is."""
    grant, _ = authenticator.grant(request, request_id)
    actor = authenticator.actor(grant, request_id, door="api")
    guard.admit(request.environ, grant.connection)
    handlers = RESOURCES.get(rest.rstrip("/"))
    if handlers is None:
        raise ApiError(404, "not_found", f"There is nothing at {PREFIX}/{rest[:64]}. There is {PREFIX}/items.")
    handler = handlers.get("GET" if request.method == "HEAD" else request.method)
    if handler is None:
        allowed = ", ".join(handlers)
        raise ApiError(405, "method_not_allowed", f"This can be asked by {allowed}.", {"Allow": allowed})
    status, body = handler(directory, actor)
    return _sent(status, body, request_id)


def _answered(work: Callable[[], Response], request_id: str) -> Response:
    """What `work` answers, or why it didn't; what an operator should know is logged."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - everything becomes an answer here
        refused = _error(error, request_id)
    body = {"error": {"code": refused.code, "message": str(refused)}}
    return _sent(refused.status, body, request_id, refused.headers)


def _error(error: Exception, request_id: str) -> ApiError:
    match error:
        case ApiError():
            return error
        case MissingPermission():
            return ApiError(403, error.code, str(error), challenge(error))
        case Refused():
            return ApiError(400, error.code, str(error))
        case ScimError():  # the authenticator's
            return ApiError(error.status, error.kind, error.detail, error.headers)
        case HTTPException():
            message = "The request body can't be taken: it is too large or not whole."
            return ApiError(error.code or 400, "bad_request", message)
        case Busy():
            log.warning(str(error), request_id=request_id)
            return ApiError(503, "busy", "The server is busy. Retry later.", {"Retry-After": "1"})
        case _:
            log.exception("unexpected fault", request_id=request_id, exc_info=error)
            return ApiError(500, "fault", "An unexpected fault. The request id identifies it in the log.")


def _sent(status: int, body: Any, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    sent = {**(headers or {}), "X-Request-Id": request_id, "Cache-Control": "no-store"}
    return Response(orjson.dumps(body), status, sent, mimetype="application/json")


def _items_list(directory: Directory, actor: Actor) -> tuple[int, Any]:
    if unknown := request.args.keys() - _PARAMETERS:
        raise ApiError(400, "invalid_request", f"There is no parameter {min(unknown)[:64]!r}.")
    wanted = Wanted(
        owner_id=request.args.get("owner"), author_id=request.args.get("author"), kind=request.args.get("kind")
    )
    page = items.find(directory, actor, wanted, after=request.args.get("after"), count=_count())
    return 200, {"items": [_shown(each) for each in page.items], "next": page.next}


def _count() -> int:
    text = request.args.get("count", str(PAGE))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_ON_A_PAGE))):
        raise ApiError(400, "invalid_request", f"count is a number from 1 to {MOST_ON_A_PAGE}.")
    return int(text)


def _items_add(directory: Directory, actor: Actor) -> tuple[int, Any]:
    body = _body()
    new = NewItem(
        kind=body["kind"],
        title=body["title"],
        owner_id=body["owner"],
        author_id=body.get("author"),
        reference=body.get("reference"),
    )
    return 201, _shown(items.add(directory, actor, new))


def _body() -> dict[str, Any]:
    """The members of the item that a POST holds, each of them text. Raises ApiError."""
    if request.mimetype != "application/json":
        raise ApiError(415, "unsupported_media_type", "The body must be application/json.")
    try:
        body = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "invalid_json", f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_request", "The body must be a JSON object.")
    for name in body.keys() - _MEMBERS.keys():
        raise ApiError(400, "invalid_request", f"An item has no member {name[:64]!r}; it has {', '.join(_MEMBERS)}.")
    for name, required in _MEMBERS.items():
        value = body.get(name)
        if not isinstance(value, str) and (required or value is not None):
            needed = " and is required" if required else ""
            raise ApiError(400, "invalid_request", f"{name} must be a text{needed}.")
    return body


def _shown(shown: ShownItem) -> dict[str, Any]:
    item = shown.item
    return {
        "id": item.id,
        "kind": item.kind.value,
        "title": item.title,
        "reference": item.reference,
        "owner": {"id": item.owner_id, "name": shown.owner},
        "author": {"id": item.author_id, "name": shown.author},
        "created": instant(item.created),
    }


RESOURCES: Final[Mapping[str, Mapping[str, Handler]]] = {"items": {"GET": _items_list, "POST": _items_add}}
