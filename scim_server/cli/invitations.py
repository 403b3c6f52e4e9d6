"""Commands about invitations that were sent; the one that sends them is in contact. Asks the directory."""

from __future__ import annotations

from datetime import datetime

import click

from scim_server.cli import database_option, json_option, main, opened, show, show_rows, warn_of_site
from scim_server.directory import Directory, access, life, search
from scim_server.directory import invitations as invited
from scim_server.directory.contacts import Call
from scim_server.domain.contact import Contact, Status
from scim_server.scim.schema import WORKSPACE_URN

_workspace_option = click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
_who = click.argument("who")


@main.group(short_help="List, resend, revoke and expire invitations.")
def invitations() -> None:
    """Look after invitations that were sent: again, back, or past their time."""


@invitations.command("expire")
@database_option
@json_option
def expire(as_json: bool) -> None:
    """Expire the invitations whose time is up, and free their seats. For a timer: once an hour is enough."""
    expired = invited.expire_due(opened())
    if as_json:
        show({"expired": expired}, as_json=True)
    else:
        click.echo(f"Expired {expired} invitation{'' if expired == 1 else 's'}.")


@invitations.command("list")
@_workspace_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="So many at most.")
@database_option
@json_option
def list_pending(workspace: str, limit: int, as_json: bool) -> None:
    """List the pending invitations: who, where to, until when."""
    directory = opened()
    call = Call(access.operator(directory, workspace), None, "")
    page = search.with_status(directory, call, Status.INVITED, archived=True, count=limit)
    rows = [
        {
            "id": user["id"],
            "user_name": user["userName"],
            "email": user[WORKSPACE_URN]["invitation"]["email"],
            "expires": datetime.fromisoformat(user[WORKSPACE_URN]["invitation"]["expiresAt"]),
        }
        for user in page.resources
    ]
    if as_json:
        show({"total": page.total, "invitations": rows}, as_json=True)
        return
    show_rows([{name: row[name] for name in row if name != "id"} for row in rows], empty="No invitation is pending.")
    if page.total > len(rows):
        click.echo(f"{len(rows)} of {page.total} are shown; --limit shows more.")


@invitations.command("resend", short_help="Mail a new link; the old one is dead.")
@_who
@_workspace_option
@click.option("--email", metavar="ADDRESS", help="Where it goes now.  [default: where it went before]")
@database_option
@json_option
def resend(who: str, workspace: str, email: str | None, as_json: bool) -> None:
    """Mail an invited contact (WHO: userName or id) a new link; the old one is dead."""
    directory, call, contact = _found(who, workspace)
    sent = invited.resend(directory, call, contact.id, email)
    values = {"invited": contact.user_name, "id": contact.id, "email": sent.email, "expires": sent.expires}
    show(values, as_json=as_json)
    warn_of_site()


@invitations.command("revoke", short_help="Take an invitation back; its seat is free.")
@_who
@_workspace_option
@database_option
@json_option
def revoke(who: str, workspace: str, as_json: bool) -> None:
    """Take an invited contact's (WHO: userName or id) invitation back; its seat is free, and nobody is told."""
    directory, call, contact = _found(who, workspace)
    invited.revoke(directory, call, contact.id)
    show({"revoked": contact.user_name, "id": contact.id}, as_json=as_json)


def _found(who: str, workspace: str) -> tuple[Directory, Call, Contact]:
    directory = opened()
    actor = access.operator(directory, workspace)
    return directory, Call(actor, None, ""), life.show(directory, actor, who).contact
