"""Settings → Licences: what is bought and in use, how it went, and what is changed about it (T16, R44, R47, R53).

Who holds seats, and the ledger, are in seat_lists. Knows no rules: it asks the directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, Final

from flask import Response, request
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import seats
from scim_server.directory.access import Unknown
from scim_server.directory.seats import Stock, Usage
from scim_server.domain.errors import MissingPermission, Refused
from scim_server.domain.roles import Permission
from scim_server.domain.seats import DEFAULT_LICENCE, Policy, Reduction, ReductionState, next_cycle, reckoned
from scim_server.http.console import chart
from scim_server.http.console.chart import Point
from scim_server.http.console.frame import Visitor, console, directory, done, show, told, visitor

PATH: Final = "/settings/licences"
MOST_AT_ONCE: Final = 100_000  # by a page, which somebody waits for; the command line takes more


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A licence type as the page shows it: its counters, its chart, the days the chart is made of, newest first.

    `outlook` has a sentence for each reduction that would wait if its day were today.
    """

    stock: Stock
    chart: Markup
    days: Sequence[Usage]
    outlook: Mapping[str, str]


class _NotANumber(Exception):
    """What was typed is no number of seats."""

    def __init__(self) -> None:
        super().__init__(f"Type how many seats, as a whole number from 1 to {MOST_AT_ONCE:,}.")


@console.get(PATH)
def licences() -> Response:
    """Every licence type: counters, reductions, and use over the last 12 months."""
    found = visitor(Permission.SEATS_MANAGE)
    today = _today()
    stocks = seats.show(directory(), found.actor)
    days = seats.usage(directory(), found.actor, since=chart.since(today))
    shelves = [
        _shelf(stock, [each for each in days if each.licence == stock.licence.name], today, f"licence-{index}")
        for index, stock in enumerate(stocks)
    ]
    return show(found, "licences.html", shelves=shelves)


@console.get(f"{PATH}/add")
def adding_seats() -> Response:
    """How many seats to add, and of which type."""
    return _amount_form(visitor(Permission.SEATS_MANAGE), "licence_add.html")


@console.post(f"{PATH}/add")
def add_seats() -> AnyResponse:
    """Add seats at once."""
    found = visitor(Permission.SEATS_MANAGE)

    def act() -> str:
        quantity, licence = _quantity(), request.form.get("type", "")
        stock = seats.add(directory(), found.actor, licence, quantity)
        return " ".join(
            (f"{_seats(quantity, licence)} added; {stock.pool.purchased:,} are purchased now.", *stock.notes)
        )

    return _tried(act, lambda problem, status: _amount_form(found, "licence_add.html", problem, status))


@console.get(f"{PATH}/reduce")
def reducing_seats() -> Response:
    """How many seats are to go, of which type, and when that will be."""
    return _amount_form(visitor(Permission.SEATS_MANAGE), "licence_reduce.html")


@console.post(f"{PATH}/reduce")
def reduce_seats() -> AnyResponse:
    """Schedule a reduction for the next billing cycle."""
    found = visitor(Permission.SEATS_MANAGE)

    def act() -> str:
        quantity, licence = _quantity(), request.form.get("type", "")
        reduction = seats.reduce(directory(), found.actor, licence, quantity)
        return f"{_seats(quantity, licence)} will go on {reduction.effective}."

    return _tried(act, lambda problem, status: _amount_form(found, "licence_reduce.html", problem, status))


@console.get(f"{PATH}/reductions/<reduction_id>/cancel")
def cancelling_reduction(reduction_id: str) -> Response:
    """Whether to call a reduction off."""
    return _cancel_question(visitor(Permission.SEATS_MANAGE), reduction_id)


@console.post(f"{PATH}/reductions/<reduction_id>/cancel")
def cancel_reduction(reduction_id: str) -> AnyResponse:
    """Call a reduction off."""
    found = visitor(Permission.SEATS_MANAGE)

    def act() -> str:
        reduction = seats.cancel_reduction(directory(), found.actor, reduction_id)
        return f"The reduction by {_seats(reduction.quantity, reduction.licence)} is cancelled."

    return _tried(act, lambda problem, status: _cancel_question(found, reduction_id, problem, status))


@console.get(f"{PATH}/policy")
def choosing_policy() -> Response:
    """What is to happen when no seat of a type is free."""
    return _policy_form(visitor(Permission.SEATS_MANAGE), request.args.get("type", ""))


@console.post(f"{PATH}/policy")
def set_policy() -> AnyResponse:
    """Block, or allow."""
    found = visitor(Permission.SEATS_MANAGE)
    licence, policy = request.form.get("type", ""), _policy_named(request.form.get("policy", ""))

    def act() -> str:
        seats.set_policy(directory(), found.actor, licence, policy)
        return f"{_POLICY_DONE[policy]} when no '{licence}' seat is free."

    return _tried(act, lambda problem, status: _policy_form(found, licence, problem, status, policy))


@console.get(f"{PATH}/new")
def new_licence() -> Response:
    """The name of a new licence type, and whether its seats are counted."""
    return _new_form(visitor(Permission.SEATS_MANAGE))


@console.post(f"{PATH}/new")
def make_licence() -> AnyResponse:
    """Make a licence type."""
    found = visitor(Permission.SEATS_MANAGE)
    name, counted = request.form.get("name", ""), request.form.get("counted") != "no"

    def act() -> str:
        made = seats.add_licence(directory(), found.actor, name, counted=counted).licence.name
        return f"There is a licence type '{made}' now.{' Add seats to it.' if counted else ''}"

    return _tried(act, lambda problem, status: _new_form(found, problem, status, name, counted))


_POLICY_DONE: Final = {
    Policy.BLOCK: "Activations and invitations are refused",
    Policy.ALLOW: "Activations and invitations go on, and their seats are over,",
}


def _tried(act: Callable[[], str], again: Callable[[str, int], Response]) -> AnyResponse:
    """On to the licences with what `act` says was done, or the form again with why it wasn't."""
    try:
        return done(act(), PATH)
    except _NotANumber as error:
        return again(str(error), 400)
    except MissingPermission:
        raise
    except Refused as error:
        return again(*told(error))


def _quantity() -> int:
    text = request.form.get("quantity", "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= MOST_AT_ONCE:
        raise _NotANumber
    return int(text)


def _policy_named(text: str) -> Policy:
    """The policy that a form names. Raises Unknown."""
    if text not in tuple(Policy):
        raise Unknown(f"There is no policy {text[:64]!r}.")
    return Policy(text)


def _amount_form(found: Visitor, template: str, problem: str = "", status: int = 200) -> Response:
    """The form for a number of seats of one counted type: what was typed, or else what the address says."""
    stocks = [each for each in seats.show(directory(), found.actor) if each.licence.counted]
    names = [each.licence.name for each in stocks]
    wanted = request.form.get("type", "") or request.args.get("type", "")
    values: dict[str, Any] = {
        "stocks": stocks,
        "chosen": next((each for each in (wanted, DEFAULT_LICENCE, *names) if each in names), ""),
        "quantity": request.form.get("quantity", ""),
        "most": MOST_AT_ONCE,
        "effective": next_cycle(_today(), seats.billing_day(directory(), found.actor)),
    }
    return show(found, template, status, problem=problem, **values)


def _cancel_question(found: Visitor, reduction_id: str, problem: str = "", status: int = 200) -> Response:
    reduction = _reduction(found, reduction_id)
    return show(found, "licence_cancel.html", status, problem=problem, reduction=reduction)


def _reduction(found: Visitor, reduction_id: str) -> Reduction:
    """One that is scheduled or waiting. Raises Unknown."""
    for stock in seats.show(directory(), found.actor):
        for reduction in stock.reductions:
            if reduction.id == reduction_id:
                return reduction
    raise Unknown("There is no such reduction.")


def _policy_form(
    found: Visitor, licence: str, problem: str = "", status: int = 200, chosen: Policy | None = None
) -> Response:
    stock = next((each for each in seats.show(directory(), found.actor) if each.licence.name == licence), None)
    if stock is None or not stock.licence.counted:
        raise Unknown("There is no counted licence type of that name.")
    chosen = chosen or stock.licence.policy
    return show(found, "licence_policy.html", status, problem=problem, stock=stock, chosen=chosen)


def _new_form(found: Visitor, problem: str = "", status: int = 200, name: str = "", counted: bool = True) -> Response:
    return show(found, "licence_new.html", status, problem=problem, name=name, counted=counted)


def _shelf(stock: Stock, days: Sequence[Usage], today: date, key: str) -> Shelf:
    points = [
        Point(day=date.fromisoformat(each.day), purchased=each.purchased, in_use=each.assigned + each.reserved)
        for each in days
    ]
    title = f"Use of '{stock.licence.name}' seats over time"
    drawn = chart.draw(points, today, title=title, key=key, counted=stock.licence.counted)
    return Shelf(stock=stock, chart=drawn, days=list(reversed(days)), outlook=_outlook(stock))


def _outlook(stock: Stock) -> dict[str, str]:
    """Reduction id → what would hold it up, if as many seats were in use on its day as now."""
    found: dict[str, str] = {}
    for each in stock.reductions:
        pool, after = reckoned(stock.pool, stock.reductions, each.effective)
        would_wait = next(one for one in after if one.id == each.id).state is ReductionState.WAITING
        if would_wait and each.state is ReductionState.SCHEDULED:
            found[each.id] = (
                f"With {pool.in_use:,} seats in use then, as now, it waits until enough are free. Nobody loses theirs."
            )
    return found


def _seats(quantity: int, licence: str) -> str:
    return f"{quantity:,} '{licence}' seat{'' if quantity == 1 else 's'}"


def _today() -> date:
    return directory().now().astimezone(UTC).date()
