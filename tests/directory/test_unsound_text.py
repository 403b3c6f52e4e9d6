"""Text that no database keeps, U+0000 and half a surrogate pair, is refused or means nobody: never a fault."""

from __future__ import annotations

import pytest

from scim_server.directory import access, activity, invitations, seats
from scim_server.directory.access import NotAllowed, Unknown
from scim_server.directory.activity import Wanted
from scim_server.domain.errors import UnknownLicence
from scim_server.scim.errors import ScimError
from tests.directory.desk import Desk
from tests.support import World

UNSOUND = pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


@UNSOUND
def test_pages(desk: Desk, text: str) -> None:
    directory, actor = desk.directory, desk.call.actor
    with pytest.raises(NotAllowed):
        seats.entries(directory, actor, after=text)
    with pytest.raises(NotAllowed):
        seats.holders(directory, actor, after=text)
    for wanted, after in ((Wanted(), text), (Wanted(acts=(text,)), None), (Wanted(contact_id=text), None)):
        with pytest.raises(NotAllowed):
            activity.find(directory, actor, wanted, after=after)


@UNSOUND
def test_names_of_things(desk: Desk, text: str) -> None:
    directory, actor = desk.directory, desk.call.actor
    with pytest.raises(UnknownLicence):
        seats.add(directory, actor, text, 1)
    with pytest.raises(Unknown):
        seats.cancel_reduction(directory, actor, text)
    with pytest.raises(ScimError, match="no User"):
        invitations.invite(directory, desk.call, text, None)
    with pytest.raises(ScimError, match="no User"):
        invitations.revoke(directory, desk.call, text)


@UNSOUND
def test_a_new_workspaces_owner(desk: Desk, text: str) -> None:
    name = f"{desk.world.name} two"
    with pytest.raises(NotAllowed, match="e-mail"):
        access.create_workspace(desk.directory, name, f"{text}@x.test")
    with pytest.raises(NotAllowed, match="owner"):
        access.create_workspace(desk.directory, name, "owner@x.test", owner_name=text)
    with pytest.raises(Unknown):
        access.operator(desk.directory, name)
