"""Commands about one contact: show it, and what may become of it. Knows no rules: it asks the directory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from scim_server.cli import database_option, json_option, main, opened, show
from scim_server.directory import Directory, access, invitations, life
from scim_server.directory.contacts import Call
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Contact, Event
from scim_server.domain.roles import Role

_workspace_option = click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
_yes_option = click.option("--yes", is_flag=True, help="Don't ask.")
_who = click.argument("who")
_SETTABLE: Final = [role.value for role in Role if role is not Role.OWNER]

_DEACTIVATE: Final = (
    "{name} can't sign in any more, and the seat is free at once. Nothing else changes, nobody is told, and access can "
    "be given back. Deactivate?"
)
_DELETE: Final = (
    "{name} is removed for good and can't be brought back; their name goes from the activity log, linked items stay. "
    "If they may need access again, or their history is to keep their name, deactivate them instead. Delete?"
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


def _ask(question: str, contact: Contact, *, yes: bool) -> None:
    """Go on after a yes only; the question goes to standard error, where --json leaves room for it."""
    if not yes and not click.confirm(question.format(name=contact.user_name), err=True):
        raise click.ClickException("Nothing was changed.")


def _facts(contact: Contact) -> dict[str, Any]:
    """A contact as a command prints it."""
    seat, invitation = contact.seat, contact.invitation
    facts: dict[str, Any] = {
        "id": contact.id,
        "user_name": contact.user_name,
        "name": contact.profile.get("displayName"),
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
    """Show a contact: status, role, seat, groups."""
    directory, actor = _here(workspace)
    shown = life.show(directory, actor, who)
    names = [each.label for each in shown.groups]
    values = {name: value for name, value in _facts(shown.contact).items() if as_json or value is not None}
    show({**values, "groups": names if as_json else ", ".join(names) or "none"}, as_json=as_json)


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
    if not yes:
        _ask(question, life.show(directory, actor, who).contact, yes=yes)
    done = life.act(directory, actor, who, event)
    if as_json:
        show({"changed": done.changed, **_facts(done.contact)}, as_json=True)
    else:
        click.echo(_SAID[event][0 if done.changed else 1].format(name=done.contact.user_name))


@contact.command("deactivate")
@_options
@_yes_option
def deactivate_contact(who: str, workspace: str, as_json: bool, yes: bool) -> None:
    """End a contact's access and free the seat; all else stays, and access can be given back."""
    _act(Event.DEACTIVATE, who, workspace, as_json=as_json, question=_DEACTIVATE, yes=yes)


@contact.command("activate")
@_options
def activate_contact(who: str, workspace: str, as_json: bool) -> None:
    """Give a deactivated contact access again, at once, if a seat is free."""
    _act(Event.ACTIVATE, who, workspace, as_json=as_json)


@contact.command("archive")
@_options
def archive_contact(who: str, workspace: str, as_json: bool) -> None:
    """Hide a contact from default views; access and seat stay as they are."""
    _act(Event.ARCHIVE, who, workspace, as_json=as_json)


@contact.command("unarchive")
@_options
def unarchive_contact(who: str, workspace: str, as_json: bool) -> None:
    """Show an archived contact again."""
    _act(Event.UNARCHIVE, who, workspace, as_json=as_json)


@contact.command("invite")
@_options
@click.option("--email", metavar="ADDRESS", help="Where the invitation goes.  [default: the contact's own address]")
def invite_contact(who: str, workspace: str, as_json: bool, email: str | None) -> None:
    """Mail an invitation to a contact without access; the seat is kept until the answer."""
    directory, actor = _here(workspace)
    found = life.show(directory, actor, who).contact
    sent = invitations.invite(directory, Call(actor, None, ""), found.id, email)
    show({"invited": found.user_name, "id": found.id, "email": sent.email, "expires": sent.expires}, as_json=as_json)


@contact.command("delete")
@_options
@click.option("--reassign-to", metavar="WHO", help="The contact that linked items are handed to; else nobody.")
@_yes_option
def delete_contact(who: str, workspace: str, as_json: bool, reassign_to: str | None, yes: bool) -> None:
    """Remove a contact for good. To deactivate is recommended: it keeps the history and can be undone."""
    directory, actor = _here(workspace)
    found = life.show(directory, actor, who).contact
    _ask(_DELETE, found, yes=yes)
    deleted = life.delete(directory, actor, found.id, reassign_to=reassign_to)
    show({"deleted": deleted}, as_json=as_json)


@contact.command("transfer")
@_options
@_yes_option
def transfer_ownership(who: str, workspace: str, as_json: bool, yes: bool) -> None:
    """Make an active contact with a seat the owner; the present owner gets that contact's role."""
    directory, actor = _here(workspace)
    found = life.show(directory, actor, who).contact
    _ask(_TRANSFER, found, yes=yes)
    before, after = life.transfer(directory, actor, found.id)
    show({"owner": after.user_name, "owner_before": before.user_name, "its_role": before.role.value}, as_json=as_json)
