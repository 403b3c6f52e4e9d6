"""`scim-server import` and `export`: what comes in, what is refused, and that one reads what the other wrote."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from scim_server.cli.files import read_file
from scim_server.directory import access, transport
from scim_server.storage import counts
from scim_server.storage.db import reading
from scim_server.storage.tables import activity, contacts, outbox, seat_changes, seats
from tests.cli.conftest import Here
from tests.http.test_lifecycle import acts, pool, recorded
from tests.support import new_world

HEADER = "userName,givenName,familyName,email,role,licence,active,groups"


def _file(folder: Path, *rows: str, header: str = HEADER, name: str = "people.csv") -> str:
    path = folder / name
    path.write_text("\n".join((header, *rows)) + "\n")
    return str(path)


def _count(answer: Any) -> tuple[int, ...]:
    return tuple(answer[name] for name in ("created", "updated", "unchanged", "skipped", "rejected"))


def _rejected(here: Here, path: str, *options: str) -> dict[int, str]:
    """Line → reason, of an import that rejects some rows."""
    report = Path(path).parent / "report.csv"
    here.fails("import", path, "--report", str(report), *options)
    with report.open(newline="") as file:
        return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}


def _stored(here: Here) -> dict[str, int]:
    with reading(here.world.directory.engine) as db:
        return {
            table.name: db.scalar(
                select(func.count()).where(table.c.workspace_id == here.world.workspace_id).select_from(table)
            )
            or 0
            for table in (contacts, seats, seat_changes, activity, outbox)
        }


def test_people_come_in_with_seats_records_and_groups(here: Here, folder: Path) -> None:
    path = _file(
        folder,
        "ann@x.test,Ann,Lee,ann@x.test,admin,,true,Red;Blue",
        "bob@x.test,Bob,,,,client,true,Red",
        "cat@x.test,Cat,,,,,false,",
        'dan@x.test,"Dan\nDaniel",,,,,,"""A;B"";Blue"',
    )
    assert _count(here.json("import", path)) == (4, 0, 0, 0, 0)
    ann = here.json("contact", "show", "ann@x.test")
    assert (ann["status"], ann["seat"], ann["role"], ann["account_linked"]) == ("active", "assigned", "admin", True)
    assert sorted(ann["groups"]) == ["Blue", "Red"]
    assert acts(here.world, ann["id"]) == ["contact.provisioned"]
    bob, cat, dan = (here.json("contact", "show", f"{name}@x.test") for name in ("bob", "cat", "dan"))
    assert (bob["licence"], bob["seat"]) == ("client", "assigned")
    assert (cat["status"], cat["seat"]) == ("inactive", "none")
    assert (dan["status"], sorted(dan["groups"])) == ("uninvited", ["A;B", "Blue"])
    assert (pool(here.world).assigned, pool(here.world).purchased) == (2, 100)
    stored = _stored(here)
    assert stored["outbox"] == stored["contacts"] == 5, "one event for each, the owner's among them"
    with reading(here.world.directory.engine) as db:
        assert counts.total(db, here.world.workspace_id, with_archived=True) == 5
    user = here.world.client().get('/Users?filter=userName eq "dan@x.test"').json["Resources"][0]
    assert user["name"] == {"givenName": "Dan\nDaniel"}
    found = here.world.client().get('/Users?filter=emails.value eq "ann@x.test"').json
    assert found["totalResults"] == 1
    assert found["Resources"][0]["roles"] == [{"value": "admin"}]


def test_run_again_it_skips_what_is_there(here: Here, folder: Path) -> None:
    rows = ["ann@x.test,Ann,Lee,,,,true,Red", "bob@x.test,Bob,,,,,false,"]
    path = _file(folder, *rows)
    here.json("import", path)
    noted = _stored(here)
    assert _count(here.json("import", path)) == (0, 0, 2, 0, 0)
    other = _file(folder, "ANN@x.test,Anna,Lee,,,,true,Red;Blue", rows[1])
    assert _count(here.json("import", other)) == (0, 0, 1, 1, 0)
    assert _stored(here) == noted


def test_only_update_changes_those_who_are_there(here: Here, folder: Path) -> None:
    here.json("import", _file(folder, "ann@x.test,Ann,Lee,ann@x.test,,,true,Red", "bob@x.test,Bob,,,,,true,"))
    ann = here.json("contact", "show", "ann@x.test")
    path = _file(folder, "ann@x.test,Anna,Lee,,admin,,false,Blue", "bob@x.test,Bob,,,,,true,")
    assert _count(here.json("import", path)) == (0, 0, 1, 1, 0)
    assert here.json("contact", "show", "ann@x.test") == ann
    assert _count(here.json("import", path, "--update")) == (0, 1, 1, 0, 0)
    after = here.json("contact", "show", "ann@x.test")
    assert (after["id"], after["status"], after["role"], after["seat"]) == (ann["id"], "inactive", "admin", "none")
    assert sorted(after["groups"]) == ["Blue", "Red"], "groups are joined and never left"
    user = here.world.client().get(f"/Users/{ann['id']}").json
    assert (user["name"]["givenName"], "emails" in user) == ("Anna", False)
    assert _count(here.json("import", path, "--update")) == (0, 0, 2, 0, 0)
    assert acts(here.world, ann["id"]) == ["contact.provisioned", "contact.edited", "contact.deactivated"]


def test_each_bad_row_is_rejected_by_line_and_the_others_are_in(here: Here, folder: Path) -> None:
    path = _file(
        folder,
        "ann@x.test,Ann,,,,,true,",
        ",Nobody,,,,,true,",
        "b@x.test,,,,king,,true,",
        "c@x.test,,,,,golden,true,",
        "d@x.test,,,,,,maybe,",
        "ANN@x.test,,,,,,true,",
        "e@x.test,,,,owner,,true,",
        "f@x.test,too,few",
        'g@x.test,"two\nlines",,,,,true,',
        "h@x.test,,,,,,perhaps,",
    )
    reasons = _rejected(here, path)
    assert sorted(reasons) == [3, 4, 5, 6, 7, 8, 9, 12]
    told = {3: "empty", 4: "'king'", 5: "'golden'", 6: "true, false", 7: "line 2", 8: "owner", 9: "3 cells", 12: "true"}
    for line, part in told.items():
        assert part in reasons[line]
    assert {"ann@x.test", "g@x.test"} == {
        here.json("contact", "show", each)["user_name"] for each in ("ann@x.test", "g@x.test")
    }
    assert _stored(here)["contacts"] == 3


def test_the_last_seats_go_to_the_first_rows(here: Here, folder: Path) -> None:
    path = _file(folder, *(f"u{number}@x.test,,,,,,true,Red" for number in range(103)))
    reasons = _rejected(here, path)
    assert sorted(reasons) == [101, 102, 103, 104]
    assert "No free 'member' seat: 100 purchased, 100 assigned" in reasons[101]
    assert (pool(here.world).assigned, _stored(here)["contacts"]) == (100, 100)
    assert _stored(here)["outbox"] == 100, "a refused row leaves nothing behind"


@pytest.mark.parametrize("refused", [False, True])
def test_a_dry_run_reports_the_same_and_writes_nothing(here: Here, folder: Path, refused: bool) -> None:
    rows = [f"u{number}@x.test,,,,,,true,Red" for number in range(103 if refused else 5)]
    path, noted, workspace = _file(folder, *rows), _stored(here), recorded(here.world)
    dry = here.run("import", path, "--dry-run", "--json")
    assert (_stored(here), recorded(here.world)) == (noted, workspace)
    wet = here.run("import", path, "--json")
    assert dry.exit_code == wet.exit_code == int(refused)
    if refused:
        assert "4 rows would be rejected. Nothing was written." in dry.stderr
        assert "4 rows were rejected; the others are in." in wet.stderr
    assert json.loads(dry.stdout) | {"dry_run": False} == json.loads(wet.stdout)
    assert len(json.loads(dry.stdout)) == 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"userName,colour\na,b\n", "'colour'"),
        (b"userName,userName\na,b\n", "twice"),
        (b"givenName\na\n", "'userName' is missing"),
        (b"", "'userName' is missing"),
        (b"userName,externalId\na,b\n", "--connection"),
        (b"userName;email\na;b\n", "Separate columns by commas."),
        (b"userName\nann@x.test\nJos\xe9\n", "Line 3 isn't UTF-8"),
        (b'userName,title\nann@x.test,x\nbob@x.test,"open\nand on\n', "line 3"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_whole(here: Here, folder: Path, content: bytes, said: str) -> None:
    path = folder / "people.csv"
    path.write_bytes(content)
    noted = _stored(here)
    assert said in here.fails("import", str(path))
    assert _stored(here) == noted


def test_a_byte_order_mark_is_no_part_of_a_name(here: Here, folder: Path) -> None:
    for name, content in (("a.csv", "userName\r\nann@x.test\r\n"), ("b.jsonl", '{"userName": "bob@x.test"}\n')):
        (folder / name).write_text("\ufeff" + content)
        assert _count(here.json("import", str(folder / name)))[0] == 1


def test_json_lines(here: Here, folder: Path) -> None:
    lines = [
        {"userName": "ann@x.test", "active": True, "groups": ["A;B", "C"], "title": None},
        {"userName": "bob@x.test", "colour": "red"},
        {"userName": 5},
        {"userName": "cat@x.test", "groups": [7]},
        *({"userName": f"d{number}@x.test", "groups": cell} for number, cell in enumerate((False, 0, {}, [None]))),
    ]
    text = "\n".join([*(json.dumps(line) for line in lines), "{", "[]"])
    reasons = _rejected(here, _file(folder, header=text, name="people.jsonl"))
    assert sorted(reasons) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert "'colour'" in reasons[2]
    assert reasons[5] == reasons[6] == reasons[7] == "groups must be a list of names."
    assert sorted(here.json("contact", "show", "ann@x.test")["groups"]) == ["A;B", "C"]


def test_external_ids_belong_to_the_connection_that_is_named(here: Here, folder: Path) -> None:
    name = here.json("connection", "create", "--name", "idp")["connection"]
    path = _file(folder, "ann@x.test,e1", header="userName,externalId")
    assert _count(here.json("import", path, "--connection", name))[0] == 1
    out = folder / "out.csv"
    here.json("export", str(out), "--connection", name)
    assert [row["externalId"] for row in csv.DictReader(out.read_text().splitlines())] == ["", "e1"]
    assert "nope" in here.fails("export", str(out), "--connection", "nope")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_import_reads_what_export_wrote(here: Here, folder: Path, kind: str) -> None:
    client = here.world.client()
    client.user("ann@x.test", name={"givenName": "Ann", "familyName": 'Lee "x"'}, displayName="Ann; Lee\nsecond")
    client.user("bob@x.test", active=False, roles=[{"value": "admin"}], phoneNumbers=[{"value": "+1"}])
    here.json("contact", "create", "cat@x.test", "--title", " spaced ", "--licence", "client")
    here.json("contact", "archive", "cat@x.test")
    client.group('Red;"Blue"', here.json("contact", "show", "ann@x.test")["id"])
    first, second = folder / f"first.{kind}", folder / f"second.{kind}"
    assert here.json("export", str(first))["contacts"] == 4
    other = new_world(here.world.app)
    mail = f"owner@{here.world.name}.test"
    owner: dict[str, Any] = {"userName": mail, "displayName": "Workspace Owner", "emails": [{"value": mail}]}
    owner["name"] = {"givenName": "Workspace", "familyName": "Owner"}
    other.client().put(f"/Users/{other.owner_id}", owner)
    answer = here.json("import", str(first), workspace=other.name)
    assert _count(answer) == (3, 0, 1, 0, 0)
    here.json("export", str(second), workspace=other.name)
    assert second.read_bytes() == first.read_bytes()


def test_an_export_that_fails_leaves_the_old_file(here: Here, folder: Path) -> None:
    path = folder / "out.csv"
    path.write_text("old")
    here.fails("export", str(path), "--connection", "nope")
    assert path.read_text() == "old"
    assert list(folder.iterdir()) == [path]
    misused = here.run("export", str(folder / "out.txt"))
    assert (misused.exit_code, "must end with" in misused.stderr) == (2, True)


@pytest.mark.parametrize("act", ["export", "import"])
def test_a_place_that_is_not_there_is_refused_before_any_work(here: Here, folder: Path, act: str) -> None:
    nowhere, noted = str(folder / "nope" / "x.csv"), _stored(here)
    arguments = [nowhere] if act == "export" else [_file(folder, "a@x.test,,,,,,true,"), "--report", nowhere]
    assert here.fails(act, *arguments) == f"Error: {nowhere} can't be written: No such file or directory."
    assert _stored(here) == noted


def test_an_e_mail_that_is_none_is_rejected_unless_it_is_there(here: Here, folder: Path) -> None:
    path = _file(folder, "a@x.test,Ann,,ann@corp.local,,,true,", "b@x.test,Bob,,not-an-email,,,true,")
    assert _rejected(here, path) == {3: "'not-an-email' is not an e-mail address."}
    here.world.client().user("c@x.test", emails=[{"value": "odd"}])
    known = _file(folder, "c@x.test,Cat,,odd,,,true,")
    assert _count(here.json("import", known, "--update")) == (0, 1, 0, 0, 0)
    assert "not an e-mail" in here.fails("contact", "create", "d@x.test", "--email", "not-an-email")


def test_skipped_rows_are_told_and_one_row_is_one(here: Here, folder: Path) -> None:
    here.json("import", _file(folder, "a@x.test,Ann,,,,,true,"))
    told = here.run("import", _file(folder, "a@x.test,Anna,,,,,true,", ",,,,,,,"))
    assert "1 was there already with other values; --update gives it the file's." in told.stderr
    assert told.stderr.endswith("Error: 1 row was rejected; the others are in.\n")


def test_an_interrupted_import_says_how_to_go_on(here: Here, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BATCH", 2)
    seen = list[Any]()

    def broken(*arguments: Any, **options: Any) -> Any:
        for row in read_file(*arguments, **options):
            seen.append(row)
            if len(seen) == 4:
                raise KeyboardInterrupt
            yield row

    path = _file(folder, *(f"u{number}@x.test,,,,,,true," for number in range(5)))
    monkeypatch.setattr("scim_server.cli.transport.read_file", broken)
    assert here.fails("import", path) == "Error: 2 rows are in; run the same command again to go on."
    seen.clear()
    assert here.fails("import", path, "--dry-run") == "Error: Interrupted. Nothing was written."


def test_interrupted_and_run_again(here: Here, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends between batches has all of the first ones and nothing of the next."""
    monkeypatch.setattr(transport, "BATCH", 7)
    rows = [transport.Row(line, {"userName": f"u{line}@x.test", "active": "true"}) for line in range(2, 30)]
    call = access.operators_call(here.world.directory, here.world.name, None)
    results = transport.import_rows(here.world.directory, call, rows)
    next(results)
    next(results)
    assert _stored(here)["contacts"] == 15

    def broken() -> Any:
        yield from rows[:17]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(transport.import_rows(here.world.directory, call, broken()))
    assert _stored(here)["contacts"] == 15
    path = _file(folder, *(f"{row.cells['userName']},true" for row in rows), header="userName,active")
    assert _count(here.json("import", path)) == (14, 0, 14, 0, 0)
    assert pool(here.world).assigned == 29
