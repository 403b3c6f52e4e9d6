"""Commands that make workspaces, connections and tokens. Knows no rules: it asks the directory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, TypeVar

import click

from scim_server.cli import database_option, json_option, main, opened, show, show_rows, warn_of_site
from scim_server.directory import access, owner_link
from scim_server.domain.actor import system
from scim_server.domain.connection import PRESETS, Connection
from scim_server.domain.expiry import expiry_note
from scim_server.domain.roles import SCOPES

F = TypeVar("F", bound=Callable[..., Any])

workspace_option = click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
# setting → its two options, and what they say
_SETTINGS: Final = {
    "list_archived": ("--list-archived/--hide-archived", "Whether plain lists hold archived contacts."),
    "allow_delete": ("--allow-delete/--forbid-delete", "Whether DELETE removes people for good, or is refused."),
    "restore_on_post": (
        "--restore-on-post/--no-restore-on-post",
        "Whether a POST of someone deactivated with the same externalId activates again, or is a conflict.",
    ),
    "invite": ("--invite/--activate", "Whether active=true invites people by mail, or lets them in at once."),
    "basic_auth": ("--basic-auth/--no-basic-auth", "Whether a client's id and secret count as user and password."),
    "bare_token": ("--bare-token/--no-bare-token", "Whether a token counts without 'Bearer' before it."),
}
_LINK_NOTE = "The link is shown this once. By it the owner sets a password: hand it to nobody else."
connection_option = click.option("--connection", required=True, metavar="NAME", help="The connection's name.")

scope_option = click.option(
    "--scope",
    multiple=True,
    default=("scim",),
    show_default=True,
    help=f"What is allowed: {', '.join(SCOPES)}. Repeat it for several.",
)


def _settings_options(command: F) -> F:
    """Give a command the options of every setting."""
    for name, (flags, meaning) in reversed(_SETTINGS.items()):
        command = click.option(flags, name, default=None, help=meaning)(command)
    return command


@main.group()
def workspace() -> None:
    """Make and list workspaces."""


@workspace.command("create")
@click.argument("name")
@click.option("--owner", required=True, metavar="EMAIL", help="The owner's e-mail, which becomes the userName too.")
@click.option("--owner-name", default=access.DEFAULT_OWNER_NAME, show_default=True, help="The owner's name.")
@click.option("--seats", default=1000, show_default=True, help="How many member seats are purchased.")
@database_option
@json_option
def create_workspace(name: str, owner: str, owner_name: str, seats: int, as_json: bool) -> None:
    """Make a workspace and its owner, who holds one of the seats."""
    directory = opened(create=True)
    founded = access.create_workspace(directory, name, owner, owner_name=owner_name, seats=seats)
    made = owner_link.issue(directory, system(founded.workspace.id))
    values = {
        "workspace": founded.workspace.name,
        "id": founded.workspace.id,
        "owner": owner,
        "owner_id": founded.owner_id,
        "seats": seats,
        "owner_link": made.link,
        "expires": made.expires,
    }
    show(values, as_json=as_json)
    if not as_json:
        click.echo(_LINK_NOTE)
    warn_of_site()


@workspace.command("owner-link")
@click.argument("name")
@database_option
@json_option
def make_owner_link(name: str, as_json: bool) -> None:
    """Make a new one-time link by which the owner sets a password. An older one is dead."""
    directory = opened()
    made = owner_link.issue(directory, access.operator(directory, name))
    values = {"workspace": name, "owner": made.email, "owner_id": made.owner_id}
    show({**values, "owner_link": made.link, "expires": made.expires}, as_json=as_json)
    if not as_json:
        click.echo(_LINK_NOTE)
    warn_of_site()


@workspace.command("list")
@database_option
@json_option
def list_workspaces(as_json: bool) -> None:
    """List the workspaces."""
    rows = [{"id": each.id, "workspace": each.name} for each in access.list_workspaces(opened())]
    if as_json:
        show({"workspaces": rows}, as_json=True)
    else:
        show_rows(rows, empty="There are no workspaces.")


@main.group()
def connection() -> None:
    """Make and list connections, one for each provider."""


@connection.command("create")
@workspace_option
@click.option("--name", required=True, help="What to call the connection.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS), case_sensitive=False),
    default="generic",
    show_default=True,
    help="Whose dialect it speaks; generic for any other, strict to forgive nothing.",
)
@_settings_options
@database_option
@json_option
def create_connection(workspace: str, name: str, preset: str, as_json: bool, **settings: bool | None) -> None:
    """Make a connection for an identity provider."""
    made = access.create_connection(opened(), workspace, name, preset, _chosen(settings))
    _show_connection(workspace, made, as_json=as_json)


@connection.command("set")
@click.argument("name")
@workspace_option
@click.option("--name", "new_name", metavar="NAME", help="What to call the connection from now on.")
@_settings_options
@database_option
@json_option
def set_connection(workspace: str, name: str, new_name: str | None, as_json: bool, **settings: bool | None) -> None:
    """Change a connection's settings or name; what isn't named stays."""
    own = _chosen(settings)
    if not own and new_name is None:
        raise click.UsageError("Name a setting to change, such as --forbid-delete.")
    changed = access.set_connection(opened(), workspace, name, own, new_name=new_name)
    _show_connection(workspace, changed, as_json=as_json)


def _chosen(settings: Mapping[str, bool | None]) -> dict[str, bool]:
    return {name: value for name, value in settings.items() if value is not None}


def _show_connection(workspace: str, connection: Connection, *, as_json: bool) -> None:
    values = {
        "connection": connection.name,
        "id": connection.id,
        "workspace": workspace,
        "preset": connection.preset,
        "settings": asdict(connection.settings),
    }
    show(values, as_json=as_json)


@connection.command("show")
@click.argument("name")
@workspace_option
@database_option
@json_option
def show_connection(name: str, workspace: str, as_json: bool) -> None:
    """Show a connection with its settings."""
    found = access.operators_call(opened(), workspace, name).connection
    if found is not None:
        _show_connection(workspace, found, as_json=as_json)


@connection.command("list")
@workspace_option
@database_option
@json_option
def list_connections(workspace: str, as_json: bool) -> None:
    """List a workspace's connections; with --json, their settings too."""
    found = access.list_connections(opened(), workspace)
    rows = [{"id": each.id, "connection": each.name, "preset": each.preset} for each in found]
    if as_json:
        told = [{**row, "settings": asdict(each.settings)} for row, each in zip(rows, found, strict=True)]
        show({"connections": told}, as_json=True)
    else:
        show_rows(rows, empty="The workspace has no connections.")


@main.group()
def token() -> None:
    """Make, list and revoke bearer tokens."""


@token.command("create")
@workspace_option
@connection_option
@scope_option
@click.option(
    "--expires-in",
    type=click.IntRange(1, access.MOST_TOKEN_DAYS),
    metavar="DAYS",
    default=access.TOKEN_DAYS,
    show_default=True,
    help="Days until it expires.",
)
@click.option("--for", "user_name", metavar="WHO", help="The contact that the token acts for (/Me): userName or id.")
@database_option
@json_option
def create_token(
    workspace: str, connection: str, scope: tuple[str, ...], expires_in: int, user_name: str | None, as_json: bool
) -> None:
    """Make a bearer token. Its text is shown once and can't be had again."""
    made, text = access.create_token(
        opened(),
        workspace,
        connection,
        secrets.token_bytes,
        scopes=" ".join(scope),
        expires_in_days=expires_in,
        user_name=user_name,
    )
    values = {"token": text, "id": made.id, "connection": connection, "scope": made.scopes, "expires": made.expires}
    show(values, as_json=as_json)
    if not as_json:
        click.echo("The token is shown this once.")


@token.command("list")
@workspace_option
@connection_option
@database_option
@json_option
def list_tokens(workspace: str, connection: str, as_json: bool) -> None:
    """List a connection's tokens, without their texts."""
    directory = opened()
    tokens, now = access.list_tokens(directory, workspace, connection), directory.now()
    names = access.acting_for(directory, workspace, tokens)
    notes = {each.id: expiry_note(each.expires, each.revoked, now) for each in tokens}
    if as_json:
        told = [{**asdict(each), "for": names.get(each.contact_id or ""), "note": notes[each.id]} for each in tokens]
        show({"tokens": told}, as_json=True)
        return
    rows = [
        {
            "id": each.id,
            "ends_in": each.hint,
            "created": each.created,
            "expires": each.expires,
            "last_used": each.last_used,
            "revoked": each.revoked,
            "scopes": each.scopes,
            "for": names.get(each.contact_id or ""),
            "note": notes[each.id],
        }
        for each in tokens
    ]
    show_rows(rows, empty="The connection has no tokens.")


@token.command("revoke")
@click.argument("token_id")
@workspace_option
@connection_option
@database_option
@json_option
def revoke_token(token_id: str, workspace: str, connection: str, as_json: bool) -> None:
    """Revoke a token by its id; the next request with it is refused."""
    access.revoke_token(opened(), workspace, connection, token_id)
    show({"revoked": token_id}, as_json=as_json)
