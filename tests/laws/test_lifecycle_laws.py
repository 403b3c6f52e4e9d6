"""The laws of docs/lifecycle.md that a model without storage can show: any events, in any order, on a few contacts.

The machine is the simplest storage there is: a dict of contacts, and counters made from it. Law 6 is about claims at
the same time, and is shown where there is such a thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scim_server.domain import seats
from scim_server.domain.contact import Contact, Context, Decision, Draft, Event, Status, decide_all, seated, steps_to
from scim_server.domain.errors import NoFreeSeat, OwnerProtected, Refused
from scim_server.domain.events import ContactEvent
from scim_server.domain.seats import LicenceType, Policy, Pool, Reduction, Seat, SeatState
from scim_server.domain.workspace import ALL_PERMISSIONS, ROLE_PERMISSIONS, Role, found, transfer

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = date(2026, 3, 1)
LICENCES = {
    "member": LicenceType("member"),
    "extra": LicenceType("extra", policy=Policy.ALLOW),
    "client": LicenceType("client", counted=False),
}
CREATIONS = (Event.CREATE, Event.PROVISION, Event.PROVISION_INACTIVE)
CHANGES = [event for event in Event if event not in (*CREATIONS, Event.TRANSFER)]
PERMISSIONS = st.sampled_from([ALL_PERMISSIONS, *ROLE_PERMISSIONS.values(), frozenset({"contacts:delete"})])
NAMES = st.sampled_from(["ann", "bea", "cem"])


class Lifecycle(RuleBasedStateMachine):
    """A workspace of at most six contacts with three `member` seats and one `extra`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.contacts: dict[str, Contact] = {}
        self.deleted: set[str] = set()
        self.withdrawn: set[str] = set()  # whose access was taken away, until they have it again
        self.ids = 0
        self.purchased = {"member": 3, "extra": 1, "client": 0}
        self.reductions: list[Reduction] = []
        self.log: list[ContactEvent] = []

    @initialize()
    def first_contact(self) -> None:
        """The owner, and one contact in each status that isn't active, so that short runs reach every row."""
        self.save(None, found(self.beginning("owner")))
        for event, invite in ((Event.PROVISION_INACTIVE, False), (Event.PROVISION, True), (Event.CREATE, False)):
            context = replace(self.beginning("ann"), invite=invite)
            self.save(None, decide_all(None, (event,), context))

    def beginning(self, name: str) -> Context:
        return self.context(ALL_PERMISSIONS, new_id=self.new_id(), draft=Draft(user_name=name))

    @rule(hours=st.integers(1, 24 * 10))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(
        event=st.sampled_from(CREATIONS),
        permissions=PERMISSIONS,
        name=NAMES,
        licence=st.sampled_from(["member", "member", "extra", "client", "gold"]),
        invite=st.booleans(),
        archive=st.booleans(),
    )
    def create(
        self, event: Event, permissions: frozenset[str], name: str, licence: str, *, invite: bool, archive: bool
    ) -> None:
        if len(self.contacts) < 6:
            events = (event, Event.ARCHIVE) if archive else (event,)
            context = self.context(
                permissions, new_id=self.new_id(), draft=Draft(user_name=name), licence=licence, invite=invite
            )
            self.attempt(None, events, context)

    @rule(
        pick=st.integers(0, 5),
        events=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3),
        permissions=PERMISSIONS,
        name=NAMES,
        role=st.sampled_from(Role),
        licence=st.sampled_from(["member", "extra", "client"]),
        invite=st.booleans(),
    )
    def change(
        self,
        pick: int,
        events: list[Event],
        permissions: frozenset[str],
        name: str,
        role: Role,
        licence: str,
        *,
        invite: bool,
    ) -> None:
        draft = Draft(user_name=name, role=role)
        self.attempt(self.pick(pick), events, self.context(permissions, draft=draft, licence=licence, invite=invite))

    @rule(
        pick=st.integers(0, 5),
        event=st.sampled_from(CHANGES),
        permissions=st.sampled_from([ALL_PERMISSIONS, ROLE_PERMISSIONS[Role.TEAM]]),
        invite=st.booleans(),
    )
    def change_once(self, pick: int, event: Event, permissions: frozenset[str], *, invite: bool) -> None:
        self.attempt(self.pick(pick), (event,), self.context(permissions, draft=Draft(user_name="dee"), invite=invite))

    @rule(pick=st.integers(1, 5), invite=st.booleans())
    def invite_again_and_let_others_try(self, pick: int, *, invite: bool) -> None:
        contact_id = self.pick(pick).id
        self.attempt(self.contacts[contact_id], (Event.REINVITE,), self.context(ALL_PERMISSIONS))
        for event in (Event.REVOKE, Event.INVITE, Event.ACTIVATE):
            self.attempt(self.contacts[contact_id], (event,), self.context(ROLE_PERMISSIONS[Role.TEAM], invite=invite))

    @rule(pick=st.integers(0, 5), active=st.booleans(), archived=st.booleans())
    def write_wanted_state(self, pick: int, *, active: bool, archived: bool) -> None:
        contact = self.pick(pick)
        self.attempt(contact, steps_to(contact, active=active, archived=archived), self.context(ALL_PERMISSIONS))
        done = self.contacts.get(contact.id, contact)
        assert steps_to(done, active=done.active, archived=done.archived) == ()
        again = Event.ARCHIVE if done.archived else Event.UNARCHIVE
        self.now += timedelta(minutes=1)
        assert not decide_all(done, (again,), self.context(ALL_PERMISSIONS)).changed

    @rule(giver=st.integers(0, 5), taker=st.integers(0, 5))
    def hand_over(self, giver: int, taker: int) -> None:
        try:
            decisions = transfer(self.pick(giver), self.pick(taker), self.now)
        except Refused:
            return
        for decision in decisions:
            self.save(self.contacts[decision.contact.id], decision)

    @rule(quantity=st.integers(1, 2))
    def reduce(self, quantity: int) -> None:
        if quantity <= self.purchased["member"] and not self.reductions:
            self.reductions = [Reduction(licence="member", quantity=quantity, effective=DAY)]
            self.settle()

    @rule()
    def buy(self) -> None:
        if self.purchased["member"] < 4:
            self.purchased["member"] += 1
            self.settle()

    @invariant()
    def law_1_seats_in_use_fit(self) -> None:
        assert self.pool("member").in_use <= self.purchased["member"]
        assert not any(
            contact.seat.over for contact in self.contacts.values() if contact.seat and held(contact, "member")
        )

    @invariant()
    def law_2_who_holds_a_seat(self) -> None:
        states = {Status.INVITED: SeatState.RESERVED, Status.ACTIVE: SeatState.ASSIGNED}
        for contact in self.contacts.values():
            assert (contact.seat.state if contact.seat else None) == states.get(contact.status)
            assert contact.seat is None or (contact.seat.id and contact.seat.licence == contact.licence)
            assert contact.account_linked is contact.sign_in_allowed
            pending = contact.invitation is not None and contact.invitation.pending
            assert pending is (contact.status is Status.INVITED)

    @invariant()
    def law_4_one_active_owner(self) -> None:
        owners = [contact for contact in self.contacts.values() if contact.owner]
        assert [owner.status for owner in owners] == ([Status.ACTIVE] if self.contacts else [])

    @invariant()
    def law_7_ids_are_never_used_again(self) -> None:
        assert not self.deleted & self.contacts.keys()
        assert all(key == contact.id for key, contact in self.contacts.items())

    def attempt(self, contact: Contact | None, events: Sequence[Event], context: Context) -> None:
        """Decide and save, or learn that a refusal left everything alone."""
        before = dict(self.contacts)
        recorded = len(self.log)
        withdrawn = contact is not None and contact.id in self.withdrawn
        refusal: Refused | None
        try:
            decision = decide_all(contact, events, context)
            self.save(contact, decision)
        except Refused as refused:
            assert self.contacts == before
            assert len(self.log) == recorded  # law 5
            refusal = refused
        else:
            refusal = None
        assert not isinstance(refusal, OwnerProtected) or (contact and contact.owner)
        if contact and refusal is None:
            check_laws_of_one_contact(contact, decision)
            if withdrawn and decision.contact.active and not contact.active:
                assert "contacts:delete" in context.permissions  # law 8, also by way of an invitation taken back

    def save(self, before: Contact | None, decision: Decision) -> None:
        """What storage does, in its order: claim, then save, then record."""
        assert bool(decision.events) is decision.changed  # law 5
        if decision.changed:
            assert decision.contact.version == (before.version if before else 0) + 1
            assert decision.contact.modified == self.now
        else:
            assert decision.contact is before
        if decision.seat.claims:
            decision = seated(decision, self.claim(before, decision))
        self.contacts[decision.contact.id] = decision.contact
        if decision.deleted:
            del self.contacts[decision.contact.id]
            self.deleted.add(decision.contact.id)
        if decision.contact.status is Status.INACTIVE:
            self.withdrawn.add(decision.contact.id)
        elif decision.contact.status is Status.ACTIVE:
            self.withdrawn.discard(decision.contact.id)
        self.log += decision.events
        self.settle()

    def claim(self, before: Contact | None, decision: Decision) -> Seat:
        """A seat for the decision, the contact's own counted as given back. Raises NoFreeSeat."""
        licence, state = decision.seat.licence, decision.seat.state
        assert licence
        assert state
        pool = self.pool(licence, without=before.id if before else "")
        try:
            over = seats.claim(LICENCES[licence], pool)
        except NoFreeSeat:
            assert pool.available == 0
            raise
        return Seat(id=f"seat of {decision.contact.id}", licence=licence, state=state, since=self.now, over=over)

    def settle(self) -> None:
        """Reductions that are due shrink the pool as soon as it has room."""
        still_open = []
        for reduction in self.reductions:
            applied = seats.apply_reduction(replace(self.pool("member"), withheld=0), reduction, DAY)
            self.purchased["member"] = applied.pool.purchased
            if applied.pool.withheld:
                still_open.append(replace(reduction, state=seats.ReductionState.SCHEDULED))
        self.reductions = still_open

    def pool(self, licence: str, without: str = "") -> Pool:
        holders = [c.seat for c in self.contacts.values() if c.seat and held(c, licence) and c.id != without]
        return Pool(
            licence=licence,
            purchased=self.purchased[licence],
            assigned=sum(seat.state is SeatState.ASSIGNED for seat in holders),
            reserved=sum(seat.state is SeatState.RESERVED for seat in holders),
            over=sum(seat.over for seat in holders),
            withheld=sum(reduction.quantity for reduction in self.reductions if reduction.licence == licence),
        )

    def context(self, permissions: frozenset[str], **others: Any) -> Context:
        return Context(
            now=self.now,
            permissions=permissions,
            licences=LICENCES,
            email="ann@example.com",
            account_email="ann@example.com",
            **others,
        )

    def pick(self, number: int) -> Contact:
        return list(self.contacts.values())[number % len(self.contacts)]

    def new_id(self) -> str:
        self.ids += 1
        return f"c{self.ids}"


def held(contact: Contact, licence: str) -> bool:
    """Whether the contact's seat is of that type."""
    return contact.seat is not None and contact.seat.licence == licence


def check_laws_of_one_contact(before: Contact, decision: Decision) -> None:
    """What holds between a contact and what became of it."""
    after, kinds = decision.contact, {event.kind.value for event in decision.events}
    assert after.id == before.id  # law 7
    assert after.created == before.created
    assert all(event.contact_id == before.id for event in decision.events)
    if kinds <= {"contact.archived", "contact.unarchived"}:  # law 3
        shown = replace(after, archived=before.archived, archived_at=before.archived_at)
        assert replace(shown, modified=before.modified, version=before.version) == before
    if before.active and (not after.active or decision.deleted):
        assert decision.end_sessions or kinds & {"contact.invitation_revoked", "contact.invitation_expired"}


TestLifecycleLaws = Lifecycle.TestCase
TestLifecycleLaws.settings = settings(deadline=None)
