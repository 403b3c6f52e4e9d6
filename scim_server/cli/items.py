"""Commands for linked items, as the host application registers them by /api. Knows no rules: it asks the directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from scim_server.cli import database_option, json_option, main, opened, show, show_rows
from scim_server.directory import Directory, access, items, life
from scim_server.directory.items import MOST_ON_A_PAGE, NewItem, ShownItem, Wanted
from scim_server.domain.actor import Actor
from scim_server.domain.items import ItemKind

_workspace_option = click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
_kind = click.Choice(list(ItemKind), case_sensitive=False)


@main.group()
def item() -> None:
    """Add and list linked items: projects, invoices and the like."""


@item.command("add")
@_workspace_option
@click.option("--kind", required=True, type=_kind, help="What it is.")
@click.option("--title", required=True, help="What to call it.")
@click.option("--reference", help="What the host application calls it.")
@click.option("--owner", required=True, metavar="WHO", help="Whose it is: userName or id.")
@click.option("--author", metavar="WHO", help="Who made it, if not the owner: userName or id.")
@database_option
@json_option
def add(
    workspace: str, kind: ItemKind, title: str, reference: str | None, owner: str, author: str | None, as_json: bool
) -> None:
    """Register an item with its owner and author."""
    directory = opened()
    actor = access.operator(directory, workspace)
    new = NewItem(
        kind=kind,
        title=title,
        reference=reference,
        owner_id=_id_of(directory, actor, owner),
        author_id=None if author is None else _id_of(directory, actor, author),
    )
    row = _row(items.add(directory, actor, new))
    show({name: value for name, value in row.items() if as_json or value is not None}, as_json=as_json)


@item.command("list")
@_workspace_option
@click.option("--kind", type=_kind, help="Only items of this kind.")
@click.option("--owner", metavar="WHO", help="Only items of this owner: userName or id.")
@click.option("--author", metavar="WHO", help="Only items of this author: userName or id.")
@database_option
@json_option
def list_items(workspace: str, kind: ItemKind | None, owner: str | None, author: str | None, as_json: bool) -> None:
    """List a workspace's items, oldest first."""
    directory = opened()
    actor = access.operator(directory, workspace)
    wanted = Wanted(
        kind=kind,
        owner_id=None if owner is None else _id_of(directory, actor, owner),
        author_id=None if author is None else _id_of(directory, actor, author),
    )
    rows, page = list[dict[str, Any]](), items.find(directory, actor, wanted, count=MOST_ON_A_PAGE)
    rows += map(_row, page.items)
    while page.next is not None:
        page = items.find(directory, actor, wanted, after=page.next, count=MOST_ON_A_PAGE)
        rows += map(_row, page.items)
    if as_json:
        show({"items": rows}, as_json=True)
    else:
        show_rows([_in_a_line(row) for row in rows], empty="There are no such items.")


def _id_of(directory: Directory, actor: Actor, who: str) -> str:
    return life.show(directory, actor, who).contact.id


def _in_a_line(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what only programs need, so that it fits a line."""
    return {name: value for name, value in row.items() if name not in ("id", "owner_id", "author_id")}


def _row(shown: ShownItem) -> dict[str, Any]:
    item = shown.item
    return {
        "id": item.id,
        "kind": item.kind.value,
        "title": item.title,
        "reference": item.reference,
        "owner": shown.owner,
        "owner_id": item.owner_id,
        "author": shown.author,
        "author_id": item.author_id,
        "created": item.created,
    }
