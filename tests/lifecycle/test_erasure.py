"""After DELETE a person is found nowhere (R31, R45b, R61), and after a deactivation everywhere as before (R43, R46)."""

from __future__ import annotations

import csv
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from scim_server.app import create_app
from scim_server.directory import Directory, access, activity, contacts, items
from scim_server.directory.contacts import Call
from scim_server.directory.items import NewItem
from scim_server.domain.actor import Actor, system
from scim_server.settings import Settings
from scim_server.storage import accounts
from scim_server.storage.db import reading, writing
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.support import ENTERPRISE_URN, Client, World, new_world, serving

# What identifies the person: each of these is looked for, in any case.
PERSON = {
    "userName": "zerafina@quillmark.test",
    "displayName": "Zerafina Quillmark",
    "name": {"givenName": "Zerafina", "familyName": "Quillmark", "formatted": "Dr Zerafina Quillmark"},
    "nickName": "Zerry-the-first",
    "emails": [{"value": "zerafina@quillmark.test", "primary": True}, {"value": "zq-home@quillmark.test"}],
    "phoneNumbers": [{"value": "+49 30 5550987"}],
    "photos": [{"value": "https://photos.test/zerafina.png"}],
    "externalId": "quillmark-ext-77",
    "password": "Quillmark-secret-1",
    ENTERPRISE_URN: {"employeeNumber": "QM-0087123"},
}
TRACES = ("zerafina", "quillmark", "zerry", "5550987", "0087123")


def traces_in(found: str) -> list[str]:
    folded = found.lower()
    return [trace for trace in TRACES if trace in folded]


@pytest.fixture(params=DATABASES)
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str], folder: Path) -> Iterator[World]:
    """A workspace in a database of its own."""
    url = new_database(request.param)
    app = create_app(Settings(database_url=url, mail_folder=str(folder / "mail")))
    directory: Directory = app.extensions["directory"]
    upgrade(directory.engine)
    yield new_world(app)
    directory.engine.dispose()


def everything_stored(world: World) -> str:
    """Every value of every table, and on PostgreSQL what its planner remembers of them."""
    world.app.extensions["guard"].log.flush()
    engine = world.directory.engine
    with reading(engine) as db:
        names = inspect(db).get_table_names()
        assert {"contacts", "activity", "outbox", "accounts", "items", "requests"} <= set(names)
        rows = [str(tuple(row)) for name in names for row in db.execute(text(f'SELECT * FROM "{name}"'))]
        if engine.dialect.name == "postgresql":
            rows += [str(tuple(row)) for row in db.execute(text("SELECT * FROM pg_stats WHERE schemaname = 'public'"))]
    return "\n".join(rows)


def bytes_of(world: World) -> str:
    """What the files of an SQLite database hold after a checkpoint."""
    engine = world.directory.engine
    with engine.connect() as db:
        db.exec_driver_sql("ROLLBACK")
        assert db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0] == 0, "nobody was in the way"
        db.exec_driver_sql("BEGIN")
    file = Path(engine.url.database or "")
    return "".join(each.read_bytes().decode("latin-1") for each in sorted(file.parent.glob(f"{file.name}*")))


def provisioned(client: Client) -> Any:
    answer = client.post("/Users", PERSON)
    assert answer.status == 201, answer.text
    return answer.json


def lived(world: World, client: Client) -> str:
    """A person with a whole life in the workspace, acting and acted upon; returns the id."""
    person: str = provisioned(client)["id"]
    path = f"/Users/{person}"
    for name, value in (
        ("active", False),
        ("title", "Duchess Quillmark"),
        ("active", True),
        ("nickName", "Zerry-the-second"),
        ("displayName", "Zerafina Q."),
        ("displayName", "Zerafina Quillmark, once more, and this time with a name that is rather long"),
    ):
        assert client.patch(path, {"op": "replace", "path": name, "value": value}).status == 200
    client.group("Team", person)
    connection = secrets.token_hex(4)
    access.create_connection(world.directory, world.name, connection)
    acting = access.create_token(
        world.directory, world.name, connection, secrets.token_bytes, user_name="zerafina@quillmark.test"
    )[1]
    by_person = Client(world.app, acting)
    assert by_person.patch("/Me", {"op": "replace", "path": "locale", "value": "de-DE"}).status == 200
    by_person.user("guest@x.test")
    new = NewItem(kind="project", title="A plan", owner_id=person)
    items.add(world.directory, system(world.workspace_id), new)
    link_account(world, person)
    return person


def link_account(world: World, contact_id: str) -> None:
    account = accounts.Account(
        id=world.directory.new_id(), email="zerafina@quillmark.test", password=None, proven=False
    )

    def work(db: Any) -> None:
        accounts.add_account(db, account, world.directory.now())
        accounts.link(db, world.workspace_id, contact_id, account.id)

    writing(world.directory.engine, work)


def entries(world: World, actor: Actor | None = None) -> list[activity.Entry]:
    return list(activity.stream(world.directory, actor or system(world.workspace_id), activity.Wanted()))


def test_r45b_r61_a_deleted_person_is_in_no_table(kept: World) -> None:
    client = kept.client()
    for number in range(40):  # neighbours, so that pages split and rows move
        client.user(f"p{number}@x.test", displayName=f"Person {number}")
    person = lived(kept, client)
    for number in range(40, 60):
        client.user(f"p{number}@x.test")
    assert traces_in(everything_stored(kept)) == list(TRACES), "the search finds what is there"
    assert client.delete(f"/Users/{person}").status == 204
    if kept.directory.engine.dialect.name == "postgresql":
        with kept.directory.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            db.exec_driver_sql("COMMIT")
            db.exec_driver_sql("ANALYZE")
            db.exec_driver_sql("BEGIN")
    assert traces_in(everything_stored(kept)) == []
    if kept.directory.engine.dialect.name == "sqlite":
        assert traces_in(bytes_of(kept)) == [], "nor in what the files hold beside the tables"


@pytest.mark.parametrize("kept", ["sqlite"], indirect=True)  # PostgreSQL's files are the server's
def test_the_bytes_would_tell(kept: World) -> None:
    lived(kept, kept.client())
    assert traces_in(bytes_of(kept)) == list(TRACES)
    with kept.directory.engine.connect() as db:
        assert db.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


def test_r45b_in_the_activity_log_it_was_a_deleted_user(world: World, client: Client) -> None:
    person = lived(world, client)
    before = entries(world)
    assert {each.subject for each in before if each.subject_id == person} == {
        "Zerafina Quillmark, once more, and this time with a name that is rather long"
    }
    assert client.delete(f"/Users/{person}").status == 204
    after = entries(world)
    assert len(after) == len(before) + 1
    assert {each.subject for each in after if each.subject_id == person} == {"Deleted user"}
    mine = [each for each in after if each.actor_id == person]
    assert {each.actor for each in mine} == {"Deleted user"}
    assert "contact.provisioned" in {each.act for each in mine}, "what it did to others stays"
    assert {each.subject for each in mine} == {"Deleted user", "guest@x.test"}
    assert traces_in(str(after)) == []
    kept_columns = [(each.id, each.at, each.act, each.door, each.actor_id, each.subject_id) for each in before]
    assert kept_columns == [
        (each.id, each.at, each.act, each.door, each.actor_id, each.subject_id) for each in after[:-1]
    ]


def test_r31_r61_no_answer_names_a_deleted_person(world: World, client: Client) -> None:
    person = lived(world, client)
    host = {"Authorization": f"Bearer {client.token}"}
    client.delete(f"/Users/{person}")
    answers = [
        client.get(f"/Users/{person}").text,
        client.get("/Users?count=1000").text,
        client.get("/Groups?count=1000").text,
        client.get('/Users?filter=name.familyName sw "Qu" or emails.value co "quill"').text,
        client.get('/Users?filter=externalId sw "quill"').text,
        world.app.test_client().get("/api/items", headers=host).text,
    ]
    assert [traces_in(each) for each in answers] == [[]] * len(answers)
    assert client.get('/Users?filter=userName eq "zerafina@quillmark.test"').json["totalResults"] == 0
    again = provisioned(client)
    assert again["id"] != person
    assert "groups" not in again
    assert [each.act for each in entries(world) if each.subject_id == again["id"]] == ["contact.provisioned"]
    page = items.find(world.directory, system(world.workspace_id), items.Wanted(owner_id=again["id"]))
    assert page.items == [], "nobody comes into what the deleted one had"


@pytest.mark.parametrize("kind", DATABASES)
def test_r45b_no_export_and_no_log_line_names_a_deleted_person(
    kind: str, new_database: Callable[[str], str], folder: Path
) -> None:
    """With a real server, whose log is read to its end, and the command's real files."""
    url = new_database(kind)
    with serving(url, environment={"SCIM_SERVER_LOG_LEVEL": "debug"}) as server, server.client() as http:
        made = http.post("/Users", content=json.dumps(PERSON))
        assert made.status_code == 201
        person = made.json()["id"]
        faulty = {**PERSON, "userName": "zerafina", "active": "quillmark"}
        for refused in (
            http.post("/Users", content=json.dumps(PERSON)),
            http.post("/Users", content=json.dumps(faulty)),
            http.post("/Users", content=b'{"userName": "zerafina@quillmark.test", '),
            http.get("/Users", params={"filter": 'userName eq "zerafina@quillmark.test" and'}),
            http.patch(f"/Users/{person}", content=json.dumps({"Operations": [{"op": "add", "path": "quillmark("}]})),
        ):
            assert 400 <= refused.status_code < 500, refused.text
        assert http.delete(f"/Users/{person}").status_code == 204
        exports = [_exported(url, folder, each) for each in ("csv", "jsonl")]
        said = server.lines
    assert "Deleted user" in exports[0]
    assert len(list(csv.reader(exports[0].splitlines()))) == len(exports[1].splitlines()) + 1
    assert [traces_in(each) for each in exports] == [[], []]
    assert any('"event"' in line for line in said), "it is the log"
    assert traces_in("".join(said)) == []


def _exported(url: str, folder: Path, kind: str) -> str:
    file = folder / f"log.{kind}"
    command = [sys.executable, "-m", "scim_server.cli", "activity", "export", "--workspace", "Workspace"]
    subprocess.run([*command, "--format", kind, "--database", url, str(file)], check=True, env=dict(os.environ))
    return file.read_text()


def test_an_unexpected_fault_is_logged_without_the_persons_values(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the database says of a row that it refuses, with the row in its hand."""
    client.user("guest@x.test")
    monkeypatch.setattr("scim_server.storage.contacts.load_by_user_name", lambda *_, **__: None)
    monkeypatch.setattr("scim_server.storage.contacts.IntegrityError", ZeroDivisionError)
    for name in ("guest@x.test", "guest@x.test"):
        refused = client.post("/Users", {**PERSON, "userName": name, "displayName": "Zerafina Quillmark"})
        assert refused.status == 500, refused.text
    logged = capsys.readouterr().err
    assert "unexpected fault" in logged
    assert traces_in(logged) == []
    assert "guest@x.test" not in logged


def test_r43_r46_names_survive_deactivation_also_when_another_takes_the_seat(app: Any) -> None:
    world = new_world(app, seats=2)
    client = world.client()
    ann = client.user("ann@x.test", displayName="Ann Archer")["id"]
    connection = secrets.token_hex(4)
    access.create_connection(world.directory, world.name, connection)
    _, text = access.create_token(world.directory, world.name, connection, secrets.token_bytes, user_name="ann@x.test")
    by_ann = Client(world.app, text)
    assert by_ann.patch("/Me", {"op": "replace", "path": "title", "value": "Boss"}).status == 200
    assert client.post("/Users", {"userName": "bob@x.test"}).status == 403, "the pool is full"
    before = entries(world)
    assert client.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": False}).status == 200
    bob = client.user("bob@x.test", displayName="Bob Baker")["id"]
    after = entries(world)
    assert after[: len(before)] == before, "rows and authors, word for word"
    assert [each.act for each in after[len(before) :]] == ["contact.deactivated", "contact.provisioned"]
    assert {each.actor for each in after if each.actor_id == ann} == {"Ann Archer"}
    assert {each.subject for each in after if each.subject_id == ann} == {"Ann Archer"}
    assert {each.subject_id for each in after if each.subject == "Bob Baker"} == {bob}
    assert not [each for each in after if each.actor == "Bob Baker"]


def test_an_account_that_opens_another_workspace_outlives_the_contact(app: Any, world: World, client: Client) -> None:
    """R4b, R45b: the identity is the person's own as long as anyone else knows it."""
    other = new_world(app)
    mine, theirs = client.user("kim@k.test")["id"], other.client().user("kim@k.test")["id"]
    email = f"{secrets.token_hex(4)}@k.test"
    account = accounts.Account(id=world.directory.new_id(), email=email, password=None, proven=False)

    def work(db: Any) -> None:
        accounts.add_account(db, account, world.directory.now())
        accounts.link(db, world.workspace_id, mine, account.id)
        accounts.link(db, other.workspace_id, theirs, account.id)

    writing(world.directory.engine, work)

    def known() -> accounts.Account | None:
        with reading(world.directory.engine) as db:
            return accounts.account_with(db, email)

    contacts.delete(world.directory, Call(system(world.workspace_id), None, ""), mine)
    assert known() == account
    contacts.delete(world.directory, Call(system(other.workspace_id), None, ""), theirs)
    assert known() is None
