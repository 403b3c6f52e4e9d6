"""Commands about one contact: show it, and what may become of it. Knows no rules: it asks the directory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import click

from scim_server.cli import database_option, json_option, main, opened, show, show_rows, warn_of_site
from scim_server.directory import Directory, access, invitations, life, search
from scim_server.directory.columns import row_of
from scim_server.directory.contacts import Call
from scim_server.directory.life import Prospect
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Contact, Event, Status
from scim_server.domain.roles import Role
from scim_server.scim.schema import WORKSPACE_URN

_workspace_option = click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
_yes_option = click.option("--yes", is_flag=True, help="Don't ask.")
_who = click.argument("who", metavar="WHO")
_SETTABLE: Final = [role.value for role in Role if role is not Role.OWNER]

_DEACTIVATE: Final = (
    "{name} can't sign in any more, and the seat is free at once. Nothing else changes, nobody is told, and access can "
    "be given back. Deactivate?"
)
_DELETE: Final = (
    "{name} is removed for good and can't be brought back; their name goes from the activity log. {items} "
    "If they may need access again, or their history is to keep their name, deactivate them instead: "
    "that is recommended. Delete?"
)
_TRANSFER: Final = "{name} becomes the owner of the workspace, and the present owner gets their role. Transfer?"
# What is said after an act, and where it was so already (T17).
_SAID: Final = {
    Event.DEACTIVATE: ("{name} is deactivated.", "{name} has no access already; nothing changed."),
    Event.ACTIVATE: ("{name} is active.", "{name} has access, or an invitation to it, already; nothing changed."),
    Event.ARCHIVE: ("{name} is archived.", "{name} is archived already; nothing changed."),
    Event.UNARCHIVE: ("{name} is no longer archived.", "{name} isn't archived; nothing changed."),
}


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command about one contact takes."""
    for option in (json_option, database_option, _workspace_option, _who):
        command = option(command)
    return command


def _here(workspace: str) -> tuple[Directory, Actor]:
    directory = opened()
    return directory, access.operator(directory, workspace)


def _ask(question: str, prospect: Prospect, *, yes: bool) -> None:
    """Go on after a yes only; the question goes to standard error, where --json leaves room for it."""
    if yes:
        return
    told = question.format(name=prospect.contact.user_name, items=_items(prospect))
    try:
        agreed = click.confirm(told, err=True)
    except click.Abort:
        click.echo(err=True)  # the question's own line has no end yet
        if sys.stdin.isatty():
            raise
        raise click.ClickException("Not a terminal to ask on; say --yes.") from None
    if not agreed:
        raise click.ClickException("Nothing was changed.")


def _items(prospect: Prospect) -> str:
    """What becomes of the linked items of someone who is to be deleted."""
    if not prospect.items:
        return "They own no linked items."
    count = f"{prospect.items} linked item{'' if prospect.items == 1 else 's'}"
    if prospect.heir is not None:
        return f"They own {count}, handed on to {prospect.heir.user_name}."
    return f"They own {count}, left without an owner; --reassign-to hands them on."


def _facts(contact: Contact) -> dict[str, Any]:
    """A contact as a command prints it."""
    seat, invitation = contact.seat, contact.invitation
    row = row_of(contact, ())
    facts: dict[str, Any] = {
        "id": contact.id,
        "user_name": contact.user_name,
        "name": row["displayName"],
        "email": row["email"],
        "title": row["title"],
        "status": contact.status.value,
        "archived": contact.archived,
        "role": contact.role.value,
        "licence": contact.licence,
        "seat": seat.state.value if seat else "none",
        "over": bool(seat and seat.over),
        "account_linked": contact.account_linked,
        "status_changed_at": contact.status_changed_at,
        "created": contact.created,
        "modified": contact.modified,
    }
    if invitation is not None:
        facts["invitation"] = {
            "email": invitation.email,
            "state": invitation.state.value,
            "expires": invitation.expires_at,
        }
    return facts


@main.group()
def contact() -> None:
    """Show, make and change one contact, named by userName or id."""


@contact.command("show")
@_options
def show_contact(who: str, workspace: str, as_json: bool) -> None:
    """Show a contact: e-mail, status, role, seat, groups."""
    directory, actor = _here(workspace)
    shown = life.show(directory, actor, who)
    names = [each.label for each in shown.groups]
    values = {name: value for name, value in _facts(shown.contact).items() if as_json or value is not None}
    show({**values, "groups": names if as_json else ", ".join(names) or "none"}, as_json=as_json)


@contact.command("list")
@_workspace_option
@click.option("--status", type=click.Choice([each.value for each in Status]), help="Only those in this status.")
@click.option("--archived", is_flag=True, help="Archived ones too.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="So many at most.")
@database_option
@json_option
def list_contacts(workspace: str, status: str | None, archived: bool, limit: int, as_json: bool) -> None:
    """List contacts, oldest first, without archived ones."""
    directory, actor = _here(workspace)
    wanted = None if status is None else Status(status)
    page = search.with_status(directory, Call(actor, None, ""), wanted, archived=archived, count=limit)
    rows = [_listed(user) for user in page.resources]
    if as_json:
        show({"total": page.total, "contacts": rows}, as_json=True)
        return
    show_rows([{name: row[name] for name in row if name != "id"} for row in rows], empty="There are no such contacts.")
    if page.total > len(rows):
        click.echo(f"{len(rows)} of {page.total} are shown; --limit shows more.")


def _listed(user: dict[str, Any]) -> dict[str, Any]:
    """A User as a row of the list."""
    life_of = user[WORKSPACE_URN]
    return {
        "id": user["id"],
        "user_name": user["userName"],
        "name": user.get("displayName"),
        "status": life_of["status"],
        "seat": life_of["seat"].get("type"),
        "owner": life_of["owner"],
        "archived": life_of.get("archived", False),
    }


@contact.command("create")
@click.argument("user_name", metavar="USERNAME")
@_workspace_option
@click.option("--given-name", help="The given name.")
@click.option("--family-name", help="The family name.")
@click.option("--display-name", help="What to call the person.")
@click.option("--email", help="An e-mail address, to be invited by.")
@click.option("--title", help="The job's title.")
@click.option("--role", type=click.Choice(_SETTABLE), help="The role in the workspace.  [default: team]")
@click.option("--licence", metavar="TYPE", help="The licence type to ask for.  [default: member]")
@database_option
@json_option
def create_contact(user_name: str, workspace: str, as_json: bool, **given: str | None) -> None:
    """Make a contact that has no access yet: invite it next."""
    columns = {
        "given_name": "givenName",
        "family_name": "familyName",
        "display_name": "displayName",
        **{name: name for name in ("email", "title", "role", "licence")},
    }
    values = {columns[name]: value for name, value in given.items() if value is not None}
    directory, actor = _here(workspace)
    made = life.create(directory, actor, {"userName": user_name, **values})
    show(
        _facts(made) if as_json else {"contact": made.user_name, "id": made.id, "status": made.status}, as_json=as_json
    )


def _act(event: Event, who: str, workspace: str, *, as_json: bool, question: str = "", yes: bool = True) -> None:
    directory, actor = _here(workspace)
    if not yes and (prospect := life.foresee(directory, actor, who, event)).changed:
        _ask(question, prospect, yes=yes)
    done = life.act(directory, actor, who, event)
    if as_json:
        show({"changed": done.changed, **_facts(done.contact)}, as_json=True)
    else:
        click.echo(_SAID[event][0 if done.changed else 1].format(name=done.contact.user_name))


@contact.command("deactivate", short_help="End access and free the seat; it can be given back.")
@_options
@_yes_option
def deactivate_contact(who: str, workspace: str, as_json: bool, yes: bool) -> None:
    """End a contact's access and free the seat; all else stays, and access can be given back."""
    _act(Event.DEACTIVATE, who, workspace, as_json=as_json, question=_DEACTIVATE, yes=yes)


@contact.command("activate", short_help="Give access back at once, if a seat is free.")
@_options
def activate_contact(who: str, workspace: str, as_json: bool) -> None:
    """Give a deactivated contact access again, at once, if a seat is free."""
    _act(Event.ACTIVATE, who, workspace, as_json=as_json)


@contact.command("archive", short_help="Hide a contact from default views.")
@_options
def archive_contact(who: str, workspace: str, as_json: bool) -> None:
    """Hide a contact from default views; access and seat stay as they are."""
    _act(Event.ARCHIVE, who, workspace, as_json=as_json)


@contact.command("unarchive")
@_options
def unarchive_contact(who: str, workspace: str, as_json: bool) -> None:
    """Show an archived contact again."""
    _act(Event.UNARCHIVE, who, workspace, as_json=as_json)


@contact.command("invite", short_help="Mail an invitation to a contact without access.")
@_options
@click.option("--email", metavar="ADDRESS", help="Where the invitation goes.  [default: the contact's own address]")
def invite_contact(who: str, workspace: str, as_json: bool, email: str | None) -> None:
    """Mail an invitation to a contact without access; the seat is kept until the answer."""
    directory, actor = _here(workspace)
    found = life.show(directory, actor, who).contact
    sent = invitations.invite(directory, Call(actor, None, ""), found.id, email)
    show({"invited": found.user_name, "id": found.id, "email": sent.email, "expires": sent.expires}, as_json=as_json)
    warn_of_site()


@contact.command("delete")
@_options
@click.option("--reassign-to", metavar="WHO", help="The contact that linked items are handed to; else nobody.")
@_yes_option
def delete_contact(who: str, workspace: str, as_json: bool, reassign_to: str | None, yes: bool) -> None:
    """Remove a contact for good. To deactivate is recommended: it keeps the history and can be undone."""
    directory, actor = _here(workspace)
    prospect = life.foresee(directory, actor, who, Event.DELETE, reassign_to=reassign_to)
    _ask(_DELETE, prospect, yes=yes)
    deleted = life.delete(directory, actor, prospect.contact.id, reassign_to=reassign_to)
    show({"deleted": deleted}, as_json=as_json)


@contact.command("transfer", short_help="Make another contact the owner of the workspace.")
@_options
@_yes_option
def transfer_ownership(who: str, workspace: str, as_json: bool, yes: bool) -> None:
    """Make an active contact with a seat the owner; the present owner gets that contact's role."""
    directory, actor = _here(workspace)
    prospect = life.foresee(directory, actor, who, Event.TRANSFER)
    _ask(_TRANSFER, prospect, yes=yes)
    before, after = life.transfer(directory, actor, prospect.contact.id)
    show({"owner": after.user_name, "owner_before": before.user_name, "its_role": before.role.value}, as_json=as_json)
