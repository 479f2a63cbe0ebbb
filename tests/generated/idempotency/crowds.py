"""Many at once, on real workers and small pools: cases 35 to 42, and 48."""

import asyncio
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from orders.kit import database

from .conftest import URL, WRITING, Charging, Headers, Sql, Start, eventually
from .serving import Server, serving
from .wire import Reply, request


async def crowd(
    server: Server, headers: list[Headers], bodies: list[dict[str, object]]
) -> list[Reply]:
    """All requests at the same moment, each on a connection of its own."""
    clients = [server.client() for _ in headers]
    await asyncio.gather(*(client.get("/livez") for client in clients))
    calls = zip(clients, headers, bodies, strict=True)
    try:
        return await asyncio.gather(
            *(client.post(URL, json.dumps(body).encode(), told) for client, told, body in calls)
        )
    finally:
        for client in clients:
            client.close()


def check_duplicates(answers: list[Reply]) -> None:
    """One did it; the others were told to come back, or were told the same."""
    done = [answer for answer in answers if answer.status == 201]
    assert Counter(answer.replayed for answer in done)[False] == 1
    assert len({answer.body for answer in done}) == 1
    for answer in answers:
        if answer.status != 201:
            assert answer.status == 409
            assert b"urn:problem:idempotency-in-progress" in answer.body
            assert answer.headers["retry-after"] == "1"


def test_35_of_100_duplicates_over_two_workers_one_is_done(
    server: Server, sql: Sql, me: Headers, operation: int, key: str
) -> None:
    told = me | {"Idempotency-Key": key}
    answers = asyncio.run(crowd(server, [told] * 100, [{"operation": operation}] * 100))
    assert len(answers) == 100
    check_duplicates(answers)
    assert sql.rows(operation) == 1


def test_36_thirty_races_of_thirty_leave_thirty_rows(
    server: Server, sql: Sql, me: Headers, operation: int, key: str
) -> None:
    async def race() -> None:
        for number in range(30):
            told = me | {"Idempotency-Key": f"{key}-{number}"}
            body = {"operation": operation, "note": str(number)}
            check_duplicates(await crowd(server, [told] * 30, [body] * 30))

    asyncio.run(race())
    assert sql.rows(operation) == 30


def test_37_of_different_requests_with_one_key_one_is_done(
    server: Server, sql: Sql, me: Headers, operation: int, key: str
) -> None:
    for number in range(10):
        told = me | {"Idempotency-Key": f"{key}-{number}"}
        bodies = [{"operation": operation, "note": str(note % 2)} for note in range(20)]
        answers = asyncio.run(crowd(server, [told] * 20, bodies))
        won = {note for note, answer in enumerate(answers) if answer.status == 201}
        assert len({note % 2 for note in won}) == 1
        assert {answer.status for answer in answers} <= {201, 409, 422}
        assert sql.rows(operation) == number + 1


def test_38_duplicates_of_a_slow_request_do_not_keep_others_waiting(
    sql: Sql, database_url: str, me: Headers, operation: int, key: str
) -> None:
    """A pool of five, a request of 3 s, 50 duplicates of it and ten that have nothing to do.

    A duplicate that waited for the first would hold its connection for the rest of the 3 s.
    """

    async def measure(server: Server) -> tuple[list[float], list[Reply], list[Reply]]:
        slow = me | {"Idempotency-Key": key, "X-Wait": "3"}
        body: dict[str, object] = {"operation": operation}

        async def after(seconds: float, count: int) -> list[Reply]:
            await asyncio.sleep(seconds)
            return await crowd(server, [slow] * count, [body] * count)

        first = asyncio.ensure_future(after(0, 1))
        duplicates = asyncio.gather(*(after(0.5 + number * 0.1, 10) for number in range(5)))

        async def bystander(number: int) -> float:
            await asyncio.sleep(0.5 + number * 0.1)
            began = time.perf_counter()
            told = me | {"Idempotency-Key": f"{key}-{number}"}
            (answer,) = await crowd(server, [told], [{"operation": operation * 100 + number}])
            assert answer.status == 201
            return time.perf_counter() - began

        took = await asyncio.gather(*(bystander(number) for number in range(1, 11)))
        return list(took), await first, [answer for five in await duplicates for answer in five]

    pool = {"DATABASE_POOL_SIZE": "5", "DATABASE_POOL_OVERFLOW": "0"}
    with serving({"DATABASE_URL": database_url} | pool, workers=1) as server:
        took, first, duplicates = asyncio.run(measure(server))
    assert max(took) < 1.0
    assert [answer.status for answer in first] == [201]
    assert Counter(answer.status for answer in duplicates) == {409: 50}
    assert [sql.rows(operation * 100 + number) for number in range(1, 11)] == [1] * 10


def test_39_fifty_writes_share_one_connection(
    application: Start, me: Headers, sql: Sql, operation: int
) -> None:
    with application(database_pool_size=1, database_pool_overflow=0) as service:
        charge = Charging(service, me)
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda n: charge(operation, f"one-{n}"), range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 50}
    assert sql.rows(operation) == 50


def test_40_who_finds_every_connection_in_use_is_told_to_come_back(
    application: Start,
    me: Headers,
    sql: Sql,
    operation: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "POOL_TIMEOUT", 0.2)
    with application(database_pool_size=2, database_pool_overflow=0) as service:
        charge = Charging(service, me)

        def until_it_is_done(number: int) -> list[int]:
            statuses = []
            while not statuses or statuses[-1] != 201:
                answer = charge(operation, f"exhausted-{number}", wait=0.3)
                statuses.append(answer.status_code)
                if statuses[-1] != 201:
                    assert answer.json()["type"] == "urn:problem:pool-exhausted"
                    assert answer.headers["Retry-After"] == "1"
                    time.sleep(0.1)
            return statuses

        with ThreadPoolExecutor(12) as pool:
            statuses = list(pool.map(until_it_is_done, range(12)))
    counted = Counter(status for each in statuses for status in each)
    assert counted[503] > 0
    assert set(counted) == {201, 503}
    assert sql.rows(operation) == 12


def test_41_a_client_that_hangs_up_is_answered_when_it_calls_again(
    server: Server, sql: Sql, me: Headers, operation: int, key: str
) -> None:
    told = me | {"Idempotency-Key": key, "X-Wait": "0.6"}
    body = json.dumps({"operation": operation}).encode()

    async def hang_up() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request("POST", URL, body, told))
        await writer.drain()
        await asyncio.to_thread(eventually, "it writes", lambda: sql.value(WRITING))
        writer.close()
        await writer.wait_closed()

    asyncio.run(hang_up())
    (running,) = asyncio.run(crowd(server, [told], [{"operation": operation}]))
    assert running.status == 409
    eventually("it is done", lambda: sql.rows(operation))
    (again,) = asyncio.run(crowd(server, [told], [{"operation": operation}]))
    assert (again.status, again.replayed) == (201, True)
    assert sql.rows(operation) == 1


def test_42_a_shutdown_that_cannot_wait_leaves_nothing(
    sql: Sql, database_url: str, me: Headers, operation: int, key: str
) -> None:
    told = me | {"Idempotency-Key": key, "X-Wait": "30"}
    with serving({"DATABASE_URL": database_url}, grace=1) as server:
        with ThreadPoolExecutor() as pool:
            cut = pool.submit(asyncio.run, crowd(server, [told], [{"operation": operation}]))
            eventually("it writes", lambda: sql.value(WRITING))
            server.terminate()
            lost = cut.exception()
    assert isinstance(lost, OSError) or cut.result()[0].status == 500
    assert sql.rows(operation) == 0
    assert sql.value(WRITING) == 0


@pytest.mark.parametrize(
    "environment",
    [{"LOCK_TIMEOUT_MS": "1"}, {"DATABASE_POOLER_CONNECTIONS": "20"}],
    ids=["lock-timeout", "pooler-settings"],
)
def test_48_duplicates_wait_for_no_lock_and_need_no_prepared_statement(
    sql: Sql,
    database_url: str,
    me: Headers,
    operation: int,
    key: str,
    environment: dict[str, str],
) -> None:
    with serving({"DATABASE_URL": database_url} | environment) as server:
        told = me | {"Idempotency-Key": key}
        answers = asyncio.run(crowd(server, [told] * 100, [{"operation": operation}] * 100))
    check_duplicates(answers)
    assert sql.rows(operation) == 1
