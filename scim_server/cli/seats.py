"""Commands about seats: what is bought, given and to go, and why. Knows no rules: it asks the directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

from scim_server.cli import database_option, json_option, main, opened, show, show_rows
from scim_server.directory import access, seats
from scim_server.directory.seats import Entry, Stock
from scim_server.domain.events import DELETED_CONTACT
from scim_server.domain.seats import DEFAULT_LICENCE, Policy, Reduction

F = TypeVar("F", bound=Callable[..., Any])

_workspace_option = click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
_type_option = click.option("--type", "licence", metavar="TYPE", help="One licence type alone.")
_one_type_option = click.option(
    "--type", "licence", metavar="TYPE", default=DEFAULT_LICENCE, show_default=True, help="The licence type."
)
_after_option = click.option("--after", metavar="ID", help="Begin behind the row with this id.")
_count_option = click.option(
    "--count", type=click.IntRange(1, 10_000), default=seats.PAGE, show_default=True, help="Rows at most."
)


def _paged(command: F) -> F:
    return _after_option(_count_option(command))


@main.group("seats")
def group() -> None:
    """Show and change the seats of a workspace."""


@group.command("show", short_help="Show the counters and reductions, or who holds seats.")
@_workspace_option
@_type_option
@click.option("--holders", "with_holders", is_flag=True, help="List who holds a seat instead of the counters.")
@_paged
@database_option
@json_option
def show_seats(
    workspace: str, licence: str | None, with_holders: bool, after: str | None, count: int, as_json: bool
) -> None:
    """Show the counters of each licence type and the reductions to come, or who holds the seats."""
    directory = opened()
    actor = access.operator(directory, workspace)
    if with_holders:
        held = seats.holders(directory, actor, licence, after=after, count=count)
        if as_json:
            show({"holders": [asdict(each) for each in held]}, as_json=True)
            return
        show_rows([_without(asdict(each), "contact_id") for each in held], empty="Nobody holds a seat.")
        _echo_next([each.contact_id for each in held], count)
        return
    stocks, day = seats.show(directory, actor, licence), seats.billing_day(directory, actor)
    rows = [_counters(each) for each in stocks]
    if as_json:
        show({"billing_day": day, "types": rows}, as_json=True)
        return
    show_rows([_plain(row) for row in rows], empty="There are no licence types.")
    click.echo(f"Billing cycles begin on day {day} of the month.")
    for stock in stocks:
        _echo_reductions(stock)


@group.command("add")
@click.argument("quantity", type=int)
@_workspace_option
@_one_type_option
@database_option
@json_option
def add(quantity: int, workspace: str, licence: str, as_json: bool) -> None:
    """Buy more seats, at once."""
    directory = opened()
    stock = seats.add(directory, access.operator(directory, workspace), licence, quantity)
    _show_stock(stock, as_json=as_json)


@group.command("reduce")
@click.argument("quantity", type=int)
@_workspace_option
@_one_type_option
@database_option
@json_option
def reduce(quantity: int, workspace: str, licence: str, as_json: bool) -> None:
    """Buy fewer seats from the next billing cycle on. Nobody loses one by it."""
    directory = opened()
    reduction = seats.reduce(directory, access.operator(directory, workspace), licence, quantity)
    show(_reduction(reduction), as_json=as_json)


@group.command("cancel")
@click.argument("reduction_id")
@_workspace_option
@database_option
@json_option
def cancel(reduction_id: str, workspace: str, as_json: bool) -> None:
    """Call off a reduction by its id, before its day."""
    directory = opened()
    reduction = seats.cancel_reduction(directory, access.operator(directory, workspace), reduction_id)
    show(_reduction(reduction), as_json=as_json)


@group.command("policy", short_help="Say what happens when no seat is free.")
@click.argument("policy", type=click.Choice([each.value for each in Policy]))
@_workspace_option
@_one_type_option
@database_option
@json_option
def policy(policy: str, workspace: str, licence: str, as_json: bool) -> None:
    """Say what happens when no seat is free: refuse, or grant one that is flagged over."""
    directory = opened()
    stock = seats.set_policy(directory, access.operator(directory, workspace), licence, Policy(policy))
    _show_stock(stock, as_json=as_json)


@group.command("billing-day")
@click.argument("day", type=int)
@_workspace_option
@database_option
@json_option
def billing_day(day: int, workspace: str, as_json: bool) -> None:
    """Begin billing cycles on that DAY of the month, 1 to 28. Reductions that are scheduled keep theirs."""
    directory = opened()
    changed = seats.set_billing_day(directory, access.operator(directory, workspace), day)
    show({"workspace": workspace, "billing_day": changed}, as_json=as_json)


@group.command("type")
@click.argument("name")
@_workspace_option
@click.option(
    "--counted/--unlimited", default=True, show_default=True, help="Whether its seats are bought and counted."
)
@database_option
@json_option
def add_type(name: str, workspace: str, counted: bool, as_json: bool) -> None:
    """Make a licence type."""
    directory = opened()
    stock = seats.add_licence(directory, access.operator(directory, workspace), name, counted=counted)
    _show_stock(stock, as_json=as_json)


@group.command("ledger")
@_workspace_option
@_type_option
@_paged
@database_option
@json_option
def ledger(workspace: str, licence: str | None, after: str | None, count: int, as_json: bool) -> None:
    """List every change of the counters, oldest first."""
    directory = opened()
    actor = access.operator(directory, workspace)
    found = seats.entries(directory, actor, licence, after=after, count=count)
    if as_json:
        show({"changes": [asdict(each) for each in found]}, as_json=True)
        return
    names = seats.user_names(directory, actor, found)
    show_rows([_change(each, names) for each in found], empty="The ledger has no more rows.")
    _echo_next([each.id for each in found], count)


@group.command("usage", short_help="List the counters at the end of each day.")
@_workspace_option
@_type_option
@database_option
@json_option
def usage(workspace: str, licence: str | None, as_json: bool) -> None:
    """List the counters at the end of each day on which one changed (UTC)."""
    directory = opened()
    found = seats.usage(directory, access.operator(directory, workspace), licence)
    _print("days", [asdict(each) for each in found], "No seat has changed yet.", as_json=as_json)


@group.command("apply")
@database_option
@json_option
def apply(as_json: bool) -> None:
    """Apply the reductions that are due, in all workspaces. For a timer, once a day."""
    found = [{"workspace_id": each.workspace_id, **_reduction(each.reduction)} for each in seats.apply_due(opened())]
    _print("reductions", found, "No reduction is due.", as_json=as_json)


def _counters(stock: Stock) -> dict[str, Any]:
    """One licence type as an object; what an uncounted type hasn't got is null."""
    pool, counted = stock.pool, stock.licence.counted
    return {
        "type": stock.licence.name,
        "counted": counted,
        "policy": stock.licence.policy.value if counted else None,
        "purchased": pool.purchased if counted else None,
        "assigned": pool.assigned,
        "reserved": pool.reserved,
        "available": pool.available if counted else None,
        "over": pool.over,
        "withheld": pool.withheld,
        "reductions": [_reduction(each) for each in stock.reductions],
        "notes": list(stock.notes),
    }


def _reduction(reduction: Reduction) -> dict[str, Any]:
    return {
        "reduction": reduction.id,
        "type": reduction.licence,
        "quantity": reduction.quantity,
        "effective": reduction.effective.isoformat(),
        "state": reduction.state.value,
    }


def _show_stock(stock: Stock, *, as_json: bool) -> None:
    values = _counters(stock)
    if as_json:
        show(values, as_json=True)
        return
    show({name: "" if value is None else value for name, value in _plain(values).items()}, as_json=False)
    _echo_reductions(stock)


def _echo_reductions(stock: Stock) -> None:
    for each in stock.reductions:
        click.echo(f"{each.state.value}: {each.quantity} '{each.licence}' seats less from {each.effective}, {each.id}")
    for note in stock.notes:
        click.echo(note)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its lists, which are told below it; of a type that isn't counted, there is no number to tell."""
    endless = {} if row.get("counted", True) else dict.fromkeys(("purchased", "available"), "unlimited")
    told = {name: value for name, value in row.items() if not isinstance(value, list)} | endless
    return _without(told, "counted")


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in row.items() if each != name}


def _change(entry: Entry, names: Mapping[str, str]) -> dict[str, Any]:
    """A row of the ledger in few columns: by how much which counters changed, and on whose account."""
    counters = {name: getattr(entry, name) for name in ("purchased", "assigned", "reserved", "over")}
    return {
        "at": entry.at,
        "type": entry.licence,
        "change": entry.change.value,
        "by": ", ".join(f"{name} {by:+}" for name, by in counters.items() if by),
        "contact": entry.contact_id and names.get(entry.contact_id, DELETED_CONTACT),
    }


def _echo_next(ids: Sequence[str], count: int) -> None:
    """Say how to go on behind a full page."""
    if len(ids) == count:
        click.echo(f"What follows: --after {ids[-1]}")


def _print(name: str, rows: Sequence[Mapping[str, Any]], empty: str, *, as_json: bool) -> None:
    if as_json:
        show({name: rows}, as_json=True)
    else:
        show_rows([_plain(row) for row in rows], empty=empty)
