"""How migrations reach a database that others use. Runs inside a generated service."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from anyio.from_thread import BlockingPortal, start_blocking_portal
from dev.postgres import temporary_database
from sqlalchemy.exc import DBAPIError

SERVICE = Path.cwd()
PATIENCE = 120
NEW_COLUMN = "op.execute('ALTER TABLE accounts ADD COLUMN note text')"


@dataclass
class Session:
    """A connection to the database under test, next to the migrator's."""

    portal: BlockingPortal
    connection: asyncpg.Connection

    def execute(self, sql: str, *parameters: object) -> str:
        return str(self.portal.call(self.connection.execute, sql, *parameters))

    def value(self, sql: str, *parameters: object) -> Any:
        return self.portal.call(self.connection.fetchval, sql, *parameters)


@dataclass
class Project:
    """The service's migrations and some more, and a database of their own."""

    folder: Path
    url: str
    portal: BlockingPortal
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def connect(self) -> Session:
        return Session(self.portal, self.portal.call(asyncpg.connect, self.url))

    def add(self, name: str, up: str, down: str = "pass", after: str = "service_0001") -> None:
        """Add a migration whose body is Python."""
        (self.folder / "migrations" / "service" / f"{name}.py").write_text(
            "from alembic import op\nfrom orders.kit.migrations import *\n"
            f"revision = {name!r}\ndown_revision = {after!r}\nbranch_labels = depends_on = None\n"
            f"def upgrade():\n    {up}\ndef downgrade():\n    {down}\n"
        )

    def impatient(self) -> None:
        """Let the migrator give up early, so that a test need not wait."""
        env = self.folder / "migrations" / "env.py"
        text = env.read_text()
        for old, new in {
            "ATTEMPTS = 5": "ATTEMPTS = 2",
            '"lock_timeout": "2s"': '"lock_timeout": "100ms"',
            "random.uniform(0.5, 1.5)": "0.1",
        }.items():
            assert old in text
            text = text.replace(old, new)
        env.write_text(text)

    @property
    def config(self) -> Config:
        return Config(str(self.folder / "alembic.ini"))

    def upgrade(self, to: str = "heads") -> None:
        """Migrate, in this process."""
        command.upgrade(self.config, to)

    def start(self) -> subprocess.Popen[str]:
        """Migrate, in a process of its own, as a replica does that starts."""
        alembic = [sys.executable, "-m", "alembic", "-c", str(self.folder / "alembic.ini")]
        process = subprocess.Popen(
            [*alembic, "upgrade", "heads"], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        self.started.append(process)
        return process


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    shutil.copy(SERVICE / "alembic.ini", tmp_path)
    shutil.copytree(SERVICE / "migrations", tmp_path / "migrations")
    with temporary_database() as url, start_blocking_portal() as portal:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("DATABASE_OWNER_URL", url)
        project = Project(tmp_path, url, portal)
        yield project
        for process in project.started:
            with process:
                process.kill()


@pytest.fixture
def session(project: Project) -> Iterator[Session]:
    session = project.connect()
    yield session
    session.portal.call(session.connection.close)


@pytest.fixture
def other(project: Project) -> Iterator[Session]:
    session = project.connect()
    yield session
    session.portal.call(session.connection.close)


def has_note(session: Session) -> bool:
    sql = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'accounts'::regclass AND attname = $1"
    return bool(session.value(sql, "note"))


def accounts(session: Session, count: int) -> None:
    session.execute(
        "INSERT INTO accounts (name) SELECT 'account ' || n FROM generate_series(1, $1::int) AS n",
        count,
    )


def waiting_for(session: Session, what: str) -> None:
    """Return as soon as a session of the migrator waits like this."""
    end = time.monotonic() + PATIENCE
    while not session.value(f"SELECT count(*) FROM pg_stat_activity WHERE {what}"):  # noqa: S608
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_migrators_that_start_together_apply_each_migration_once(
    project: Project, session: Session
) -> None:
    project.add("once", NEW_COLUMN)
    replicas = [project.start() for _ in range(3)]
    said = [replica.communicate()[1] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0, 0, 0], said
    assert "".join(said).count("-> once") == 1
    assert has_note(session)


def test_a_migrator_that_waits_holds_up_no_concurrent_index(
    project: Project, session: Session, other: Session
) -> None:
    """Inside PostgreSQL it would wait with a snapshot, and the index for the snapshot: for ever."""
    project.upgrade()
    project.add("indexed", 'concurrent_index("ix_slow", "accounts", ["updated_at"])')
    other.execute("BEGIN; LOCK TABLE accounts IN ROW EXCLUSIVE MODE")
    first = project.start()
    waiting_for(session, "query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'")
    second = project.start()
    waiting_for(session, "query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()")
    other.execute("COMMIT")
    said = [each.communicate(timeout=PATIENCE)[1] for each in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert session.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_slow'::regclass")


def test_a_lock_that_is_held_for_a_while_delays_the_migration_and_nobody_else(
    project: Project, session: Session, other: Session
) -> None:
    project.upgrade()
    project.add("noted", NEW_COLUMN)
    other.execute("BEGIN; SELECT count(*) FROM accounts")
    migrator = project.start()
    waiting_for(session, "query LIKE 'ALTER TABLE accounts%' AND wait_event_type = 'Lock'")
    began = time.monotonic()
    session.value("SELECT count(*) FROM accounts")  # stands in the queue behind the migration
    assert time.monotonic() - began < 4
    other.execute("COMMIT")
    said = migrator.communicate(timeout=PATIENCE)[1]
    assert migrator.returncode == 0, said
    assert has_note(session)


def test_a_lock_that_is_never_let_go_fails_the_migration_and_changes_nothing(
    project: Project, session: Session, other: Session
) -> None:
    project.upgrade()
    project.impatient()
    project.add("noted", f"op.execute('CREATE TABLE other ()'); {NEW_COLUMN}")
    other.execute("BEGIN; SELECT count(*) FROM accounts")
    with pytest.raises(DBAPIError, match="lock timeout"):
        project.upgrade()
    assert not has_note(session)
    assert session.value("SELECT to_regclass('other')") is None


def test_a_migration_that_fails_leaves_nothing_and_keeps_those_before_it(
    project: Project, session: Session
) -> None:
    project.add("first", NEW_COLUMN)
    project.add(
        "second", "op.execute('CREATE TABLE other ()'); op.execute('nonsense')", after="first"
    )
    for _ in range(2):
        with pytest.raises(DBAPIError, match="syntax error"):
            project.upgrade()
        assert has_note(session)
        assert session.value("SELECT to_regclass('other')") is None
        sql = "SELECT string_agg(version_num, ' ') FROM alembic_version"
        assert "first" in session.value(sql)
        assert "second" not in session.value(sql)


def test_the_time_outs_are_set(project: Project, session: Session) -> None:
    project.add("kept", "op.execute('CREATE TABLE s AS SELECT name, setting FROM pg_settings')")
    project.upgrade()
    sql = "SELECT setting FROM s WHERE name = $1"
    assert session.value(sql, "statement_timeout") == "60000"
    assert session.value(sql, "lock_timeout") == "2000"


def test_the_migrations_as_a_script_make_the_same_tables(
    project: Project, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """`alembic upgrade heads --sql`, for those who have others apply it."""
    command.upgrade(project.config, "heads", sql=True)
    session.execute(capsys.readouterr().out)
    columns = """
        SELECT md5(string_agg(concat_ws(' ', relname, attname, atttypid), ',' ORDER BY relname, attnum))
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace
    """
    functions = """
        SELECT md5(string_agg(proname || prosrc, ',' ORDER BY proname)) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
    """
    by_script = session.value(columns), session.value(functions)
    project.upgrade()  # finds nothing to do
    assert (session.value(columns), session.value(functions)) == by_script
    session.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    project.upgrade()
    assert (session.value(columns), session.value(functions)) == by_script


def test_an_index_that_failed_is_built_anew(project: Project, session: Session) -> None:
    project.upgrade()
    session.execute("ALTER TABLE accounts ADD COLUMN note text DEFAULT 'the same'")
    accounts(session, 2)
    project.add("indexed", 'concurrent_index("ix_note", "accounts", ["note"], unique=True)')
    with pytest.raises(DBAPIError, match="could not create unique index"):
        project.upgrade()
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_note'::regclass"
    assert session.value(valid) is False
    session.execute("UPDATE accounts SET note = name")
    project.upgrade()
    assert session.value(valid) is True


def test_an_index_that_is_there_is_kept(project: Project, session: Session) -> None:
    project.upgrade()
    session.execute("CREATE INDEX ix_note ON accounts (updated_at)")
    before = session.value("SELECT 'ix_note'::regclass::oid")
    project.add("indexed", 'concurrent_index("ix_note", "accounts", ["updated_at"])')
    project.upgrade()
    assert session.value("SELECT 'ix_note'::regclass::oid") == before


def test_a_step_outside_the_transaction_comes_first_or_not_at_all(
    project: Project, session: Session
) -> None:
    project.upgrade()
    project.add("mixed", f'{NEW_COLUMN}; concurrent_index("ix_note", "accounts", ["note"])')
    with pytest.raises(CommandError, match="a revision of its own"):
        project.upgrade()
    assert not has_note(session)


BACKFILL = 'backfill("accounts", "note = name", where="note IS NULL", batch=10)'


def test_a_backfill_goes_batch_by_batch(project: Project, session: Session) -> None:
    project.upgrade()
    session.execute("ALTER TABLE accounts ADD COLUMN note text")
    accounts(session, 35)
    session.execute("UPDATE accounts SET deleted_at = now() WHERE id = 5")
    project.add("filled", BACKFILL)
    project.upgrade()
    assert session.value("SELECT count(*) FROM accounts WHERE note IS DISTINCT FROM name") == 0
    assert session.value("SELECT count(DISTINCT xmin::text) FROM accounts") == 4


def test_a_backfill_that_was_stopped_goes_on(
    project: Project, session: Session, other: Session
) -> None:
    project.upgrade()
    project.impatient()
    session.execute("ALTER TABLE accounts ADD COLUMN note text")
    accounts(session, 35)
    project.add("filled", BACKFILL)
    other.execute("BEGIN; SELECT FROM accounts WHERE id = 25 FOR UPDATE")
    with pytest.raises(DBAPIError, match="lock timeout"):
        project.upgrade()
    empty = "SELECT count(*) FROM accounts WHERE note IS NULL"
    assert session.value(empty) == 15
    kept = session.value("SELECT xmin::text FROM accounts WHERE id = 1")
    other.execute("COMMIT")
    project.upgrade()
    assert session.value(empty) == 0
    assert session.value("SELECT xmin::text FROM accounts WHERE id = 1") == kept


def test_a_column_becomes_required_in_steps(project: Project, session: Session) -> None:
    project.upgrade()
    session.execute("ALTER TABLE accounts ADD COLUMN note text")
    accounts(session, 3)
    project.add("required", 'require("accounts", "note")')
    with pytest.raises(DBAPIError, match="is violated by some row"):
        project.upgrade()
    session.execute("UPDATE accounts SET note = name")
    project.upgrade()
    required = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'accounts'::regclass"
    assert session.value(f"{required} AND attname = 'note'") is True
    assert not session.value("SELECT count(*) FROM pg_constraint WHERE conname LIKE '%_required'")


def test_a_reference_comes_and_goes_with_its_index_and_its_trigger(
    project: Project, session: Session
) -> None:
    project.upgrade()
    session.execute("ALTER TABLE accounts ADD COLUMN parent_id bigint")
    project.add(
        "referring",
        'reference("accounts", "parent_id", "accounts")',
        'drop_reference("accounts", "parent_id")',
    )
    parts = {
        "SELECT count(*) FROM pg_class WHERE relname = 'ix_accounts_parent_id'",
        "SELECT count(*) FROM pg_constraint WHERE conname = 'fk_accounts_parent_id' AND convalidated",
        "SELECT count(*) FROM pg_trigger WHERE tgname = 'audit_parent_parent_id'",
    }
    for _ in range(2):
        project.upgrade()
        assert [session.value(part) for part in parts] == [1, 1, 1]
        command.downgrade(project.config, "service@service_0001")
        assert [session.value(part) for part in parts] == [0, 0, 0]
    session.execute("ALTER TABLE accounts DROP COLUMN parent_id")
