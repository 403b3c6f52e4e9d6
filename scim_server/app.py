"""create_app: the only wiring. Makes the engine, mounts the edges; holds no behaviour of its own."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import timedelta
from functools import cache, partial

import structlog
from flask import Flask

from scim_server.directory import Directory, access
from scim_server.http import (
    api,
    authorization,
    consent,
    console,
    headers,
    metadata,
    ops,
    pages,
    scim,
    signin,
    signin_links,
)
from scim_server.http.audit import RequestLog
from scim_server.http.errands import Errands
from scim_server.http.guard import Guard
from scim_server.http.intake import patient
from scim_server.http.limits import Rate, Throttle, open_storage
from scim_server.http.operations import Endpoint
from scim_server.http.proxies import behind
from scim_server.opening import open_directory
from scim_server.scim import discovery
from scim_server.scim.filter import Limits
from scim_server.scim.paging import KEY_BYTES
from scim_server.settings import Settings


def traceback_of(exc_info: structlog.typing.ExcInfo) -> str:
    """The traceback, with the first line of each exception's message: a database quotes the row in the others."""
    parts = traceback.TracebackException(*exc_info).format()
    ours = ("Traceback", " ", "\n")  # frames, and what stands between exceptions; the rest are messages
    return "".join(part if part.startswith(ours) else f"{part.splitlines()[0]}\n" for part in parts).rstrip()


def configure_logs(level: str) -> None:
    """One JSON object a line on standard error; tracebacks without the values of variables."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(traceback_of),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # whatever that is by then
        cache_logger_on_first_use=False,
    )


def create_app(settings: Settings | None = None) -> Flask:
    """The application. The database must be up to date (`scim-server migrate`, or `serve`, which sees to it)."""
    settings = settings or Settings()
    configure_logs(settings.log_level)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False  # clients drop method and token on a redirect
    app.url_map.strict_slashes = False
    directory = open_directory(settings)
    app.extensions["directory"] = directory
    endpoint = Endpoint(
        directory=directory,
        limits=discovery.Limits(
            body=settings.max_body_bytes,
            operations=settings.bulk_operations,
            page=min(settings.page_default, settings.page_most),
            most=settings.page_most,
            cursor_seconds=settings.cursor_seconds,
        ),
        filters=Limits(settings.filter_length, settings.filter_depth, settings.filter_terms),
        base_url=settings.base_url,
        cursor_key=cache(partial(access.server_key, directory, "cursor", KEY_BYTES, os.urandom)),
    )
    storage = open_storage(settings.limit_storage)
    guard = Guard(Rate(settings.rate(), storage), Throttle(storage), RequestLog(directory, settings.request_log_days))
    app.extensions["guard"] = guard
    scim.mount(app, endpoint, guard)
    ops.mount(app, directory)
    api.mount(app, directory, guard, settings.base_url)
    _serve_pages(app, directory, settings, guard)
    _serve_oauth(app, directory, settings, guard)
    headers.mount(app, settings.base_url)
    served = behind(app.wsgi_app, settings.proxies())
    app.wsgi_app = patient(served, settings.threads)  # type: ignore[method-assign,assignment]
    return app


def close(app: Flask) -> None:
    """Do what waits to be done, write down what the request log still holds and give the connections back.

    The application serves no more.
    """
    pages.site(app).errands.end()
    guard: Guard = app.extensions["guard"]
    guard.log.end()
    directory: Directory = app.extensions["directory"]
    directory.engine.dispose()


def _serve_pages(app: Flask, directory: Directory, settings: Settings, guard: Guard) -> None:
    key = cache(partial(access.server_key, directory, "session", pages.KEY_BYTES, os.urandom))
    site = pages.Site(
        directory=directory,
        base_url=settings.base_url,
        key=key,
        throttle=guard.throttle,
        errands=Errands(),
        around=console.around,
        mails=bool(settings.mail_url),
    )
    pages.mount(app, site)
    signin.mount(app)
    signin_links.mount(app)
    console.mount(app)


def _serve_oauth(app: Flask, directory: Directory, settings: Settings, guard: Guard) -> None:
    server = authorization.Server(
        app,
        directory,
        guard,
        base_url=settings.base_url,
        jwt=settings.access_tokens == "jwt",
        lifetime=timedelta(minutes=settings.token_minutes),
    )
    authorization.mount(app, server)
    metadata.mount(app, server)
    consent.mount(app, server)
