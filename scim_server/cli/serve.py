"""`scim-server serve`: an up-to-date database, a first workspace where there is none, and Granian."""

from __future__ import annotations

import secrets

import click
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from scim_server.cli import database_option, main, opened
from scim_server.directory import Directory, access
from scim_server.http.scim import PREFIX
from scim_server.settings import Settings

FIRST_WORKSPACE = "Workspace"
FIRST_OWNER = "owner@example.com"
FIRST_CONNECTION = "default"


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, help="The port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@database_option
def serve(host: str, port: int, workers: int) -> None:
    """Serve SCIM. On an empty database, first make a workspace, a connection and a token."""
    settings = Settings()
    directory = opened()
    token = _found(directory) if access.is_empty(directory) else None
    directory.engine.dispose()
    shown_host = f"[{host}]" if ":" in host else host
    click.echo(f"SCIM base URL: {settings.base_url or f'http://{shown_host}:{port}'}{PREFIX}")
    if token is not None:
        click.echo(f"Bearer token: {token}")
        click.echo("The token is shown this once. Make another one with: scim-server token create --help")
    server = Server(
        "scim_server.app:create_app",
        factory=True,
        interface=Interfaces.WSGI,
        address=host,
        port=port,
        workers=workers,
        blocking_threads=settings.threads,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=30,
        log_level=LogLevels(settings.log_level),
    )
    server.serve()


def _found(directory: Directory) -> str:
    """A first workspace with a connection; returns its token."""
    access.create_workspace(directory, FIRST_WORKSPACE, FIRST_OWNER)
    access.create_connection(directory, FIRST_WORKSPACE, FIRST_CONNECTION)
    _, text = access.create_token(directory, FIRST_WORKSPACE, FIRST_CONNECTION, secrets.token_bytes)
    return text
