"""Every refusal of the product's rules, in words for the person who asked. Knows no status codes, SCIM or HTML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class Refused(Exception):
    """A rule says no; nothing was changed. `code` is stable and for programs, the message is for people."""

    code: ClassVar[str] = "refused"


class MissingPermission(Refused):
    """The caller lacks `permission`, one of workspace.Permission (R41, D13)."""

    code = "missing_permission"

    def __init__(self, permission: str) -> None:
        self.permission = permission
        super().__init__(f"This needs the permission '{permission}'.")


class OwnerProtected(Refused):
    """Deactivating or deleting the owner, by whatever door (R40, D8)."""

    code = "owner_protected"

    def __init__(self) -> None:
        super().__init__("The workspace owner can't be deactivated or deleted. Transfer ownership first.")


class OwnerRoleNotSettable(Refused):
    """The owner's role changes hands by a transfer of ownership alone (D3)."""

    code = "owner_role_not_settable"

    def __init__(self) -> None:
        super().__init__("The owner's role can't be given or taken away. Transfer ownership instead.")


class RoleAboveOwn(Refused):
    """Someone gives, or takes away, a role that ranks above their own."""

    code = "role_above_own"

    def __init__(self, role: str) -> None:
        self.role = role
        super().__init__(f"The role '{role}' ranks above your own, so you can't give it or take it away.")


class OnlyOwner(Refused):
    """Something that nobody but the owner may do (T15)."""

    code = "only_owner"

    def __init__(self) -> None:
        super().__init__("Only the workspace owner can transfer ownership.")


class TargetNotEligible(Refused):
    """The contact named as the next owner can't be it (T15); `reason` completes "the contact …"."""

    code = "target_not_eligible"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Ownership can't be transferred: the contact {reason}.")


class ReassignmentNotPossible(Refused):
    """The contact named to take over a deleted one's items can't (R55); `reason` completes "the contact …"."""

    code = "reassignment_not_possible"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Linked items can't be handed over: the contact {reason}.")


class IllegalTransition(Refused):
    """`event` isn't possible from `status`; `sources` are the states it is possible from."""

    code = "illegal_transition"

    def __init__(self, event: str, status: str, sources: Iterable[str]) -> None:
        self.event, self.status, self.sources = event, status, tuple(sources)
        super().__init__(f"'{event}' needs a contact that is {' or '.join(self.sources)}; this one is {status}.")


class UnknownLicence(Refused):
    """A licence type that the workspace doesn't have (D3)."""

    code = "unknown_licence"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, tuple(sorted(known))
        names = ", ".join(f"'{each}'" for each in self.known)
        super().__init__(f"There is no licence type '{name}'. This workspace has: {names}.")


class NoFreeSeat(Refused):
    """No seat is left under the policy `block` (T11, D7); the counters say why."""

    code = "no_free_seat"

    def __init__(self, licence: str, purchased: int, assigned: int, reserved: int, withheld: int = 0) -> None:
        self.licence, self.purchased, self.assigned = licence, purchased, assigned
        self.reserved, self.withheld = reserved, withheld
        counters = f"{purchased} purchased, {assigned} assigned, {reserved} reserved by pending invitations"
        if withheld:
            counters += f", {withheld} to go by a reduction that is due"
        super().__init__(
            f"No free '{licence}' seat: {counters}. Deactivate a user or add a seat, then retry.",
        )


class ReductionNotPossible(Refused):
    """A reduction of purchased seats that can't be scheduled or cancelled (T16); the message says why."""

    code = "reduction_not_possible"


class EmailMissing(Refused):
    """An invitation without an address to send it to (R19)."""

    code = "email_missing"

    def __init__(self) -> None:
        super().__init__("Choose an e-mail address that the invitation goes to.")


class InvitationNotPending(Refused):
    """The link of an invitation that was used, revoked or replaced before; `state` says which (T4)."""

    code = "invitation_not_pending"

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(f"This invitation can't be accepted any more: it is {state}. Ask for a new one.")


class InvitationExpired(Refused):
    """The link of an invitation that is past its time (T4, T5)."""

    code = "invitation_expired"

    def __init__(self) -> None:
        super().__init__("This invitation has expired. Ask for a new one.")


class WrongAccount(Refused):
    """The account's e-mail isn't the invited one (T4). The message names neither address."""

    code = "wrong_account"

    def __init__(self) -> None:
        super().__init__("This invitation is for another e-mail address. Sign in with the account that was invited.")
