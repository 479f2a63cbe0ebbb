"""What these tests share, on top of the service's own fixtures.

`test_limits.py` copies this file into a rendered service as `tests/limits/conftest.py`.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from dev import redis as dev_redis
from orders.kit.rate_limit.memory import MemoryStore
from orders.kit.rate_limit.policy import Decision, RateLimitPolicy
from orders.kit.rate_limit.shared import SharedStore
from orders.kit.rate_limit.stores import shared_store
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from starlette.testclient import TestClient

Start = Callable[..., AbstractContextManager[TestClient]]
Take = Callable[..., Awaitable[Decision]]
PATIENT = 1.0  # seconds for a store, where an answer counts: these machines are busy with more
URL = "/api/v1/gauges"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class OwnRedis:
    """A Redis of a test's own, which can be killed, halted and started again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "redis.sock"
        self.url = f"unix://{self._path}"
        self.start()

    def start(self) -> None:
        where = ["--port", "0", "--unixsocket", str(self._path), "--save", ""]
        command = [dev_redis.program(), *where, "--loglevel", "warning"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        dev_redis.wait(self._path, self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    with TemporaryDirectory(prefix="redis-") as folder:
        server = OwnRedis(Path(folder))
        yield server
        server.kill()


@pytest.fixture
def application(database_url: str, redis: None) -> Start:
    """Starts the service once more, in this process, with other settings."""

    @contextmanager
    def start(address: str = "testclient", **settings: Any) -> Iterator[TestClient]:
        given = {"database_url": SecretStr(database_url), "environment": "development"}
        given |= {"rate_limit_store_seconds": PATIENT} | settings
        app = create_app(Settings(**given))
        with TestClient(app, raise_server_exceptions=False, client=(address, 1)) as client:
            yield client
            assert client.portal is not None
            client.portal.call(_noted)

    return start


async def _noted() -> None:
    """Until the last use of API keys is written down: stopping in the middle leaks a socket."""
    tasks = asyncio.all_tasks()
    notes = [task for task in tasks if "_write_use" in getattr(task.get_coro(), "__name__", "")]
    await asyncio.gather(*notes)


class Sql:
    """Statements typed by hand, each on a connection of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def execute(self, statement: str, *args: Any) -> None:
        self._run(lambda connection: connection.execute(statement, *args))

    def value(self, query: str, *args: Any) -> Any:
        return self._run(lambda connection: connection.fetchval(query, *args))

    def _run(self, work: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            connection = await asyncpg.connect(self.url)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(run())

    @contextmanager
    def renamed(self, *tables: str) -> Iterator[None]:
        """As if these tables were not there: whoever looks into them fails."""
        for table in tables:
            self.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            for table in tables:
                self.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


@pytest.fixture
def sql(database_url: str) -> Sql:
    return Sql(database_url)


STORES = ("memory", "postgres", "redis")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """Each kind of store."""
    return str(request.param)


@pytest.fixture(params=STORES[1:])
def shared(request: pytest.FixtureRequest) -> str:
    """Each kind that processes can share."""
    return str(request.param)


@pytest.fixture
def named(database_url: str, redis: None) -> Callable[[str], SecretStr]:
    """The setting RATE_LIMIT_STORE for a kind of store."""
    suite = Settings().rate_limit_store

    def name(kind: str) -> SecretStr:
        return suite if kind == "redis" else SecretStr(kind)

    return name


@pytest.fixture
async def take(store: str, named: Callable[[str], SecretStr]) -> AsyncIterator[Take]:
    """Takes out of buckets; the store itself has to decide."""
    settings = Settings(rate_limit_store=named(store), rate_limit_store_seconds=PATIENT)
    if store == "memory":
        memory = MemoryStore()

        async def from_memory(policy: RateLimitPolicy, key: str, cost: int = 1) -> Decision:
            return memory.take(policy, key, cost)

        yield from_memory
        return
    kept = shared_store(settings, "orders")
    assert kept is not None
    behind = SharedStore(kept, budget=PATIENT, processes=1)
    await behind.open()

    async def from_store(policy: RateLimitPolicy, key: str, cost: int = 1) -> Decision:
        decision, exact = await behind.take(policy, key, cost)
        assert exact
        return decision

    yield from_store
    await behind.close()
