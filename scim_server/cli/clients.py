"""Commands for OAuth clients, their secrets, and trusted issuers. Knows no rules: it asks the directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson

from scim_server.cli import database_option, json_option, main, opened, show, show_rows
from scim_server.cli.access import connection_option, scope_option, workspace_option
from scim_server.directory import clients
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


@main.group()
def client() -> None:
    """Make, list, rotate and revoke OAuth clients."""


@client.command("create")
@workspace_option
@connection_option
@click.option("--name", required=True, help="What to call the client.")
@scope_option
@click.option("--redirect-uri", "redirect_uris", multiple=True, metavar="URL", help="Where a code may be sent; again.")
@_file_option
@_url_option
@click.option("--secret/--no-secret", "with_secret", default=True, show_default=True, help="Whether it gets a secret.")
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
        expires_in_days=expires_in,
    )
    values = {"client_id": made.id, "client": made.name, "connection": connection, "scope": made.scopes}
    _show_with_secret(values, secret, text, as_json=as_json)


@client.command("list")
@workspace_option
@connection_option
@database_option
@json_option
def list_clients(workspace: str, connection: str, as_json: bool) -> None:
    """List a connection's clients and their secrets, without the texts."""
    directory = opened()
    found, now = clients.list_clients(directory, workspace, connection), directory.now()
    if as_json:
        show({"clients": [_told(each, now) for each in found]}, as_json=True)
        return
    rows = [_row(each, secret, now) for each in found for secret in each.secrets or (None,)]
    show_rows(rows, empty="The connection has no clients.")


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
    if secret_id is None:
        clients.revoke_client(opened(), workspace, client_id)
    else:
        clients.revoke_secret(opened(), workspace, client_id, secret_id)
    show({"revoked": secret_id or client_id}, as_json=as_json)


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
@database_option
@json_option
def list_trusts(workspace: str, connection: str, as_json: bool) -> None:
    """List the issuers that a connection trusts."""
    found = clients.list_trusts(opened(), workspace, connection)
    if as_json:
        show({"trusts": [{**_trust_row(each), "key_set": each.key_set} for each in found]}, as_json=True)
    else:
        show_rows([_trust_row(each) for each in found], empty="The connection trusts no issuer.")


@trust.command("revoke")
@click.argument("trust_id")
@workspace_option
@connection_option
@database_option
@json_option
def revoke_trust(trust_id: str, workspace: str, connection: str, as_json: bool) -> None:
    """Trust an issuer no more; its next token is refused."""
    clients.revoke_trust(opened(), workspace, connection, trust_id)
    show({"revoked": trust_id}, as_json=as_json)


def _key_set(file: Path | None, url: str | None) -> Mapping[str, Any] | None:
    """The key set that the options name, as it is; None where they name none."""
    if file is not None and url is not None:
        raise click.UsageError("Give --key-set or --jwks-uri, not both.")
    if file is None:
        return None if url is None else {"jwks_uri": url}
    try:
        read: Mapping[str, Any] = orjson.loads(file.read_bytes())
    except ValueError as error:
        raise click.ClickException(f"There is no JSON in {file.name}.") from error
    return read


def _show_with_secret(values: Mapping[str, Any], secret: Secret | None, text: str | None, *, as_json: bool) -> None:
    if secret is None:
        show(values, as_json=as_json)
        return
    show({**values, "client_secret": text, "secret": secret.id, "expires": secret.expires}, as_json=as_json)
    if not as_json:
        click.echo(_SECRET_NOTE)


def _told(listed: Listed, now: datetime) -> dict[str, Any]:
    """A client as JSON, with its secrets and a note on each that ends soon."""
    told = asdict(listed.client)
    del told["workspace_id"]
    notes = [{"note": expiry_note(each.expires, each.revoked, now)} for each in listed.secrets]
    return {**told, "secrets": [{**asdict(each), **note} for each, note in zip(listed.secrets, notes, strict=True)]}


def _row(listed: Listed, secret: Secret | None, now: datetime) -> dict[str, Any]:
    """A line for each secret, and one for a client that has none."""
    client = listed.client
    return {
        "client_id": client.id,
        "client": client.name,
        "scopes": client.scopes,
        "secret": secret and secret.id,
        "ends_in": secret and secret.hint,
        "created": secret.created if secret else client.created,
        "expires": secret and secret.expires,
        "last_used": secret and secret.last_used,
        "revoked": secret.revoked if secret else client.revoked,
        "note": secret and expiry_note(secret.expires, secret.revoked, now),
    }


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
