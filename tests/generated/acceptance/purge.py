"""Retention: what `python -m orders purge` removes, what it leaves, and what interrupts it."""

# ruff: noqa: S608 (no statement here is made of what anybody sends)

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from .conftest import Done, Headers, Sql

Command = Callable[..., Done]


@pytest.fixture
def account(sql: Sql, new_caller: Callable[..., Headers]) -> int:
    return sql.account_of(new_caller())


def payments(sql: Sql, account: int, rows: int, days: int | None) -> None:
    """Rows that were deleted so many days ago; or not at all."""
    sql.execute(
        "INSERT INTO payments (account_id, amount, currency, deleted_at, deleted_by)"
        " SELECT $1, 1, 'EUR', now() - make_interval(days => $2),"
        " CASE WHEN $2 IS NOT NULL THEN 'test' END FROM generate_series(1, $3::int)",
        account,
        days,
        rows,
    )


def customer(sql: Sql, account: int, days: int | None) -> int:
    return int(
        sql.value(
            "INSERT INTO customers (account_id, name, deleted_at)"
            " VALUES ($1, gen_random_uuid()::text, now() - make_interval(days => $2)) RETURNING id",
            account,
            days,
        )
    )


def invoice(sql: Sql, account: int, customer: int, days: int) -> None:
    sql.execute(
        "INSERT INTO invoices (account_id, customer_id, number, deleted_at)"
        " SELECT $1, $2, coalesce(max(number), 0) + 1, now() - make_interval(days => $3)"
        " FROM invoices",
        account,
        customer,
        days,
    )


def left(sql: Sql, account: int, table: str = "payments") -> int:
    return int(sql.value(f"SELECT count(*) FROM {table} WHERE account_id = $1", account))


def test_it_is_off_by_default(sql: Sql, account: int, command: Command) -> None:
    payments(sql, account, 3, 10_000)
    done = command("purge")
    assert (done.code, left(sql, account)) == (0, 3)
    assert "kept" in done.output


def test_it_removes_what_was_deleted_before_the_retention_and_nothing_else(
    sql: Sql, account: int, command: Command
) -> None:
    for rows, days in ((1, None), (2, 0), (4, 29), (8, 31), (16, 4000)):
        payments(sql, account, rows, days)
    done = command("purge", RETENTION_DAYS="30")
    assert done.code == 0, done.errors
    assert left(sql, account) == 1 + 2 + 4


def test_it_removes_children_before_their_parents(sql: Sql, account: int, command: Command) -> None:
    parent = customer(sql, account, 40)
    invoice(sql, account, parent, 41)
    assert command("purge", RETENTION_DAYS="30").code == 0
    assert (left(sql, account, "customers"), left(sql, account, "invoices")) == (0, 0)


def test_tables_that_refer_to_each_other_are_purged_too(sql: Sql, command: Command) -> None:
    sql.execute("""
        CREATE TABLE nests (id bigint PRIMARY KEY, egg_id bigint, deleted_at timestamptz);
        CREATE TABLE eggs (id bigint PRIMARY KEY, nest_id bigint REFERENCES nests,
                           deleted_at timestamptz);
        ALTER TABLE nests ADD FOREIGN KEY (egg_id) REFERENCES eggs;
        INSERT INTO nests VALUES (1, NULL, now() - interval '2 days');
        INSERT INTO eggs VALUES (1, 1, now() - interval '2 days');
    """)
    try:
        for _ in range(2):  # one order fits one of the two
            assert command("purge", RETENTION_DAYS="1").code == 0
        assert sql.value("SELECT (SELECT count(*) FROM nests) + (SELECT count(*) FROM eggs)") == 0
    finally:
        sql.execute("DROP TABLE nests, eggs CASCADE")


def test_it_leaves_a_parent_that_a_younger_deletion_still_refers_to(
    sql: Sql, account: int, command: Command
) -> None:
    parent = customer(sql, account, 40)
    invoice(sql, account, parent, 10)
    assert command("purge", RETENTION_DAYS="30").code == 0
    assert (left(sql, account, "customers"), left(sql, account, "invoices")) == (1, 1)
    assert command("purge", RETENTION_DAYS="5").code == 0
    assert (left(sql, account, "customers"), left(sql, account, "invoices")) == (0, 0)


def test_it_goes_round_a_row_that_somebody_holds(sql: Sql, account: int, command: Command) -> None:
    payments(sql, account, 3, 40)
    holding = sql.connect()
    sql.call(holding.execute, "BEGIN")
    one = f"SELECT 1 FROM payments WHERE account_id = {account} LIMIT 1 FOR SHARE"
    sql.call(holding.execute, one)
    started = time.monotonic()
    assert command("purge", RETENTION_DAYS="30").code == 0
    assert time.monotonic() - started < 2
    sql.call(holding.execute, "ROLLBACK")
    assert left(sql, account) == 1
    assert command("purge", RETENTION_DAYS="30").code == 0
    assert left(sql, account) == 0


@pytest.fixture
def batches(sql: Sql) -> Iterator[str]:
    """A table in which each DELETE of payments notes its transaction, its role and its size."""
    sql.execute("""
        CREATE TABLE batches (xid xid8, role text, size bigint);
        CREATE FUNCTION note_batch() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO batches SELECT pg_current_xact_id(), current_setting('role'), count(*)
            FROM gone;
            PERFORM pg_sleep(0.1);
            RETURN NULL;
        END $$;
        CREATE TRIGGER note_batch AFTER DELETE ON payments REFERENCING OLD TABLE AS gone
        FOR EACH STATEMENT EXECUTE FUNCTION note_batch()
    """)
    yield "SELECT * FROM batches WHERE size > 0"
    sql.execute("DROP TRIGGER note_batch ON payments; DROP FUNCTION note_batch; DROP TABLE batches")


def test_it_works_in_batches_each_its_own_transaction(
    sql: Sql, account: int, command: Command, batches: str
) -> None:
    payments(sql, account, 2500, 40)
    done = command("purge", RETENTION_DAYS="30")
    assert "payments: 2500\n" in done.output
    noted = sql.rows(batches)
    assert [row["size"] for row in noted] == [1000, 1000, 500]
    assert len({row["xid"] for row in noted}) == 3


def test_it_works_as_the_purging_role_where_there_is_one(
    sql: Sql, account: int, command: Command, batches: str
) -> None:
    payments(sql, account, 1, 40)
    role = f"{sql.value('SELECT current_database()')}_purge"
    sql.execute(f'CREATE ROLE "{role}"; SELECT audit_grant()')
    try:
        done = command("purge", RETENTION_DAYS="30")
    finally:
        sql.execute(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')
    assert done.code == 0, done.errors
    assert {row["role"] for row in sql.rows(batches)} == {role}
    assert left(sql, account) == 0


def test_it_goes_on_where_it_was_killed(
    sql: Sql, account: int, command: Command, batches: str, database_url: str
) -> None:
    payments(sql, account, 6000, 40)
    settings = {"DATABASE_URL": database_url, "RETENTION_DAYS": "30", "ENVIRONMENT": "development"}
    purge = subprocess.Popen([sys.executable, "-m", "orders", "purge"], env=os.environ | settings)
    while len(sql.rows(batches)) < 2:
        assert purge.poll() is None
        time.sleep(0.01)
    purge.send_signal(signal.SIGKILL)
    purge.wait()
    # Its last transaction ends when the server has noticed.
    working = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'purge'"
        " AND datname = current_database()"
    )
    while sql.value(working):
        time.sleep(0.01)
    remaining = left(sql, account)
    assert 0 < remaining < 6000
    assert remaining % 1000 == 0
    assert f"payments: {remaining}\n" in command("purge", RETENTION_DAYS="30").output
    assert left(sql, account) == 0


def test_what_was_purged_cannot_be_restored(sql: Sql, account: int, command: Command) -> None:
    payments(sql, account, 1, 40)
    gone = sql.value("SELECT public_id::text FROM payments WHERE account_id = $1", account)
    command("purge", RETENTION_DAYS="30")
    assert command("restore", "payments", gone).code == 1


def test_a_retention_that_is_no_number_of_days_is_refused(command: Command) -> None:
    for days in ("-1", "a month", "1.5"):
        assert command("purge", RETENTION_DAYS=days).code == 2
