"""The database is the lock: what holds for statements that are typed by hand, as its owner."""

# ruff: noqa: S608 (no statement here is made of what anybody sends)

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from .conftest import TABLES, Headers, Sql, restart_ids

COLUMNS = "account_id, amount, currency"


@pytest.fixture
def account(sql: Sql, new_caller: Callable[..., Headers]) -> int:
    return sql.account_of(new_caller())


@pytest.fixture
def payment(sql: Sql, account: int) -> int:
    """The integer id of a payment."""
    made = f"INSERT INTO payments ({COLUMNS}) VALUES ($1, 1, 'EUR') RETURNING id"
    return int(sql.value(made, account))


def of(sql: Sql, payment: int) -> dict[str, Any]:
    return dict(sql.row("SELECT * FROM payments WHERE id = $1", payment))


@pytest.mark.parametrize("table", TABLES)
def test_the_owner_cannot_delete_and_is_told_what_to_do(sql: Sql, payment: int, table: str) -> None:
    if not sql.value(f"SELECT count(*) FROM {table}"):
        sql.execute(
            "INSERT INTO customers (account_id, name) SELECT account_id, 'x' FROM payments LIMIT 1"
        )
        sql.execute(
            "INSERT INTO invoices (account_id, customer_id, number)"
            " SELECT account_id, id, 99 FROM customers LIMIT 1"
        )
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError, match="soft deleted") as refusal:
            sql.execute(statement)
        assert "deleted_at" in refusal.value.hint


def test_a_delete_that_says_that_it_purges_goes_through(sql: Sql, payment: int) -> None:
    sql.execute(
        f"BEGIN; SET LOCAL app.purge = 'on'; DELETE FROM payments WHERE id = {payment}; COMMIT"
    )
    assert sql.value("SELECT count(*) FROM payments WHERE id = $1", payment) == 0
    assert sql.value("SELECT current_setting('app.purge', true)") != "on"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("id = DEFAULT", None),
        ("id = id + 1", asyncpg.GeneratedAlwaysError),
        ("public_id = gen_random_uuid()", asyncpg.RestrictViolationError),
        ("created_at = now()", asyncpg.RestrictViolationError),
        ("created_at = created_at + interval '1 us'", asyncpg.RestrictViolationError),
        ("account_id = account_id + 1", asyncpg.RestrictViolationError),
    ],
)
def test_what_identifies_a_row_never_changes(
    sql: Sql, payment: int, change: str, error: type[Exception] | None
) -> None:
    before = of(sql, payment)
    with pytest.raises(error or asyncpg.RestrictViolationError):
        sql.execute(f"UPDATE payments SET {change} WHERE id = $1", payment)
    assert of(sql, payment) == before


def test_an_integer_id_cannot_be_chosen(sql: Sql, account: int) -> None:
    with pytest.raises(asyncpg.GeneratedAlwaysError):
        sql.execute(f"INSERT INTO payments (id, {COLUMNS}) VALUES (1, $1, 1, 'EUR')", account)


def test_a_change_typed_by_hand_moves_the_time_and_the_version(sql: Sql, payment: int) -> None:
    before = of(sql, payment)
    sql.execute("UPDATE payments SET amount = 2 WHERE id = $1", payment)
    after = of(sql, payment)
    assert after["updated_at"] > before["updated_at"]
    assert after["version"] == before["version"] + 1


@pytest.mark.parametrize(
    "change", ["amount = amount", "updated_at = now() + interval '1 day'", "deleted_by = 'mallory'"]
)
def test_a_change_that_changes_nothing_moves_neither(sql: Sql, payment: int, change: str) -> None:
    before = of(sql, payment)
    sql.execute(f"UPDATE payments SET {change} WHERE id = $1", payment)
    assert of(sql, payment) == before


def test_nobody_can_choose_a_version(sql: Sql, payment: int) -> None:
    sql.execute("UPDATE payments SET version = 77, amount = 3 WHERE id = $1", payment)
    assert of(sql, payment)["version"] == 2


def test_a_deletion_typed_by_hand_is_signed_by_the_role(sql: Sql, payment: int) -> None:
    forged = "UPDATE payments SET deleted_at = now(), deleted_by = 'mallory' WHERE id = $1"
    sql.execute(forged, payment)
    assert of(sql, payment)["deleted_by"] == sql.value("SELECT session_user::text")


def test_a_deletion_in_the_services_transaction_is_signed_by_its_caller(
    sql: Sql, payment: int
) -> None:
    sql.execute(
        "BEGIN; SELECT set_config('app.actor', 'key_of_the_caller', true);"
        "UPDATE payments SET deleted_at = now(), deleted_by = 'mallory'"
        f" WHERE id = {payment}; COMMIT"
    )
    assert of(sql, payment)["deleted_by"] == "key_of_the_caller"


def test_a_deletion_cannot_be_signed_over_or_dated_back(sql: Sql, payment: int) -> None:
    sql.execute("UPDATE payments SET deleted_at = now() WHERE id = $1", payment)
    before = of(sql, payment)
    sql.execute(
        "UPDATE payments SET deleted_at = '2020-01-01Z', deleted_by = 'mallory' WHERE id = $1",
        payment,
    )
    assert of(sql, payment) == before


def test_a_row_inserted_as_deleted_is_signed_by_who_inserts_it(sql: Sql, account: int) -> None:
    born = f"INSERT INTO payments ({COLUMNS}, deleted_at, deleted_by)"
    signed = sql.value(
        f"{born} VALUES ($1, 1, 'EUR', now(), 'mallory') RETURNING deleted_by", account
    )
    assert signed == sql.value("SELECT session_user::text")


@pytest.mark.parametrize("values", ["now(), NULL", "NULL, 'mallory'"])
def test_a_date_and_a_name_come_together(sql: Sql, account: int, values: str) -> None:
    sql.execute("SET session_replication_role = replica")
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            sql.execute(
                f"INSERT INTO payments ({COLUMNS}, deleted_at, deleted_by)"
                f" VALUES ($1, 1, 'EUR', {values})",
                account,
            )
    finally:
        sql.execute("SET session_replication_role = origin")


def test_a_child_cannot_be_born_under_a_deleted_parent(sql: Sql, account: int) -> None:
    parent = sql.value(
        "INSERT INTO customers (account_id, name) VALUES ($1, 'gone') RETURNING id", account
    )
    sql.execute("UPDATE customers SET deleted_at = now() WHERE id = $1", parent)
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="deleted row"):
        sql.execute(
            "INSERT INTO invoices (account_id, customer_id, number) VALUES ($1, $2, 7)",
            account,
            parent,
        )


def test_a_row_cannot_move_under_a_deleted_parent(sql: Sql, account: int) -> None:
    live, dead = (
        sql.value(
            "INSERT INTO customers (account_id, name) VALUES ($1, $2) RETURNING id", account, name
        )
        for name in ("live", "dead")
    )
    sql.execute("UPDATE customers SET deleted_at = now() WHERE id = $1", dead)
    sql.execute(
        "INSERT INTO invoices (account_id, customer_id, number) VALUES ($1, $2, 8)", account, live
    )
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="deleted row"):
        sql.execute("UPDATE invoices SET customer_id = $1 WHERE number = 8", dead)


def test_a_parent_of_live_rows_cannot_be_deleted(sql: Sql, account: int, payment: int) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="live rows of"):
        sql.execute("UPDATE accounts SET deleted_at = now() WHERE id = $1", account)


def test_no_foreign_key_deletes_or_empties_rows(sql: Sql) -> None:
    harmful = (
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND confdeltype IN ('c','n','d')"
    )
    assert sql.rows(harmful) == []
    assert sql.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") >= 4


def test_autogenerate_finds_nothing_to_do(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    command.check(Config("alembic.ini"))


def test_the_migrations_go_down_and_up_again_with_rows_in_the_tables(
    sql: Sql, database_url: str, payment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    command.downgrade(Config("alembic.ini"), "service@base")
    assert sql.value("SELECT to_regclass('payments')") is None
    command.upgrade(Config("alembic.ini"), "heads")
    command.check(Config("alembic.ini"))
    restart_ids(sql, ("payments", "customers", "invoices"))
