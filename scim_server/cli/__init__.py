"""The command line: a contract that other programs use. With --json, one JSON object on standard output, nothing else.

Calls the directory as any edge does. Exit codes: 0 done, 1 refused or failed (the reason on standard error), 2 misused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click
import orjson
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from scim_server.app import open_directory
from scim_server.directory import Directory
from scim_server.domain.errors import Refused
from scim_server.scim.errors import ScimError
from scim_server.scim.extensions import InvalidSchema
from scim_server.settings import Settings
from scim_server.storage.db import Busy
from scim_server.storage.upgrade import NewerDatabase, upgrade


class Main(click.Group):
    """The edge of the process: refusals and failures become a sentence on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Refused, ScimError, Busy, NewerDatabase, InvalidSchema) as error:
            raise click.ClickException(str(error)) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise click.ClickException(f"SCIM_SERVER_{str(first['loc'][0]).upper()}: {first['msg']}.") from error
        except SQLAlchemyError as error:
            raise click.ClickException(f"The database can't be used: {_reason(error)}") from error


def _reason(error: SQLAlchemyError) -> str:
    """The database's own words, without statements or parameters, which may hold personal data."""
    original = getattr(error, "orig", None) or error
    return str(original).strip().splitlines()[0]


def _use_database(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value:
        os.environ["SCIM_SERVER_DATABASE_URL"] = value  # worker processes read it too


database_option = click.option(
    "--database",
    metavar="URL",
    expose_value=False,
    callback=_use_database,
    help="sqlite:///… or postgresql+psycopg://… [default: SCIM_SERVER_DATABASE_URL, or ./scim-server.db]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@database_option
@click.version_option(package_name="scim-server")
def main() -> None:
    """SCIM 2.0 provisioning for a client workspace: people, groups, seats and their whole life."""


def _directory() -> Directory:
    """The directory on the database of this call, as it is."""
    settings = Settings()  # a ValidationError, which is a ValueError too, goes to Main
    try:
        return open_directory(settings)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def opened() -> Directory:
    """The directory on the database of this call, brought up to date."""
    directory = _directory()
    upgrade(directory.engine)
    return directory


def show(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the outcome: as one JSON object, or as lines that a person reads and copies from."""
    if as_json:
        click.echo(orjson.dumps(values, option=orjson.OPT_UTC_Z))
        return
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {'never' if value is None else value}")


@main.command()
@database_option
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database up to date (serve does so by itself)."""
    show({"upgraded": upgrade(_directory().engine)}, as_json=as_json)


# The commands of each noun register themselves with `main`.
from scim_server.cli import access, serve  # noqa: E402, F401
