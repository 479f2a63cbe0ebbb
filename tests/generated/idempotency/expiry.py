"""A key that is over, and what removes it: case 46."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import WRITING, Charging, Sql, eventually

EXPIRE = "UPDATE idempotency_key SET expires_at = now() - interval '1 second'"
OLD = """
    INSERT INTO idempotency_key (digest, fingerprint, expires_at)
    SELECT decode(md5(number::text), 'hex'), sha256('x'), now() - interval '1 day'
    FROM generate_series(1, 2500) AS number
"""


def purge(url: str) -> str:
    """`python -m orders purge`, as cron runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "orders", "purge"],
        env=os.environ | {"DATABASE_URL": url, "ENVIRONMENT": "development"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout


@pytest.mark.parametrize("then", ["answer", "refuse_409"])
def test_46_an_expired_key_may_be_used_for_another_request(
    charge: Charging, sql: Sql, operation: int, key: str, then: str
) -> None:
    first = charge(operation, key, then)
    sql.execute(EXPIRE)
    other = charge(operation, key, note="another request")
    assert other.status_code == 201
    assert "Idempotent-Replayed" not in other.headers
    assert charge(operation, key, note="another request").content == other.content
    assert charge(operation, key).status_code == 422
    assert sql.rows(operation) == (2 if first.status_code == 201 else 1)


def test_46_an_expired_key_is_claimed_by_one_of_many(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    charge(operation, key)
    sql.execute(EXPIRE)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: charge(operation, key), range(20)))
    done = [answer for answer in answers if answer.status_code == 201]
    assert [answer.headers.get("Idempotent-Replayed") for answer in done].count(None) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sql.rows(operation) == 2


def test_46_an_expired_refusal_gives_way_to_a_new_one(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    assert charge(operation, key, "refuse_409").status_code == 409
    sql.execute(EXPIRE)
    assert charge(operation, key, "refuse_404").status_code == 404
    assert charge(operation, key).status_code == 404


def test_46_a_failure_gives_an_expired_key_back_as_it_was(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    charge(operation, key)
    sql.execute(EXPIRE)
    before = sql.keys()
    assert charge(operation, key, "crash").status_code == 500
    assert sql.keys() == before
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 2


def test_46_purging_removes_what_is_expired_and_waits_for_no_claim(
    charge: Charging, sql: Sql, database_url: str, operation: int, key: str
) -> None:
    sql.execute("DELETE FROM idempotency_key")
    charge.client.app.state.go_on = False  # type: ignore[attr-defined]
    charge(operation + 1, f"{key}-expired")
    sql.execute(EXPIRE)
    sql.execute(OLD)
    charge(operation, key)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(charge, operation + 1, f"{key}-expired", "wait_for_the_test")
        eventually("a retry has claimed the expired key", lambda: sql.value(WRITING))
        assert "idempotency_key: 2500" in purge(database_url)
        assert not running.done()
        charge.client.app.state.go_on = True  # type: ignore[attr-defined]
        assert running.result().status_code == 201
    assert sql.keys() == 2
    for number, name in ((0, key), (1, f"{key}-expired")):
        assert charge(operation + number, name).headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation + 1) == 2
