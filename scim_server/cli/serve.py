"""`scim-server serve`: an up-to-date database, a first workspace where there is none, and Granian."""

from __future__ import annotations

import gc
import json
import logging
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from scim_server.app import create_app
from scim_server.cli import database_option, main, opened
from scim_server.directory import Directory, access, owner_link
from scim_server.domain.actor import system
from scim_server.http.intake import PLACES
from scim_server.http.scim import PREFIX
from scim_server.loopback import is_loopback
from scim_server.settings import Settings

YOUNG: Final = (20_000, 50, 100)  # a request makes some hundreds of objects, and all of them go with it
FIRST_WORKSPACE: Final = "Workspace"
FIRST_OWNER: Final = "owner@example.com"
FIRST_CONNECTION: Final = "default"


class JsonFormatter(logging.Formatter):
    """Granian's own messages in the form of all others: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name})


class NewsFilter(logging.Filter):
    """Lets through all but Granian's advice on threads, most of which only wait for a body (http/intake.py)."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "Python threads" not in record.getMessage()


LOGS: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "scim_server.cli.serve.JsonFormatter"}},
    "filters": {"news": {"()": "scim_server.cli.serve.NewsFilter"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "filters": ["news"],
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {name: {"handlers": ["stderr"], "propagate": False} for name in ("_granian", "granian.access")},
}


@main.command(short_help="Serve SCIM; make a first workspace where there is none.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@database_option
def serve(host: str, port: int, workers: int) -> None:
    """Serve SCIM; on an empty database, make a workspace, a connection and a token first."""
    settings = Settings()
    address = _free_address(host, port)
    directory = opened(create=True)
    site = settings.base_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    os.environ["SCIM_SERVER_LINK_URL"] = site  # worker processes read it: what the console mails leads here
    secrets_made = _found(replace(directory, site=site)) if access.is_empty(directory) else None
    directory.engine.dispose()
    click.echo(f"SCIM base URL: {site}{PREFIX}")
    _warn_of_http(site)
    if secrets_made is not None:
        click.echo(f"Bearer token: {secrets_made[0]}")
        click.echo("The token is shown this once. Another one (with the same --database, if you named one):")
    else:
        click.echo("A new token, with the names of your workspace and connection (see: scim-server workspace list,")
        click.echo("and: scim-server connection list --workspace NAME):")
    click.echo(f"  scim-server token create --workspace {FIRST_WORKSPACE} --connection {FIRST_CONNECTION}")
    if secrets_made is not None:
        click.echo(f"The owner sets a password by this link, once: {secrets_made[1]}")
    server = Server(
        "scim_server.cli.serve:worker",
        factory=True,
        interface=Interfaces.WSGI,
        address=address,
        port=port,
        workers=workers,
        # beside those that work, those that wait for a body: http/intake.py lets no more than settings.threads work
        blocking_threads=settings.threads + PLACES,
        websockets=False,
        # HTTP/1 alone, as only its connections are cut off when they send nothing; proxies speak it to servers anyway
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.client_seconds * 1000),
        respawn_failed_workers=True,
        workers_kill_timeout=30,
        log_level=LogLevels(settings.log_level),
        log_dictconfig=LOGS,
    )
    server.serve()
    if directory.engine.dialect.name == "sqlite":
        # the last one to close a database leaves it in one file
        with directory.engine.connect():
            pass
    directory.engine.dispose()


def worker() -> Callable[..., Any]:
    """The application in one worker process.

    What is there once it stands stays till the end: the collector needn't look at it again and again.
    """
    app = create_app()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG)
    return app


def _warn_of_http(site: str) -> None:
    if site.startswith("http:") and not is_loopback(urlsplit(site).hostname):
        click.echo(
            f"Warning: {site} is no https URL, so OAuth refuses all requests, and tokens can be read on the way. Set "
            "SCIM_SERVER_BASE_URL to the https URL of the proxy that ends TLS.",
            err=True,
        )


def _free_address(host: str, port: int) -> str:
    """The IP address for `host`, on which `port` is free. Granian itself would share the port with another server."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise click.ClickException(f"Can't listen on {host}, port {port}: {error.strerror or error}.") from error
    return str(place[0])


def _found(directory: Directory) -> tuple[str, str]:
    """A first workspace with a connection; returns its token and its owner's link."""
    founded = access.create_workspace(directory, FIRST_WORKSPACE, FIRST_OWNER)
    access.create_connection(directory, FIRST_WORKSPACE, FIRST_CONNECTION)
    _, text = access.create_token(directory, FIRST_WORKSPACE, FIRST_CONNECTION, secrets.token_bytes)
    return text, owner_link.issue(directory, system(founded.workspace.id)).link
