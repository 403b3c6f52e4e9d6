"""Many people at once through the one door: import in batches, export as rows that import reads back.

Each batch is one transaction, and each row of it whole or refused: nothing is half written, and a run that was
interrupted is run again. Knows no files, formats or progress bars.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Connection as Db

from scim_server.directory import Directory, groups
from scim_server.directory.columns import BadRow, Values, body_of, is_so, read_row, row_of, wish_of
from scim_server.directory.contacts import Call, context_of, lapse_due, lapse_due_in, save_decision, searchable
from scim_server.domain.contact import Contact, Context, Decision, Event, decide_all, seated
from scim_server.domain.errors import NoFreeSeat, Refused
from scim_server.domain.roles import Permission
from scim_server.domain.seats import Seat, SeatState
from scim_server.mapping import to_user, to_wish
from scim_server.scim.errors import ScimError
from scim_server.scim.match import comparable
from scim_server.scim.schema import user_name_key
from scim_server.storage import batch, ledger
from scim_server.storage.db import reading, rehearsing, writing

T = TypeVar("T")

BATCH: Final = 500
_PAGE: Final = 1000
_NEW: Final = {True: Event.PROVISION, False: Event.PROVISION_INACTIVE, None: Event.CREATE}


class Outcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"  # there already, with other values
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: where it stands and its cells; `fault` is why they can't be read, if they can't."""

    line: int
    cells: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the row on that line; `reason` where it was skipped or rejected."""

    line: int
    outcome: Outcome
    user_name: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Person:
    """A row that can be a contact, as far as can be told without the database."""

    line: int
    key: str
    values: Values

    def result(self, outcome: Outcome, reason: str = "") -> Result:
        return Result(self.line, outcome, self.values["userName"], reason)


@dataclass(frozen=True, slots=True)
class _Made:
    """A new contact that is decided and not saved yet."""

    person: _Person
    decision: Decision


def import_rows(
    directory: Directory, call: Call, rows: Iterable[Row], *, update: bool = False, dry_run: bool = False
) -> Iterator[list[Result]]:
    """Bring in the rows, a batch at a time; yields what became of each row, in order, once the batch is committed.

    Contacts that are there already are left alone, or with `update` given the row's values. A `dry_run` is the same
    work in one transaction that is rolled back, invitations that expire included: for as long, nobody else writes to
    an SQLite database, and on PostgreSQL whoever wants the same rows or seats waits. Raises Busy where one that isn't
    tried again loses a race.
    """
    call.actor.require(Permission.CONTACTS_EDIT, Permission.GROUPS_EDIT)
    lines: dict[str, int] = {}
    batches = (_Batch(directory, call, update, *_sorted(found, lines)) for found in _batched(rows, BATCH))
    if not dry_run:
        for each in batches:
            lapse_due(directory, call.workspace_id)  # a row is refused for want of a seat, not a batch: so in advance
            yield writing(directory.engine, each.run)
        return
    with rehearsing(directory.engine) as db:
        for each in batches:
            lapse_due_in(directory, db, call.workspace_id)
            yield each.run(db)


def export_rows(directory: Directory, call: Call) -> Iterator[dict[str, Any]]:
    """Every contact as a row, archived ones too, oldest first, as of one moment; the owner's role is `owner`."""
    call.actor.require(Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        after = ""
        while found := batch.page(db, call.workspace_id, call.connection_id, after, _PAGE):
            names = batch.group_names(db, call.workspace_id, [each.id for each in found])
            for each in found:
                yield row_of(each, names.get(each.id, ()), external_id=call.connection is not None)
            after = found[-1].id


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while found := list(islice(left, size)):
        yield found


def _sorted(rows: Sequence[Row], lines: dict[str, int]) -> tuple[list[_Person], list[Result]]:
    """The rows that can be contacts, and the others with the reason. `lines` tells where each userName stood first."""
    people: list[_Person] = []
    rejected: list[Result] = []
    for row in rows:
        try:
            people.append(_person(row, lines))
        except (Refused, ScimError) as error:
            rejected.append(Result(row.line, Outcome.REJECTED, str(row.cells.get("userName") or ""), str(error)))
    return people, rejected


def _person(row: Row, lines: dict[str, int]) -> _Person:
    if row.fault is not None:
        raise BadRow(row.fault)
    values = read_row(row.cells)
    key = user_name_key(values["userName"])
    first = lines.setdefault(key, row.line)
    if first != row.line:
        raise BadRow(f"This userName stands on line {first} already.")
    return _Person(row.line, key, values)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some hundred rows, and how they become contacts in one transaction."""

    directory: Directory
    call: Call
    update: bool
    people: list[_Person]
    rejected: list[Result]

    def run(self, db: Db) -> list[Result]:
        """Carry the batch out; repeatable, as everything it does is in the transaction."""
        workspace_id, results = self.call.workspace_id, list(self.rejected)
        keys = [person.key for person in self.people]
        known = batch.by_user_names(db, workspace_id, keys, self.call.connection_id, to_change=self.update)
        names = batch.group_names(db, workspace_id, [each.id for each in known.values()])
        context = context_of(self.directory, db, self.call)
        joining: dict[str, list[str]] = {}
        made: list[_Made] = []
        for person in self.people:
            try:
                contact = known.get(person.key)
                if contact is None:
                    made.append(self._decided(person, context))
                    continue
                results.append(self._known(db, person, contact, names.get(contact.id, ()), context))
            except (Refused, ScimError) as error:
                results.append(person.result(Outcome.REJECTED, str(error)))
                continue
            if self.update:
                _join(joining, person, contact.id, names.get(contact.id, ()))
        for each, result in self._saved(db, made, context):
            results.append(result)
            if result.outcome is Outcome.CREATED:
                _join(joining, each.person, each.decision.contact.id, ())
        for name in sorted(joining):
            groups.join(self.directory, db, self.call, name, joining[name])
        return sorted(results, key=lambda result: result.line)

    def _decided(self, person: _Person, context: Context) -> _Made:
        """A new contact: let in, kept out or (where the row doesn't say) uninvited."""
        body = body_of(self.directory.types, person.values, None)
        wish = to_wish(body, None, self.call.connection_id, patched=False)
        events = [_NEW[person.values.get("active")]]
        if person.values.get("archived"):
            events.append(Event.ARCHIVE)
        wanted = replace(context, draft=wish.draft, licence=wish.licence, new_id=self.directory.new_id())
        return _Made(person, decide_all(None, events, wanted))

    def _known(self, db: Db, person: _Person, contact: Contact, names: Sequence[str], context: Context) -> Result:
        """What becomes of a row whose contact is there already."""
        if is_so(person.values, contact, names):
            return person.result(Outcome.UNCHANGED)
        if not self.update:
            return person.result(Outcome.SKIPPED, "The contact is there already, with other values.")
        decision = self._changed(person, contact, context)
        if decision.changed:
            with db.begin_nested():
                save_decision(self.directory, db, self.call, contact, decision, context.now)
        joins = "groups" in person.values and not is_so({"groups": person.values["groups"]}, contact, names)
        return person.result(Outcome.UPDATED if decision.changed or joins else Outcome.UNCHANGED)

    def _changed(self, person: _Person, contact: Contact, context: Context) -> Decision:
        wish, events = wish_of(self.directory.types, person.values, contact, self.call.connection_id)
        return decide_all(contact, events, replace(context, draft=wish.draft, licence=wish.licence))

    def _saved(self, db: Db, made: Sequence[_Made], context: Context) -> Iterator[tuple[_Made, Result]]:
        """Save new contacts: all that a free seat is there for, or need none, at once; the others one by one."""
        seats = self._free(db, made, context)
        ready: list[_Made] = []
        taken: dict[str, Seat] = {}
        left: list[_Made] = []
        for each in made:
            free = seats.get(each.decision.seat.licence or "", [])
            if each.decision.seat.claims and not free:
                left.append(each)
                continue
            decision = each.decision
            if decision.seat.claims and decision.seat.licence is not None:
                seat = Seat(id=free.pop(), licence=decision.seat.licence, state=SeatState.ASSIGNED, since=context.now)
                decision = seated(decision, seat)
                taken[decision.contact.id] = seat
            ready.append(_Made(each.person, decision))
        self._save_ready(db, ready, taken, context)
        yield from ((each, each.person.result(Outcome.CREATED)) for each in ready)
        yield from self._save_left(db, left, context)

    def _free(self, db: Db, made: Sequence[_Made], context: Context) -> dict[str, list[str]]:
        wanted: dict[str, int] = {}
        for each in made:
            if each.decision.seat.claims and each.decision.seat.licence is not None:
                wanted[each.decision.seat.licence] = wanted.get(each.decision.seat.licence, 0) + 1
        workspace_id, now, new_id = self.call.workspace_id, context.now, self.directory.new_id
        return {
            name: batch.free_seats(db, workspace_id, context.licences[name], wanted[name], now, new_id)
            for name in sorted(wanted)
        }

    def _save_ready(self, db: Db, ready: Sequence[_Made], taken: Mapping[str, Seat], context: Context) -> None:
        types, new_id = self.directory.types.user, self.directory.new_id
        added = [
            (contact, searchable(comparable(types, to_user(contact, (), self.call.base))))
            for contact in (each.decision.contact for each in ready)
        ]
        batch.add_contacts(db, self.call.workspace_id, self.call.connection_id, added)
        batch.take_seats(db, self.call.workspace_id, context.licences, taken, context.now, new_id)
        ledger.record(db, self.call.actor, [event for each in ready for event in each.decision.events], new_id)

    def _save_left(self, db: Db, left: Sequence[_Made], context: Context) -> Iterator[tuple[_Made, Result]]:
        """Each with a seat claimed for it alone; once a type has none left, nobody else asks for it."""
        full: dict[str | None, NoFreeSeat] = {}
        for each in left:
            licence = each.decision.seat.licence
            try:
                if licence in full:
                    raise full[licence]
                with db.begin_nested():
                    save_decision(self.directory, db, self.call, None, each.decision, context.now)
            except NoFreeSeat as error:
                full[licence] = error
                yield each, each.person.result(Outcome.REJECTED, str(error))
            else:
                yield each, each.person.result(Outcome.CREATED)


def _join(joining: dict[str, list[str]], person: _Person, contact_id: str, names: Sequence[str]) -> None:
    """Note the groups of the row that the contact, which is in those called `names`, is still to join."""
    inside = set(names)
    for name in person.values.get("groups") or ():
        if name not in inside:
            joining.setdefault(name, []).append(contact_id)
