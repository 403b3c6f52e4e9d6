"""What was revoked is refused on the next request by every worker, also by one that took it a moment ago."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from scim_server.directory import access, clients
from tests.directory.desk import PASSWORD, address
from tests.directory.desk import Desk as People
from tests.http.browser import forms_of
from tests.http.conftest import Site
from tests.support import Served, World, cli

MOST = 100
ESTABLISHED = "01"


@pytest.fixture
def world(site: Site) -> World:
    return site.world()


@pytest.fixture
def kept(site: Site) -> Iterator[list[httpx.Client]]:
    """Connections to the server that stay open, so many that each worker has one at least."""
    with ExitStack() as stack:
        yield list(_connections(site.served, stack))


def _connections(served: Served, stack: ExitStack) -> Iterator[httpx.Client]:
    for _ in range(MOST):
        one = stack.enter_context(httpx.Client(base_url=served.url, timeout=60))
        assert one.get("/healthz").status_code == 200
        yield one
        if len(_workers_met(served)) == 2:
            return
    raise AssertionError("one worker takes all connections")


def _workers_met(served: Served) -> set[str]:
    """The processes under the server's that have a connection of a client, by what the kernel says."""
    port = f":{urlsplit(served.url).port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    ours = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(port) and line[3] == ESTABLISHED}
    process = served.process.pid
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return {
        child
        for child in children
        if any(str(each.readlink()) in ours for each in Path(f"/proc/{child}/fd").iterdir() if each.is_symlink())
    }


Ask = Callable[[httpx.Client], int]


def _reads(token: str) -> Ask:
    headers = {"Authorization": f"Bearer {token}"}
    return lambda one: one.get("/scim/v2/Users?count=0", headers=headers).status_code


def _gets_token(client_id: str, secret: str) -> Ask:
    form = {"grant_type": "client_credentials"}
    return lambda one: one.post("/oauth/token", data=form, auth=(client_id, secret)).status_code


def _answers(kept: list[httpx.Client], ask: Ask) -> set[int]:
    return {ask(one) for one in kept}


def test_a_revoked_token(site: Site, world: World, kept: list[httpx.Client]) -> None:
    client = world.client()
    (connection,) = access.list_connections(world.directory, world.name)
    (token,) = access.list_tokens(world.directory, world.name, connection.name)
    reads = _reads(client.token)
    assert _answers(kept, reads) == {200}, "each worker has taken it"
    where = ("--workspace", world.name, "--connection", connection.name)
    cli(site.served.database_url, "token", "revoke", token.id, *where)
    assert _answers(kept, reads) == {401}


@pytest.mark.parametrize("how", ["rotate", "revoke secret", "revoke client"])
def test_a_rotated_secret(site: Site, world: World, kept: list[httpx.Client], how: str) -> None:
    world.client()
    (connection,) = access.list_connections(world.directory, world.name)
    client, secret, text = clients.create_client(world.directory, world.name, connection.name, "Acme IdP")
    assert secret is not None
    gets = _gets_token(client.id, text or "")
    assert _answers(kept, gets) == {200}, "each worker has taken it"
    form, pair = {"grant_type": "client_credentials"}, (client.id, text or "")
    access_token = kept[0].post("/oauth/token", data=form, auth=pair).json()["access_token"]
    commands = {
        "rotate": ("client", "rotate", client.id, "--revoke-others"),
        "revoke secret": ("client", "revoke", client.id, "--secret", secret.id),
        "revoke client": ("client", "revoke", client.id),
    }
    said = cli(site.served.database_url, *commands[how], "--workspace", world.name)
    assert _answers(kept, gets) == {401}
    if how == "rotate":
        assert _answers(kept, _gets_token(client.id, said["client_secret"])) == {200}
    # one secret's end leaves the access tokens; a leak (--revoke-others) ends them
    assert _answers(kept, _reads(access_token)) == ({200} if how == "revoke secret" else {401})


def test_an_access_token_that_its_client_revokes(world: World, kept: list[httpx.Client]) -> None:
    world.client()
    (connection,) = access.list_connections(world.directory, world.name)
    client, _, text = clients.create_client(world.directory, world.name, connection.name, "Acme IdP")
    form, pair = {"grant_type": "client_credentials"}, (client.id, text or "")
    access_token = kept[0].post("/oauth/token", data=form, auth=pair).json()["access_token"]
    assert _answers(kept, _reads(access_token)) == {200}
    assert kept[0].post("/oauth/revoke", data={"token": access_token}, auth=pair).status_code == 200
    assert _answers(kept, _reads(access_token)) == {401}


def test_a_session_of_a_deactivated_contact(site: Site, world: World, kept: list[httpx.Client]) -> None:
    people, mail = People(world), address()
    contact_id = people.accept(people.invite(people.person(mail, roles=[{"value": "admin"}]))).contact_id
    first = kept[0]
    form = forms_of(first.get("/signin").text)[-1][1]
    said = {**form, "workspace": world.name, "email": mail, "password": PASSWORD}
    assert first.post("/signin", data=said).status_code == 303
    cookie = "; ".join(f"{name}={value}" for name, value in first.cookies.items())
    first.cookies.clear()

    def home(one: httpx.Client) -> int:
        return one.get("/console/account", headers={"Cookie": cookie}).status_code

    assert _answers(kept, home) == {200}, "each worker has taken it"
    cli(site.served.database_url, "contact", "deactivate", contact_id, "--yes", "--workspace", world.name)
    assert _answers(kept, home) == {303}
    people.set_active(contact_id, True)
    assert _answers(kept, home) == {303}, "it is over for good"
