"""The command line: a contract that other programs use. With --json, one JSON object on standard output, nothing else.

Calls the directory as any edge does. Exit codes: 0 done, 1 refused or failed (the reason on standard error), 2 misused.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click
import orjson
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from scim_server.directory import Directory
from scim_server.domain.errors import Refused
from scim_server.opening import open_directory
from scim_server.scim.errors import ScimError
from scim_server.scim.extensions import InvalidSchema
from scim_server.settings import PREFIX, Settings, misspelt
from scim_server.storage.db import Busy
from scim_server.storage.upgrade import NewerDatabase, StrayRows, upgrade

# The module that a command registers itself from, by the command's name. One is loaded where it is asked for: the rest,
# a server above all, would be half of what starting a command takes.
_MODULES: Final = {
    "activity": "activity",
    "client": "clients",
    "connection": "access",
    "contact": "contact",
    "export": "transport",
    "import": "transport",
    "invitations": "invitations",
    "item": "items",
    "requests": "requests",
    "seats": "seats",
    "serve": "serve",
    "token": "access",
    "trust": "clients",
    "workspace": "access",
}


class Main(click.Group):
    """The edge of the process: refusals and failures become a sentence on standard error and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *_MODULES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _MODULES:
            import_module(f"scim_server.cli.{_MODULES[cmd_name]}")
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        for name, nearest in misspelt(os.environ):
            hint = f" Is {nearest} meant?" if nearest else ""
            click.echo(f"Warning: there is no setting {name}; it is ignored.{hint}", err=True)
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
            return outcome
        except (Refused, ScimError, Busy, NewerDatabase, StrayRows, InvalidSchema) as error:
            raise click.ClickException(str(error)) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise click.ClickException(f"{PREFIX}{str(first['loc'][0]).upper()}: {first['msg']}.") from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read has had enough
                raise
            raise click.ClickException(f"{error.filename or 'The output'}: {error.strerror or error}.") from error
        except SQLAlchemyError as error:
            place = open_place(os.environ.get("SCIM_SERVER_DATABASE_URL", ""))
            raise click.ClickException(f"The database {place}can't be used: {_reason(error)}.") from error


def open_place(url: str) -> str:
    """Where an SQLite database is, for messages; nothing for others, whose URLs hold passwords."""
    return f"at {url.removeprefix('sqlite:///')} " if url.startswith("sqlite:///") else ""


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


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@database_option
@click.version_option(package_name="scim-server")
def main() -> None:
    """SCIM 2.0 provisioning of workspaces: people, groups, seats and their whole life."""


def _directory() -> Directory:
    """The directory on the database of this call, as it is."""
    settings = Settings()  # a ValidationError, which is a ValueError too, goes to Main
    try:
        return open_directory(settings)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def opened(*, create: bool = False) -> Directory:
    """The directory on the database of this call, brought up to date; a new database only where one is to be made."""
    directory = _directory()
    file = directory.engine.url.database
    if not create and directory.engine.dialect.name == "sqlite" and not Path(file or "").exists():
        raise click.ClickException(f"There is no database at {file}. 'workspace create' and 'serve' make one.")
    upgrade(directory.engine)
    return directory


def warn_of_site() -> None:
    """Say what a link that was just made begins with, where nobody has said what it is to begin with."""
    settings = Settings()
    if not settings.base_url:
        click.echo(
            f"Warning: the link begins with {settings.link_url}, as SCIM_SERVER_BASE_URL isn't set. Set it to the URL "
            "that people reach the server under, then make another link.",
            err=True,
        )


def show(values: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the outcome: as one JSON object, or as lines that a person reads and copies from."""
    if as_json:
        click.echo(orjson.dumps(values, option=orjson.OPT_UTC_Z))
        return
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping):
            show_block({_spaced(name): {_spaced(each): part for each, part in value.items()}})
        else:
            click.echo(f"{_spaced(name):<{width}}  {_plain(value)}")


def show_block(values: Mapping[str, Any], indent: str = "") -> None:
    """Print for a person what has parts: a line for each value, and the parts of one indented below its name."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            click.echo(f"{indent}{name}")
            show_block(value, f"{indent}  ")
        else:
            click.echo(f"{indent}{name}: {_plain(value)}")


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _plain(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return "never" if value is None else str(value)


def show_rows(rows: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """Print a list for a person: a line for each row, in columns that are never cut."""
    if not rows:
        click.echo(empty)
        return
    lines = [[_spaced(name) for name in rows[0]]]
    lines += [["" if value is None else _plain(value) for value in row.values()] for row in rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


@main.command()
@database_option
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database up to date (serve does so by itself)."""
    upgraded = upgrade(_directory().engine)
    if as_json:
        show({"upgraded": upgraded}, as_json=True)
    else:
        click.echo("The database was brought up to date." if upgraded else "The database is up to date.")
