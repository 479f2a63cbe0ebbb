"""One transaction, whatever happens to it: cases 20 to 25, 43, and what a handler does to it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from .conftest import WRITING, Charging, Headers, Restartable, Sql, Start, eventually
from .proxy import proxied

if TYPE_CHECKING:
    from orders.kit.database import Database

COMMITTING = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND state = 'active' AND query LIKE 'COMMIT%'
"""


def test_20_a_handlers_own_commit_keeps_nothing_of_a_failed_request(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    assert charge(operation, key, "commit_then_crash").status_code == 500
    assert sql.rows(operation) == 0
    assert charge(operation, key, "commit_then_answer").status_code == 201
    assert charge(operation, key).headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


@pytest.mark.parametrize(
    "then",
    ["roll_back", "roll_back_and_write", "roll_back_write_and_commit", "swallow_an_error"],
)
def test_21_a_handler_that_rolls_back_cannot_answer_with_success(
    charge: Charging, sql: Sql, operation: int, key: str, then: str
) -> None:
    before = sql.keys()
    assert charge(operation, key, then).status_code == 500
    assert (sql.keys(), sql.rows(operation)) == (before, 0)
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


def test_21_an_error_behind_a_savepoint_is_the_handlers_own(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    assert charge(operation, key, "recover_with_a_savepoint").status_code == 201
    assert charge(operation, key).headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


def test_22_a_constraint_that_fails_at_the_commit_is_no_success(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    before = sql.keys()
    assert charge(operation, key, "break_a_promise").status_code == 409
    assert (sql.keys(), sql.rows(operation)) == (before, 0)
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_23_above_read_committed_a_collision_may_be_retried(
    application: Start, me: Headers, operation: int, isolation: str
) -> None:
    new = {"amount": operation, "currency": "EUR"}
    with application() as service:
        isolate(service, isolation)
        created = service.post("/api/v1/payments", json=new, headers=me | {"Idempotency-Key": "n"})
        location = created.headers["Location"]

        def raise_amount(number: int) -> Response:
            headers = me | {"Idempotency-Key": f"change-{number}"}
            return service.patch(location, json={"amount": operation + number}, headers=headers)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(raise_amount, range(1, 9)))
        assert {answer.status_code for answer in answers} == {200, 503}
        for answer in answers:
            assert answer.status_code == 200 or answer.headers["Retry-After"] == "1"
        for number, answer in enumerate(answers, start=1):
            retried = answer
            while retried.status_code == 503:
                retried = raise_amount(number)
            assert retried.json()["amount"] == operation + number
        assert service.get(location, headers=me).headers["ETag"] == '"9"'


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_23_above_read_committed_duplicates_are_still_done_once(
    application: Start,
    me: Headers,
    sql: Sql,
    operation: int,
    key: str,
    isolation: str,
) -> None:
    with application() as service:
        isolate(service, isolation)
        charge = Charging(service, me)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: charge(operation, key), range(20)))
        assert {answer.status_code for answer in answers} <= {201, 409, 503}
        assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
        assert charge(operation, key).headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


def isolate(service: TestClient, isolation: str) -> None:
    """Let the service use a level of the team's choice, as if its `kit/database.py` said so."""
    database: Database = service.app.state.callers[0].database  # type: ignore[attr-defined]
    database._transactional = database._engine.execution_options(isolation_level=isolation)  # noqa: SLF001


@pytest.mark.parametrize("then", ["lose_the_backend", "time_out", "idle_for_too_long"])
def test_24_a_connection_that_is_lost_or_late_leaves_nothing(
    charge: Charging, sql: Sql, operation: int, key: str, then: str
) -> None:
    before = sql.keys()
    lost = charge(operation, key, then)
    assert (lost.status_code, lost.headers["Retry-After"]) == (503, "1")
    assert (sql.keys(), sql.rows(operation)) == (before, 0)
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


def test_24_the_outcome_of_a_commit_that_is_cut_short_is_unknown_until_the_retry(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    with ThreadPoolExecutor() as pool:
        cut = pool.submit(charge, operation, key, "commit_slowly")
        backend = eventually("it commits", lambda: sql.value(COMMITTING))
        sql.execute("SELECT pg_terminate_backend($1)", backend)
        told = cut.result()
    assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
    assert sql.rows(operation) == 0
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


def test_24_a_commit_whose_acknowledgement_is_lost_is_found_by_the_retry(
    application: Start, database_url: str, me: Headers, sql: Sql, operation: int, key: str
) -> None:
    with proxied(database_url) as proxy, application(proxy.url) as service:
        charge = Charging(service, me)
        proxy.swallow("COMMIT;")  # and not the level of BEGIN
        told = charge(operation, key)
        assert told.json()["type"] == "urn:problem:outcome-unknown"
        assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
        assert sql.rows(operation) == 1
        found = charge(operation, key)
        assert (found.status_code, found.headers["Idempotent-Replayed"]) == (201, "true")
    assert sql.rows(operation) == 1


@pytest.mark.parametrize(
    "statement",
    ["BEGIN", "pg_try_advisory_xact_lock", "INSERT INTO payments", "UPDATE idempotency_key"],
)
def test_24_a_connection_that_is_lost_at_any_statement_is_not_used_again(
    application: Start,
    database_url: str,
    me: Headers,
    sql: Sql,
    operation: int,
    key: str,
    statement: str,
) -> None:
    """The pool holds one connection: what is returned to it dirty is what the next request gets."""
    one = {"database_pool_size": 1, "database_pool_overflow": 0}
    with proxied(database_url) as proxy, application(proxy.url, **one) as service:
        charge = Charging(service, me)
        proxy.swallow(statement)
        told = charge(operation, key)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
        assert sql.rows(operation) == 0
        assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


def test_25_a_database_that_restarts_between_claim_and_commit_loses_nothing_half(
    application: Start,
    another_server: Restartable,
    new_key: Callable[[TestClient], Headers],
    operation: int,
    key: str,
) -> None:
    with application(another_server.url) as service:
        charge = Charging(service, new_key(service))
        with ThreadPoolExecutor() as pool:
            cut = pool.submit(charge, operation, key, wait=1.0)
            eventually("it writes", lambda: another_server.value(WRITING))
            another_server.crash()
            another_server.start()
            told = cut.result()
        assert (told.status_code, told.headers["Retry-After"]) == (503, "1")
        rows = f"SELECT count(*) FROM payments WHERE amount = {operation}"  # noqa: S608
        assert another_server.value(rows) == 0
        assert another_server.value("SELECT count(*) FROM idempotency_key") == 0
        assert charge(operation, key).status_code == 201
        assert charge(operation, key).headers["Idempotent-Replayed"] == "true"
        assert another_server.value(rows) == 1
