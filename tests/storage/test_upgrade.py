"""Databases are brought up to date once, by whoever comes first, and never down."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, insert, inspect, text
from sqlalchemy.exc import IntegrityError

import scim_server.storage.access_tables  # noqa: F401 - its tables are of the same metadata
from scim_server.storage import accounts
from scim_server.storage.db import open_engine, reading, transaction
from scim_server.storage.steps import config_for
from scim_server.storage.tables import metadata
from scim_server.storage.upgrade import NewerDatabase, StrayRows, newest, upgrade
from tests.conftest import DATABASES


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """An empty database."""
    return new_database(request.param)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_an_empty_database_is_upgraded_once(engine: Engine) -> None:
    assert upgrade(engine) is True
    assert upgrade(engine) is False
    with reading(engine) as db:
        assert set(metadata.tables) < set(inspect(db).get_table_names())


def test_migrations_make_the_tables_that_the_program_knows(engine: Engine) -> None:
    upgrade(engine)
    with reading(engine) as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []


def test_the_newest_version_is_told_by_the_names_of_files(engine: Engine) -> None:
    upgrade(engine)
    with transaction(engine, "write") as db:
        assert ScriptDirectory.from_config(config_for(db)).get_heads() == [newest()]


def test_what_is_up_to_date_is_upgraded_without_alembic(url: str, engine: Engine) -> None:
    upgrade(engine)
    program = "import sys; from scim_server.cli import main; main(sys.argv[1:], standalone_mode=False); "
    command = [sys.executable, "-c", program + "print('alembic' in sys.modules)", "migrate", "--database", url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == "The database is up to date.\nFalse\n"


def test_a_database_from_the_future_is_left_alone(engine: Engine) -> None:
    upgrade(engine)
    with transaction(engine, "write") as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabase, match=r"version 9999.*too old"):
        upgrade(engine)
    with reading(engine) as db:
        assert db.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_threads_that_upgrade_at_once(url: str) -> None:
    engines = [open_engine(url) for _ in range(4)]
    with ThreadPoolExecutor(len(engines)) as pool:
        assert sorted(pool.map(upgrade, engines)) == [False, False, False, True]
    for engine in engines:
        engine.dispose()


def test_processes_that_upgrade_at_once(url: str, engine: Engine) -> None:
    command = [sys.executable, "-m", "scim_server.cli", "migrate", "--database", url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
    assert upgrade(engine) is False


def test_a_new_file_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # not yet in WAL mode, and SQLite refuses at once to change it
    with ThreadPoolExecutor(1) as pool:
        upgraded = pool.submit(upgrade, open_engine(f"sqlite:///{file}"))
        assert wait([upgraded], timeout=0.3).not_done
        other.execute("COMMIT")
        assert upgraded.result(timeout=30) is True
    other.close()


def test_a_failed_upgrade_leaves_nothing(engine: Engine) -> None:
    with transaction(engine, "write") as db:
        db.execute(text("CREATE TABLE members (mine INTEGER)"))
    with pytest.raises(Exception, match="members"):
        upgrade(engine)
    with reading(engine) as db:
        assert inspect(db).get_table_names() == ["members"]


def test_external_ids_go_to_the_connections_that_set_them(engine: Engine) -> None:
    before = filled(engine)
    assert upgrade(engine) is True
    after = rows_of(engine)
    assert after["contact_external_ids"] == [("w", "ann", "c", "A\u030a", "Å"), ("w", "bea", "d", "A\u030a", "Å")]
    assert after["group_external_ids"] == [("w", "crew", "c", "G", "G")]
    assert after["contacts"] == ["ann", "bea", "cem", "dia"]
    for name in ("contact_emails", "members", "seats", "tokens"):
        kept = [row[: len(old)] for row, old in zip(after[name], before[name], strict=True)]  # columns may be added
        assert kept == before[name] != [], name
    with reading(engine) as db:
        for table in ("contacts", "groups"):
            assert {"external_id", "external_id_key", "connection_id"}.isdisjoint(
                column["name"] for column in inspect(db).get_columns(table)
            )
            stored = db.scalars(text(f"SELECT CAST(search AS TEXT) FROM {table}")).all()
            assert [each.replace(" ", "") for each in stored] == ['{"a":"x"}'] * len(stored)


def test_what_guards_the_tables_outlives_an_upgrade(engine: Engine) -> None:
    filled(engine)
    upgrade(engine)
    refused = (
        "UPDATE contacts SET status = 'gone' WHERE id = 'ann'",
        "UPDATE contacts SET role = 'owner'",
        "UPDATE contacts SET role = 'owner', status = 'inactive' WHERE id = 'ann'",
        "UPDATE contacts SET user_name_key = 'bea' WHERE id = 'ann'",
        "UPDATE contacts SET licence = 'none' WHERE id = 'ann'",
        "UPDATE groups SET display_name_key = 'club' WHERE id = 'crew'",
        "UPDATE contact_external_ids SET connection_id = 'none'",
        "UPDATE contact_external_ids SET holder_id = 'none'",
        "DELETE FROM contacts WHERE id = 'ann'",  # holds a seat
    )
    for statement in refused:
        with pytest.raises(IntegrityError), transaction(engine, "write") as db:
            db.execute(text(statement))
    with transaction(engine, "write") as db:
        db.execute(text("DELETE FROM seats"))
        db.execute(text("DELETE FROM contacts WHERE id = 'ann'"))
        db.execute(text("DELETE FROM groups WHERE id = 'crew'"))
    after = rows_of(engine)
    assert [row[1] for row in after["contact_external_ids"]] == ["bea"]
    for name in ("group_external_ids", "contact_emails", "members", "tokens"):
        assert after[name] == [], f"{name} go with what they belong to"


def test_rows_that_an_upgrade_would_strand_are_reported(new_database: Callable[[str], str]) -> None:
    engine = open_engine(new_database("sqlite"))
    filled(engine)
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    driver.execute("UPDATE contact_emails SET contact_id = 'nobody'")
    driver.execute("PRAGMA foreign_keys=ON")
    pooled.close()
    with pytest.raises(StrayRows, match="contact_emails"):
        upgrade(engine)
    with reading(engine) as db:
        assert db.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
        assert db.scalar(text("PRAGMA foreign_keys")) == 1
    engine.dispose()


ROWS: Final[dict[str, list[dict[str, Any]]]] = {
    "workspaces": [{"name": "w", "name_key": "w"}],
    "licence_types": [{"name": "member", "counted": True, "policy": "block"}],
    "connections": [{"id": each, "name": each, "name_key": each, "preset": "okta", "settings": "{}"} for each in "cd"],
    "contacts": [
        {"id": "ann", "external_id": "A\u030a", "external_id_key": "Å", "connection_id": "c"},
        {"id": "bea", "external_id": "A\u030a", "external_id_key": "Å", "connection_id": "d"},
        {"id": "cem", "external_id": "A", "external_id_key": "A", "connection_id": None},
        {"id": "dia", "external_id": None, "external_id_key": None, "connection_id": "c"},
    ],
    "groups": [
        {"id": "crew", "external_id": "G", "external_id_key": "G", "connection_id": "c"},
        {"id": "club", "external_id": None, "external_id_key": None, "connection_id": "c"},
    ],
    "contact_emails": [{"contact_id": "ann", "place": 0, "value_key": "ann@x.test"}],
    "members": [
        {"group_id": "crew", "member_id": "ann", "contact_id": "ann", "child_id": None},
        {"group_id": "crew", "member_id": "club", "contact_id": None, "child_id": "club"},
    ],
    "seats": [{"id": "s", "licence": "member", "holder_id": "ann", "state": "assigned", "over": False}],
    "tokens": [{"id": "t", "connection_id": "c", "contact_id": "ann", "hash": "h", "hint": "t", "scopes": "scim"}],
}
EVERY: Final[dict[str, dict[str, Any]]] = {
    "contacts": {
        "status": "active", "archived": False, "role": "team", "licence": "member", "account_linked": True,
        "version": 1, "profile": "{}",
    },
    "groups": {"version": 1, "profile": "{}"},
}  # fmt: skip


def filled(engine: Engine) -> dict[str, list[Any]]:
    """Upgrade to the first version and no further, and fill its tables."""
    with transaction(engine, "write") as db:
        command.upgrade(config_for(db), "0001")
        tables = MetaData()
        tables.reflect(db)
        for name, rows in ROWS.items():
            table = tables.tables[name]
            for row in rows:
                values = {"workspace_id": "w", "created": "2026", "modified": "2026", **EVERY.get(name, {}), **row}
                if name == "contacts":
                    values |= {"user_name": row["id"], "user_name_key": row["id"], "label": row["id"]}
                if name == "groups":
                    values |= {"display_name": row["id"], "display_name_key": row["id"]}
                if "search" in table.c:
                    form = (
                        {"a": "x"} if row["external_id"] is None else {"a": "x", "externalId": row["external_id_key"]}
                    )
                    values["search"] = form if db.dialect.name == "postgresql" else json.dumps(form)
                db.execute(insert(table), {key: value for key, value in values.items() if key in table.c})
    return rows_of(engine)


def rows_of(engine: Engine) -> dict[str, list[Any]]:
    """What is in the tables, in order; of contacts the ids."""
    found: dict[str, list[Any]] = {}
    with reading(engine) as db:
        for name in inspect(db).get_table_names():
            if name == "contacts":
                found[name] = list(db.scalars(text("SELECT id FROM contacts ORDER BY id")))
            elif name in (*ROWS, "contact_external_ids", "group_external_ids"):
                found[name] = sorted(tuple(row) for row in db.execute(text(f"SELECT * FROM {name} ORDER BY 2")))
    return found


def test_invitations_under_way_can_expire_after_an_upgrade(engine: Engine) -> None:
    filled(engine)
    pending = {"email": "ann@x.test", "sent_at": "2026-05-01T00:00:00+00:00", "expires_at": "2026-05-08T02:00:00+02:00"}
    answered = {**pending, "state": "accepted", "status_before": "inactive"}
    rows = {"ann": {**pending, "state": "pending", "status_before": "uninvited"}, "bea": answered}
    with transaction(engine, "write") as db:
        for contact_id, invitation in rows.items():
            values = {"id": contact_id, "invitation": json.dumps(invitation)}
            status = "invited" if contact_id == "ann" else "active"
            db.execute(
                text(f"UPDATE contacts SET invitation = :invitation, status = '{status}' WHERE id = :id"), values
            )
    upgrade(engine)
    with reading(engine) as db:
        links = db.execute(text("SELECT workspace_id, contact_id, email, expires, hash FROM invitation_links")).all()
        due = accounts.invitations_due(db, datetime(2026, 5, 8, tzinfo=UTC))
        assert not accounts.invitations_due(db, datetime(2026, 5, 7, 23, 59, tzinfo=UTC))
    assert [tuple(row)[:4] for row in links] == [("w", "ann", "ann@x.test", "2026-05-08T00:00:00.000000Z")]
    assert len(links[0].hash) == 64
    assert [(link.workspace_id, link.contact_id) for link in due] == [("w", "ann")]


def test_sqlite_plans_for_many_rows(new_database: Callable[[str], str]) -> None:
    engine = open_engine(new_database("sqlite"))
    upgrade(engine)
    with reading(engine) as db:
        sizes = {row.idx: row.stat for row in db.execute(text("SELECT idx, stat FROM sqlite_stat1"))}
    assert sizes["ix_contacts_department_key"] == "100000 100000 10"
    assert sizes["ix_contact_external_ids_value_key"] == "100000 100000 100000 10 10"
    assert sizes["sqlite_autoindex_contact_external_ids_1"] == "100000 100000 10 1"
    assert sizes["sqlite_autoindex_contacts_1"] == "100000 100000 1"
    assert sizes["uq_contacts_owner"] == "100000 1"
    engine.dispose()


def test_labels_are_folded_by_an_upgrade(engine: Engine) -> None:
    filled(engine)
    labels = {
        "ann": "Ann O'Neil",
        "bea": "ÄNNE \N{ANGSTROM SIGN}",
        "cem": "ΣΊΣΥΦΟΣ",
        "dia": "\N{FULLWIDTH LATIN CAPITAL LETTER A}b",
    }
    with transaction(engine, "write") as db:
        for contact_id, label in labels.items():
            db.execute(text("UPDATE contacts SET label = :label WHERE id = :id"), {"label": label, "id": contact_id})
    upgrade(engine)
    with reading(engine) as db:
        keys = {row.id: row.label_key for row in db.execute(text("SELECT id, label_key FROM contacts"))}
    assert keys == {"ann": "ann o'neil", "bea": "änne å", "cem": "σίσυφοσ", "dia": "ab"}


def test_links_that_were_handed_over_are_told_from_mailed_ones(engine: Engine) -> None:
    filled(engine)
    upgrade(engine)
    with transaction(engine, "write") as db:
        db.execute(text("ALTER TABLE invitation_links DROP COLUMN mailed"))
        db.execute(text("UPDATE alembic_version SET version_num = '0008'"))
        db.execute(text("UPDATE contacts SET role = 'owner' WHERE id = 'ann'"))
        db.execute(text("UPDATE contacts SET status = 'invited' WHERE id = 'bea'"))
        for contact_id in ("ann", "bea", "cem"):
            values = f"('w', '{contact_id}', 'hash of {contact_id}', '{contact_id}@x.test', '2026')"
            db.execute(
                text(f"INSERT INTO invitation_links (workspace_id, contact_id, hash, email, expires) VALUES {values}")
            )
    upgrade(engine)
    with reading(engine) as db:
        rows = db.execute(text("SELECT contact_id, mailed FROM invitation_links ORDER BY contact_id")).all()
    assert [(row.contact_id, bool(row.mailed)) for row in rows] == [("ann", False), ("bea", True), ("cem", False)]
