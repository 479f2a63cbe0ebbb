"""Two real connections at once: what one does while the other has not committed yet."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest
from starlette.testclient import TestClient

from .conftest import Headers, Sql


@pytest.fixture
def account(sql: Sql, new_caller: Callable[..., Headers]) -> int:
    return sql.account_of(new_caller())


@pytest.fixture
def parent(sql: Sql, account: int) -> int:
    return int(
        sql.value("INSERT INTO customers (account_id, name) VALUES ($1, 'p') RETURNING id", account)
    )


def insert(sql: Sql, on: asyncpg.Connection, account: int, parent: int) -> Any:
    statement = "INSERT INTO invoices (account_id, customer_id, number) VALUES ($1, $2, $2)"
    return sql.start(on.execute, statement, account, parent)


def remove(sql: Sql, on: asyncpg.Connection, parent: int) -> Any:
    return sql.start(on.execute, "UPDATE customers SET deleted_at = now() WHERE id = $1", parent)


def wait_until_one_waits(sql: Sql) -> None:
    """Until some connection of this database waits for another's lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    end = time.monotonic() + 5
    while not sql.value(waiting):
        assert time.monotonic() < end, "nobody waits"
        time.sleep(0.01)


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_deletion_waits_for_a_child_that_is_being_attached(
    sql: Sql, account: int, parent: int, ending: str
) -> None:
    attaching, deleting = sql.connect(), sql.connect()
    sql.call(attaching.execute, "BEGIN")
    insert(sql, attaching, account, parent).result(5)
    deletion = remove(sql, deleting, parent)
    wait_until_one_waits(sql)
    sql.call(attaching.execute, ending)
    if ending == "COMMIT":
        with pytest.raises(asyncpg.RestrictViolationError):
            deletion.result(5)
    else:
        assert deletion.result(5) == "UPDATE 1"


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_child_waits_for_a_parent_that_is_being_deleted(
    sql: Sql, account: int, parent: int, ending: str
) -> None:
    attaching, deleting = sql.connect(), sql.connect()
    sql.call(deleting.execute, "BEGIN")
    remove(sql, deleting, parent).result(5)
    insertion = insert(sql, attaching, account, parent)
    wait_until_one_waits(sql)
    sql.call(deleting.execute, ending)
    if ending == "COMMIT":
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            insertion.result(5)
    else:
        assert insertion.result(5) == "INSERT 0 1"


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_no_stricter_isolation_lets_a_child_slip_under_a_deleted_parent(
    sql: Sql, account: int, parent: int, isolation: str
) -> None:
    attaching, deleting = sql.connect(), sql.connect()
    sql.call(attaching.execute, f"BEGIN ISOLATION LEVEL {isolation}")
    sql.call(attaching.fetchval, "SELECT count(*) FROM customers")  # its snapshot is of now
    remove(sql, deleting, parent).result(5)
    with pytest.raises(asyncpg.PostgresError) as refusal:
        insert(sql, attaching, account, parent).result(5)
    assert refusal.value.sqlstate in {"40001", "23503"}
    sql.call(attaching.execute, "ROLLBACK")


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_deletion_is_refused_where_its_snapshot_could_miss_a_new_child(
    sql: Sql, parent: int, isolation: str
) -> None:
    deleting = sql.connect()
    sql.call(deleting.execute, f"BEGIN ISOLATION LEVEL {isolation}")
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="READ COMMITTED"):
        remove(sql, deleting, parent).result(5)
    sql.call(deleting.execute, "ROLLBACK")


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_value_is_free_when_its_deletion_is_committed(
    client: TestClient, me: Headers, sql: Sql, ending: str
) -> None:
    public_id = client.post("/api/v1/customers", json={"name": "Ada"}).json()["public_id"]
    deleting = sql.connect()
    sql.call(deleting.execute, "BEGIN")
    gone = "UPDATE customers SET deleted_at = now() WHERE public_id = $1"
    sql.call(deleting.execute, gone, public_id)
    with ThreadPoolExecutor(1) as pool:
        creation = pool.submit(client.post, "/api/v1/customers", json={"name": "Ada"})
        wait_until_one_waits(sql)
        sql.call(deleting.execute, ending)
        assert creation.result(5).status_code == (201 if ending == "COMMIT" else 409)


def test_two_who_restore_into_one_place_leave_one_there(
    client: TestClient, me: Headers, sql: Sql
) -> None:
    urls = []
    for _ in range(2):
        public_id = client.post("/api/v1/customers", json={"name": "Ada"}).json()["public_id"]
        urls.append(f"/api/v1/customers/{public_id}")
        client.delete(urls[-1])
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda url: client.post(f"{url}/restore"), urls))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
