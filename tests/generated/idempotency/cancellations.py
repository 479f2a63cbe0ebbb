"""A request that is cancelled, at any moment: case 43. The pool has one connection.

A server cancels on its way down; so does any middleware of the team's that runs the application in
a task group, and that one cancels again and again until the task has ended.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from .conftest import URL, Charging, Headers, Sql, Start, eventually

COMMITTING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND state = 'active' AND query LIKE 'COMMIT%'
"""
When = Callable[["Running"], Awaitable[None]]


@dataclass
class Running:
    """A request that runs as a task, which can be cancelled."""

    task: asyncio.Task[None]

    async def cancel_until_it_ends(self) -> None:
        """What anyio's task groups do."""
        while not self.task.done():
            self.task.cancel()
            await asyncio.sleep(0)


@pytest.fixture
def one(application: Start) -> Iterator[TestClient]:
    """The service with one connection: what is returned to the pool is what comes next."""
    with application(database_pool_size=1, database_pool_overflow=0) as service:
        yield service


@pytest.fixture
def charge(one: TestClient, me: Headers) -> Charging:
    return Charging(one, me)


@pytest.fixture
def unhandled(one: TestClient) -> Iterator[list[dict[str, Any]]]:
    """What the event loop has to say of tasks whose end nobody looked at."""
    said: list[dict[str, Any]] = []
    assert one.portal is not None
    loop = one.portal.call(_loop)
    loop.set_exception_handler(lambda _, context: said.append(context))
    yield said
    loop.set_exception_handler(None)


async def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def cancelled(one: TestClient, headers: Headers, operation: int, when: When) -> list[Message]:
    """Send a request, cancel it when `when` returns, and wait; returns what it had answered."""
    answered: list[Message] = []
    body = json.dumps({"operation": operation}).encode()
    told = headers | {"Content-Type": "application/json", "Content-Length": str(len(body))}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": URL,
        "raw_path": URL.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in told.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        answered.append(message)

    async def run() -> None:
        task = asyncio.ensure_future(one.app(dict(scope), receive, send))
        await when(Running(task))
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None

    assert one.portal is not None
    one.portal.call(run)
    return answered


def once_it_commits(sql: Sql, *, again_and_again: bool) -> When:
    """Cancel while the server commits."""

    async def cancel(running: Running) -> None:
        await asyncio.to_thread(eventually, "it commits", lambda: sql.value(COMMITTING))
        if again_and_again:
            await running.cancel_until_it_ends()
        running.task.cancel()

    return cancel


def after(seconds: float, *, again_and_again: bool) -> When:
    async def cancel(running: Running) -> None:
        await asyncio.sleep(seconds)
        if again_and_again:
            await running.cancel_until_it_ends()
        running.task.cancel()

    return cancel


@pytest.mark.parametrize("again_and_again", [False, True])
def test_43_a_commit_that_is_cancelled_is_a_commit(
    one: TestClient,
    charge: Charging,
    sql: Sql,
    operation: int,
    key: str,
    unhandled: list[dict[str, Any]],
    again_and_again: bool,
) -> None:
    told = charge.caller | {"Idempotency-Key": key, "X-Then": "commit_slowly"}
    cancelled(one, told, operation, once_it_commits(sql, again_and_again=again_and_again))
    assert sql.rows(operation) == 1
    assert charge(operation, key).headers["Idempotent-Replayed"] == "true"
    assert charge(operation, f"{key}-next").status_code == 201
    assert sql.rows(operation) == 2
    assert unhandled == []


@pytest.mark.parametrize("again_and_again", [False, True])
def test_43_a_commit_that_is_cancelled_and_fails_leaves_nothing(
    one: TestClient,
    charge: Charging,
    sql: Sql,
    operation: int,
    key: str,
    unhandled: list[dict[str, Any]],
    again_and_again: bool,
) -> None:
    told = charge.caller | {"Idempotency-Key": key, "X-Then": "commit_slowly_and_fail"}
    cancelled(one, told, operation, once_it_commits(sql, again_and_again=again_and_again))
    assert sql.rows(operation) == 0
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1
    assert unhandled == []


@pytest.mark.parametrize("again_and_again", [False, True])
@pytest.mark.parametrize("then", ["answer", "refuse_409"])
def test_43_whenever_a_request_is_cancelled_its_retry_finds_out(
    one: TestClient,
    charge: Charging,
    sql: Sql,
    operation: int,
    key: str,
    unhandled: list[dict[str, Any]],
    then: str,
    again_and_again: bool,
) -> None:
    charge(operation, f"{key}-warm", then)
    before = sql.rows(operation)
    answers = []
    for number in range(40):
        name = f"{key}-{number}"
        told = charge.caller | {"Idempotency-Key": name, "X-Then": then}
        moment = after(number * 0.0005, again_and_again=again_and_again)
        acknowledged = cancelled(one, told, operation, moment)
        retried = charge(operation, name, then)
        assert retried.status_code == (409 if then == "refuse_409" else 201)
        if acknowledged:
            assert retried.headers["Idempotent-Replayed"] == "true"
            assert acknowledged[1]["body"] == retried.content
        answers.append(retried.headers.get("Idempotent-Replayed"))
    assert sql.rows(operation) == before + (0 if then == "refuse_409" else 40)
    assert None in answers  # some were cancelled before they were done
    assert unhandled == []
