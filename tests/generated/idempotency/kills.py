"""`kill -9` of a real worker at a named instruction: cases 26 to 33, and around a refusal."""

import asyncio
import json

import pytest

from .conftest import URL, Headers, Sql, eventually
from .dying import POINTS, REFUSAL_POINTS
from .serving import Server
from .wire import Reply


def send(server: Server, headers: Headers, operation: int) -> Reply:
    """One request on a connection of its own."""

    async def call() -> Reply:
        client = server.client()
        try:
            return await client.post(URL, json.dumps({"operation": operation}).encode(), headers)
        finally:
            client.close()

    return asyncio.run(call())


@pytest.mark.parametrize(("point", "committed"), POINTS.items(), ids=POINTS)
def test_26_to_33_a_process_that_is_killed_loses_nothing_and_doubles_nothing(
    server: Server,
    sql: Sql,
    me: Headers,
    operation: int,
    key: str,
    point: str,
    committed: bool,
) -> None:
    before = set(server.workers())
    headers = me | {"Idempotency-Key": key}
    acknowledged = None
    if point == "after-send":
        acknowledged = send(server, headers | {"X-Die": point}, operation)
    else:
        with pytest.raises(OSError):  # noqa: PT011 whatever a broken connection is
            send(server, headers | {"X-Die": point}, operation)
    eventually("a worker died", lambda: set(server.workers()) != before)
    eventually("its transaction ended", lambda: not sql.value(OPEN))
    assert sql.rows(operation) == committed

    retried = send(server, headers, operation)
    assert retried.status == 201
    assert retried.replayed is committed
    assert sql.rows(operation) == 1
    if acknowledged is not None:
        assert (acknowledged.status, acknowledged.body) == (201, retried.body)
    for _ in range(2):
        again = send(server, headers, operation)
        assert (again.status, again.body, again.replayed) == (201, retried.body, True)
        assert again.headers["location"] == retried.headers["location"]
    assert sql.rows(operation) == 1


@pytest.mark.parametrize("point", REFUSAL_POINTS)
def test_26_to_33_a_process_that_is_killed_around_a_refusal_has_done_nothing(
    server: Server, sql: Sql, me: Headers, operation: int, key: str, point: str
) -> None:
    headers = me | {"Idempotency-Key": key}
    with pytest.raises(OSError):  # noqa: PT011 whatever a broken connection is
        send(server, headers | {"X-Die": point, "X-Then": "refuse_409"}, operation)
    eventually("its transaction ended", lambda: not sql.value(OPEN))
    assert sql.rows(operation) == 0
    retried = send(server, headers, operation)  # it would succeed now
    kept = point == "before-send"
    assert (retried.status, retried.replayed) == ((409, True) if kept else (201, False))
    assert send(server, headers, operation).body == retried.body
    assert sql.rows(operation) == (0 if kept else 1)


OPEN = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state <> 'idle'
"""
