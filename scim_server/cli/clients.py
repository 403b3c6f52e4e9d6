"""Commands for OAuth clients, their secrets, and trusted issuers. Knows no rules: it asks the directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any

import click
import orjson

from scim_server.cli import database_option, json_option, main, opened, show, show_block
from scim_server.cli.access import connection_option, scope_option, workspace_option
from scim_server.cli.client_text import client_block, trust_block
from scim_server.directory import authorization, clients
from scim_server.directory.clients import Listed
from scim_server.domain.expiry import expiry_note
from scim_server.storage.clients import Secret, Trust

_SECRET_NOTE = "The secret is shown this once."  # noqa: S105 - words about one
_expires_option = click.option(
    "--expires-in",
    type=click.IntRange(1, clients.MOST_SECRET_DAYS),
    metavar="DAYS",
    default=clients.SECRET_DAYS,
    show_default=True,
    help="Days until the secret expires.",
)
_file_option = click.option(
    "--key-set",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with its public keys: a JWK set.",
)
_url_option = click.option("--jwks-uri", metavar="URL", help="Where its public keys are published.")
_all_option = click.option("--all", "with_revoked", is_flag=True, help="What is revoked too.")
_REDIRECT_HELP = "Where a code may be sent: then it gets tokens by consent alone. Repeat it for several."
_WAS_REVOKED = "It was revoked already; nothing changed."


@main.group()
def client() -> None:
    """Make, list, rotate and revoke OAuth clients."""


@client.command("create")
@workspace_option
@connection_option
@click.option("--name", required=True, help="What to call the client.")
@scope_option
@click.option("--redirect-uri", "redirect_uris", multiple=True, metavar="URL", help=_REDIRECT_HELP)
@_file_option
@_url_option
@click.option("--secret/--no-secret", "with_secret", default=True, show_default=True, help="Whether it gets a secret.")
@click.option("--without-pkce", is_flag=True, help="Codes without a PKCE challenge count too.")
@_expires_option
@database_option
@json_option
def create_client(
    workspace: str,
    connection: str,
    name: str,
    scope: tuple[str, ...],
    redirect_uris: tuple[str, ...],
    file: Path | None,
    jwks_uri: str | None,
    with_secret: bool,
    without_pkce: bool,
    expires_in: int,
    as_json: bool,
) -> None:
    """Make an OAuth client. Its secret is shown once and can't be had again."""
    made, secret, text = clients.create_client(
        opened(),
        workspace,
        connection,
        name,
        scopes=" ".join(scope),
        redirect_uris=redirect_uris,
        key_set=_key_set(file, jwks_uri),
        with_secret=with_secret,
        pkce=not without_pkce,
        expires_in_days=expires_in,
    )
    values = {"client_id": made.id, "client": made.name, "connection": connection, "scope": made.scopes}
    _show_with_secret(values, secret, text, as_json=as_json)
    if secret is None and made.key_set is None and not as_json:
        named = f"--workspace {quote(workspace)} --connection {quote(connection)} --client {made.id}"
        click.echo(f"It can't authenticate yet. Trust an issuer's tokens for it:\n  scim-server trust create {named} …")


@client.command("list")
@workspace_option
@connection_option
@_all_option
@database_option
@json_option
def list_clients(workspace: str, connection: str, with_revoked: bool, as_json: bool) -> None:
    """List a connection's clients and their secrets, without the texts. What is revoked is left out."""
    directory = opened()
    found, now = clients.list_clients(directory, workspace, connection), directory.now()
    shown = found if with_revoked else [_live(each) for each in found if each.client.revoked is None]
    if as_json:
        show({"clients": [_told(each, now) for each in shown]}, as_json=True)
        return
    _show_blocks(
        [client_block(each, now) for each in shown],
        "The connection has no clients but revoked ones: --all." if found else "The connection has no clients.",
    )


@client.command("rotate")
@click.argument("client_id")
@workspace_option
@_expires_option
@click.option("--revoke-others", is_flag=True, help="For a secret that leaked: end all others, and all its tokens.")
@database_option
@json_option
def rotate(client_id: str, workspace: str, expires_in: int, revoke_others: bool, as_json: bool) -> None:
    """Make one more secret of a client. The others go on counting until they are revoked."""
    secret, text = clients.rotate(
        opened(), workspace, client_id, expires_in_days=expires_in, revoke_others=revoke_others
    )
    _show_with_secret({"client_id": client_id}, secret, text, as_json=as_json)


@client.command("revoke", short_help="Revoke a client, or one of its secrets.")
@click.argument("client_id")
@workspace_option
@click.option("--secret", "secret_id", metavar="ID", help="Only this secret; the client stays.")
@database_option
@json_option
def revoke(client_id: str, workspace: str, secret_id: str | None, as_json: bool) -> None:
    """Revoke a client with its secrets, tokens and trusts, or one of its secrets."""
    directory = opened()
    was_revoked = authorization.client_named(directory, client_id) is None
    if secret_id is None:
        clients.revoke_client(directory, workspace, client_id)
    else:
        clients.revoke_secret(directory, workspace, client_id, secret_id)
    _show_revoked(secret_id or client_id, was_revoked=was_revoked, as_json=as_json)


@main.group()
def trust() -> None:
    """Trust other issuers' tokens, list them, and end it."""


@trust.command("create", short_help="Trust an issuer: its tokens count here.")
@workspace_option
@connection_option
@click.option("--issuer", required=True, metavar="NAME", help="Who issues the tokens: their claim iss.")
@click.option("--audience", required=True, metavar="NAME", help="For whom they are: their claim aud.")
@click.option("--subject", metavar="NAME", help="About whom they are: their claim sub. Needed with --client.")
@_file_option
@_url_option
@click.option("--client", "client_id", metavar="ID", help="The client that they stand for at the token endpoint.")
@click.option("--scope", multiple=True, help="Without --client: what they allow. [default: scim]")
@database_option
@json_option
def create_trust(
    workspace: str,
    connection: str,
    issuer: str,
    audience: str,
    subject: str | None,
    file: Path | None,
    jwks_uri: str | None,
    client_id: str | None,
    scope: tuple[str, ...],
    as_json: bool,
) -> None:
    """Trust an issuer: its tokens stand for a client, or count at SCIM themselves."""
    key_set = _key_set(file, jwks_uri)
    if key_set is None:
        raise click.UsageError("Say where the issuer's keys are: --key-set or --jwks-uri.")
    made = clients.create_trust(
        opened(),
        workspace,
        connection,
        issuer=issuer,
        audience=audience,
        subject=subject,
        key_set=key_set,
        client_id=client_id,
        scopes=" ".join(scope) if scope else None,
    )
    row = _trust_row(made)
    show(row if as_json else {name: value for name, value in row.items() if value is not None}, as_json=as_json)


@trust.command("list")
@workspace_option
@connection_option
@_all_option
@database_option
@json_option
def list_trusts(workspace: str, connection: str, with_revoked: bool, as_json: bool) -> None:
    """List the issuers that a connection trusts. What is revoked is left out."""
    found = clients.list_trusts(opened(), workspace, connection)
    shown = [each for each in found if with_revoked or each.revoked is None]
    if as_json:
        show({"trusts": [{**_trust_row(each), "key_set": each.key_set} for each in shown]}, as_json=True)
    else:
        _show_blocks([trust_block(each) for each in shown], "The connection trusts no issuer.")


@trust.command("revoke")
@click.argument("trust_id")
@workspace_option
@connection_option
@database_option
@json_option
def revoke_trust(trust_id: str, workspace: str, connection: str, as_json: bool) -> None:
    """Trust an issuer no more; its next token is refused."""
    directory = opened()
    was_revoked = any(
        each.id == trust_id and each.revoked for each in clients.list_trusts(directory, workspace, connection)
    )
    clients.revoke_trust(directory, workspace, connection, trust_id)
    _show_revoked(trust_id, was_revoked=was_revoked, as_json=as_json)


def _show_revoked(revoked_id: str, *, was_revoked: bool, as_json: bool) -> None:
    if was_revoked and not as_json:
        click.echo(_WAS_REVOKED)
    else:
        show({"revoked": revoked_id}, as_json=as_json)


def _show_blocks(blocks: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Print a list for a person, with an empty line between what has its own block."""
    if not blocks:
        click.echo(empty)
    for place, block in enumerate(blocks):
        if place:
            click.echo()
        show_block(block)


def _key_set(file: Path | None, url: str | None) -> Mapping[str, Any] | None:
    """The key set that the options name, as it is; None where they name none."""
    if file is not None and url is not None:
        raise click.UsageError("Give --key-set or --jwks-uri, not both.")
    if file is None:
        return None if url is None else {"jwks_uri": url}
    content = file.read_bytes()
    try:
        read: Mapping[str, Any] = orjson.loads(content)
    except ValueError as error:
        if content.lstrip().startswith(b"-----BEGIN "):
            said = f"{file.name} is a PEM key; a JWK set is needed. docs/oauth.md has how to make one."
            raise click.ClickException(said) from error
        raise click.ClickException(f"There is no JSON in {file.name}.") from error
    return read


def _show_with_secret(values: Mapping[str, Any], secret: Secret | None, text: str | None, *, as_json: bool) -> None:
    if secret is None:
        show(values, as_json=as_json)
        return
    show({**values, "client_secret": text, "secret": secret.id, "expires": secret.expires}, as_json=as_json)
    if not as_json:
        click.echo(_SECRET_NOTE)


def _live(listed: Listed) -> Listed:
    """The client without its revoked secrets."""
    return replace(listed, secrets=[each for each in listed.secrets if each.revoked is None])


def _told(listed: Listed, now: datetime) -> dict[str, Any]:
    """A client as JSON, with its secrets and a note on each that ends soon."""
    told = asdict(listed.client)
    del told["workspace_id"]
    notes = [{"note": expiry_note(each.expires, each.revoked, now)} for each in listed.secrets]
    return {**told, "secrets": [{**asdict(each), **note} for each, note in zip(listed.secrets, notes, strict=True)]}


def _trust_row(trust: Trust) -> dict[str, Any]:
    return {
        "id": trust.id,
        "issuer": trust.issuer,
        "audience": trust.audience,
        "subject": trust.subject,
        "client_id": trust.client_id,
        "scopes": trust.scopes,
        "created": trust.created,
        "last_used": trust.last_used,
        "revoked": trust.revoked,
    }
