"""Who asks for a change, and with what right. Knows no tokens, requests or sessions."""

from __future__ import annotations

from dataclasses import dataclass

from scim_server.domain.errors import MissingPermission
from scim_server.domain.roles import ALL_PERMISSIONS, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A caller in one workspace: a connection, a person or the system itself.

    `kind` is connection, contact or system; `door` is where the call came in: scim, api, cli or console. `role` is
    the person's role, None for a connection or the system.
    """

    workspace_id: str
    kind: str
    door: str
    permissions: frozenset[str]
    id: str | None = None
    role: Role | None = None
    request_id: str | None = None

    def require(self, *permissions: str) -> None:
        """Raise MissingPermission for the first of `permissions` that the caller lacks (lifecycle.md D13)."""
        for permission in permissions:
            if permission not in self.permissions:
                raise MissingPermission(permission)


def system(workspace_id: str, door: str = "cli") -> Actor:
    """The actor of an administrative command: it may do everything that the rules allow at all."""
    return Actor(workspace_id=workspace_id, kind="system", door=door, permissions=frozenset(ALL_PERMISSIONS))
