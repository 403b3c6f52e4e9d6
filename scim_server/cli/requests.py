"""`scim-server requests …`: what connections asked of the server, and an end to what is older than it is to be kept.

Knows no rules: it asks the directory.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from scim_server.cli import database_option, json_option, main, opened, show, show_rows
from scim_server.cli.activity import Time
from scim_server.directory import access
from scim_server.directory import requests as log
from scim_server.directory.requests import MOST_SHOWN, Row, Wanted
from scim_server.settings import Settings


class Status(click.IntRange):
    """A status code, and words that help whoever wants a class of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a status such as 404. For all from 400 on there is --errors.", param, ctx)


@main.group()
def requests() -> None:
    """The log of the requests that connections made."""


@requests.command("list")
@click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
@click.option("--connection", metavar="NAME", help="Only those of this connection.")
@click.option("--id", "request_id", type=click.UUID, help="Only the one whose answer had this X-Request-Id.")
@click.option("--status", type=Status(100, 599), help="Only those that were answered so, such as 404.")
@click.option("--errors", is_flag=True, help="Only those that were refused or failed: 400 and above.")
@click.option("--since", type=Time(), metavar="TIME", help="Only from this time on.")
@click.option("--count", default=100, show_default=True, type=click.IntRange(1, MOST_SHOWN), help="So many at most.")
@database_option
@json_option
def list_(
    workspace: str,
    connection: str | None,
    request_id: UUID | None,
    status: int | None,
    errors: bool,
    since: datetime | None,
    count: int,
    as_json: bool,
) -> None:
    """List requests, newest first."""
    directory = opened()
    actor = access.operator(directory, workspace)
    wanted = Wanted(id=None if request_id is None else str(request_id), status=status, errors=errors, since=since)
    found = log.newest(directory, actor, wanted, connection=connection, count=count)
    if as_json:
        show({"requests": [_values(row, name) for row, name in found]}, as_json=True)
        return
    show_rows([_line(row, name) for row, name in found], empty="No requests.")


@requests.command("sweep", short_help="Delete the requests that are older than they are kept.")
@click.option("--days", type=click.IntRange(0, 3650), help="Days to keep.  [default: SCIM_SERVER_REQUEST_LOG_DAYS]")
@database_option
@json_option
def sweep(days: int | None, as_json: bool) -> None:
    """Delete the requests of all workspaces that are older than they are to be kept. The server does so by itself."""
    kept = Settings().request_log_days if days is None else days
    swept = log.sweep(opened(), kept)
    show({"swept": swept, "kept_days": kept}, as_json=as_json)


def _values(row: Row, connection: str) -> dict[str, object]:
    values = asdict(row)
    del values["workspace_id"], values["connection_id"]
    values["duration_us"] = values.pop("duration")
    return {**values, "connection": connection}


def _line(row: Row, connection: str) -> dict[str, object]:
    return {
        "at": f"{row.at:%Y-%m-%d %H:%M:%S}",
        "connection": connection,
        "status": row.status,
        "ms": f"{row.duration / 1000:.1f}",
        "method": row.method,
        "path": row.path,
        "error": row.error,
    }
