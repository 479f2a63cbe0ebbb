"""What these tests share, on top of the service's own fixtures.

In the service it is `tests/outbox/conftest.py`.
"""

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import asyncpg
import pytest
from orders.kit.database import Database
from orders.kit.outbox import OutboxSettings, Worker
from orders.settings import Settings
from pydantic import SecretStr
from tests.outbox.hurried import work
from tests.outbox.provider import Provider

Result = TypeVar("Result")
PATIENCE = 60.0
WORKERS = multiprocessing.get_context("forkserver")
WORKERS.set_forkserver_preload(["tests.outbox.hurried"])


@dataclass
class Outbox:
    """The table, the workers and the hands of an on-call engineer."""

    url: str

    def run(self, main: Callable[[asyncpg.Connection], Awaitable[Result]]) -> Result:
        """Run a test on a loop of its own, with a connection to look at the table."""

        async def connected() -> Result:
            connection = await asyncpg.connect(self.url)
            await connection.execute("SET app.purge = 'on'; DELETE FROM outbox")
            try:
                return await main(connection)
            finally:
                await connection.close()

        return asyncio.run(connected())

    def settings(self, **more: Any) -> Settings:
        return Settings(database_url=SecretStr(self.url), environment="development", **more)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        database = Database(self.settings(), application_name="test")
        yield database
        await database.close()

    def worker(self, url: str, **more: Any) -> Worker:
        """A worker in this process, that a test steps through."""
        urls = {"paid": url} if url else {}
        return Worker(self.settings(**more), OutboxSettings(outbox_urls=urls))

    def environment(self, url: str, **more: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.url,
            "ENVIRONMENT": "development",
            "OUTBOX_URLS": json.dumps({"paid": url}),
            "HTTP_TOTAL_SECONDS": "3",
            **more,
        }

    @contextmanager
    def working(self, url: str, **more: str) -> Iterator[BaseProcess]:
        """A worker in a process of its own."""
        process = WORKERS.Process(target=work, args=(self.environment(url, **more),))
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join()

    def command(self, *arguments: str) -> str:
        """What the command line says."""
        return subprocess.run(
            [sys.executable, "-m", "orders", "outbox", *arguments],
            env=os.environ | self.environment("http://127.0.0.1:9"),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout


@pytest.fixture(scope="session")
def outbox(database_url: str) -> Outbox:
    return Outbox(database_url)


async def fill(connection: asyncpg.Connection, count: int) -> set[str]:
    """Committed messages; returns their keys."""
    rows = await connection.fetch(
        "INSERT INTO outbox (topic, payload) SELECT 'paid', jsonb_build_object('n', n)"
        " FROM generate_series(1, $1) n RETURNING public_id",
        count,
    )
    return {str(row["public_id"]) for row in rows}


async def states(connection: asyncpg.Connection) -> dict[str, int]:
    """How many messages are in each state."""
    rows = await connection.fetch("SELECT state, count(*) FROM outbox GROUP BY 1")
    return {row["state"]: row["count"] for row in rows}


async def until(condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Wait for it to come true."""
    end = time.monotonic() + patience
    while not await condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


async def until_states(connection: asyncpg.Connection, **expected: int) -> None:
    """Wait until the table looks like this."""

    async def reached() -> bool:
        return await states(connection) == expected

    await until(reached)


async def until_called(other: Provider, times: int) -> None:
    """Wait until the other side was called so often."""

    async def reached() -> bool:
        return len(other.calls) >= times

    await until(reached)


def keys(other: Provider) -> list[str]:
    """The key of each call."""
    return [call.headers["idempotency-key"] for call in other.calls]
