"""Every refusal of the product's rules, in words for the person who asked. Knows no status codes, SCIM or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

_NONE_PENDING: Final = "No invitation is pending: this contact is {status}."
_INVITE: Final = f"{_NONE_PENDING} Invite it instead."
# (event, status) → what to say of it; `sources` are the statuses from which it is possible.
_INSTEAD: Final[Mapping[tuple[str, str], str]] = {
    ("activate", "uninvited"): "This contact has never been let in: it is uninvited. Invite it instead.",
    ("invite", "invited"): "This contact is invited already. Send the invitation again instead.",
    ("invite", "active"): "Only a contact that is uninvited or inactive can be invited; this one is active.",
    ("resend", "uninvited"): _INVITE,
    ("resend", "inactive"): _INVITE,
    ("resend", "active"): _NONE_PENDING,
    ("revoke", "uninvited"): _NONE_PENDING,
    ("revoke", "inactive"): _NONE_PENDING,
    ("revoke", "active"): _NONE_PENDING,
    ("accept", "uninvited"): _NONE_PENDING,
    ("accept", "inactive"): _NONE_PENDING,
}
_ELSE: Final = "That takes a contact that is {sources}; this one is {status}."


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
    """Someone gives, or takes away, a role that ranks above their own, or acts for who has it."""

    code = "role_above_own"

    def __init__(self, role: str) -> None:
        self.role = role
        super().__init__(
            f"The role '{role}' ranks above what you may do: you can't give it, take it away, act for who has it or "
            "change how they sign in."
        )


class SignInOfAnother(Refused):
    """A person below an admin changes how a colleague signs in who doesn't rank below them."""

    code = "sign_in_of_another"

    def __init__(self) -> None:
        super().__init__(
            "Only an administrator changes the userName, the e-mail addresses or the password of a colleague who may "
            "sign in."
        )


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
    """`event` isn't possible from `status`; `sources` are the states it is possible from. It says what is instead."""

    code = "illegal_transition"

    def __init__(self, event: str, status: str, sources: Iterable[str]) -> None:
        self.event, self.status, self.sources = event, status, tuple(sources)
        sentence = _INSTEAD.get((str(event), str(status)), _ELSE)
        super().__init__(sentence.format(status=status, sources=" or ".join(self.sources)))


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
