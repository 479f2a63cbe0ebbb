"""What the acceptance tests share, on top of the service's own fixtures.

In the service it is `tests/acceptance/conftest.py`.
"""

import base64
import json
import re
import runpy
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from httpx2 import Request, Response
from orders.kit.auth import Caller
from orders.kit.database import Database, ReadSession, WriteSession
from orders.kit.unit_of_work import UnitOfWork
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.testclient import TestClient

Headers = dict[str, str]

# Integer ids start here, so that one that gets out of the service is recognised wherever it is.
FIRST_ID = 7_310_000_000_000
AN_ID = re.compile(r"7310000\d{6}")
TABLES = ("accounts", "api_keys", "payments", "customers", "invoices")
LEAKS = re.compile(r"Traceback|SELECT |INSERT INTO|UPDATE |sqlalchemy|asyncpg|\.py\b")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Sql:
    """Statements typed by hand, on connections that the service knows nothing of."""

    client: TestClient
    url: str
    connections: list[asyncpg.Connection] = field(default_factory=list)

    def connect(self) -> asyncpg.Connection:
        """Another connection; its statements go through `call` or `start`."""
        assert self.client.portal is not None
        # A test that fails with a lock in its hands must not stop the next one for ever.
        patience = {"lock_timeout": "10000"}
        connect = partial(asyncpg.connect, self.url, server_settings=patience)
        connection = self.client.portal.call(connect)
        self.connections.append(connection)
        return connection

    def close(self) -> None:
        assert self.client.portal is not None
        for connection in self.connections:
            self.client.portal.call(connection.close)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a coroutine function where the connections live, and wait."""
        assert self.client.portal is not None
        return self.client.portal.call(function, *args)

    def start(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call it without waiting; returns a future."""
        assert self.client.portal is not None
        return self.client.portal.start_task_soon(function, *args)

    def execute(self, statement: str, *args: Any) -> str:
        """Run one statement, or a script without arguments; returns its tag (`UPDATE 1`)."""
        return str(self.call(self.connections[0].execute, statement, *args))

    def rows(self, query: str, *args: Any) -> list[asyncpg.Record]:
        return list(self.call(self.connections[0].fetch, query, *args))

    def row(self, query: str, *args: Any) -> asyncpg.Record:
        (row,) = self.rows(query, *args)
        return row

    def value(self, query: str, *args: Any) -> Any:
        return self.row(query, *args)[0]

    def account_of(self, headers: Headers) -> int:
        """The integer id of the account that calls with these headers."""
        prefix = headers["Authorization"].removeprefix("Bearer ")[:16]
        return int(self.value("SELECT account_id FROM api_keys WHERE prefix = $1", prefix))


@pytest.fixture(scope="session")
def sql(service: TestClient, database_url: str) -> Iterator[Sql]:
    """Statements typed by hand."""
    sql = Sql(service, database_url)
    sql.connect()
    yield sql
    sql.close()


@pytest.fixture(scope="session", autouse=True)
def recognisable_ids(sql: Sql) -> None:
    restart_ids(sql, TABLES)


def restart_ids(sql: Sql, tables: Iterable[str]) -> None:
    """Let the ids of new tables be recognisable too."""
    for table in tables:
        sql.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {FIRST_ID}")


def send_a_key(request: Request) -> None:
    """Make each POST an operation of its own; what keys promise is tested beside these cases."""
    if request.method == "POST":
        request.headers.setdefault("Idempotency-Key", str(uuid4()))


@pytest.fixture(autouse=True)
def answers(service: TestClient, caplog: pytest.LogCaptureFixture) -> Iterator[list[Response]]:
    """Every answer of a test. None may show an integer id, or be an error but a problem."""
    seen: list[Response] = []
    service.event_hooks = {"request": [send_a_key], "response": [seen.append]}
    yield seen
    service.event_hooks = {}
    for answer in seen:
        check_answer(answer)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert not AN_ID.search(logged), "an integer id was logged"


def check_answer(answer: Response) -> None:
    """What holds for every answer, whatever it is the answer to."""
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    visible = f"{head}\n{answer.text}"
    assert not AN_ID.search(visible), f"an integer id in {visible}"
    for cursor in set(re.findall(r'cursor=([\w%-]+)|"(?:next|previous)":"([\w-]+)"', visible)):
        assert not ids_in(next(filter(None, cursor))), f"an integer id in the cursor {cursor}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if "Access-Control-Request-Method" in answer.request.headers:
        return  # a preflight's answer is read by browsers only
    if answer.status_code >= 400 and answer.text and answer.request.url.path.startswith("/api"):
        problem = json.loads(answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert re.fullmatch("urn:problem:[a-z-]+", problem["type"])
        assert problem["status"] == answer.status_code
        assert problem["title"]
        assert not LEAKS.search(answer.text), answer.text


def ids_in(cursor: str) -> list[int]:
    """The integer ids that a cursor holds, as text or in binary."""
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    words = [
        int.from_bytes(raw[at : at + 8], order)
        for at in range(len(raw) - 7)
        for order in ("big", "little")
    ]
    text = [int(found) for found in AN_ID.findall(raw.decode("latin-1"))]
    return text + [word for word in words if FIRST_ID <= word < FIRST_ID + 1_000_000]


@pytest.fixture
def me(client: TestClient) -> Headers:
    """The headers of the account that `client` calls for."""
    return {"Authorization": client.headers["Authorization"]}


@pytest.fixture
def application(
    database_url: str, answers: list[Response]
) -> Callable[..., AbstractContextManager[TestClient]]:
    """Starts the service once more, on the same database, with other settings."""

    @contextmanager
    def start(**settings: Any) -> Iterator[TestClient]:
        safe: dict[str, Any] = {"environment": "development"}
        chosen = {"database_url": SecretStr(database_url)} | safe | settings
        with TestClient(create_app(Settings(**chosen))) as client:
            client.event_hooks = {"request": [send_a_key], "response": [answers.append]}
            yield client

    return start


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The kit's pool, in the event loop of an asynchronous test."""
    settings = Settings(database_url=SecretStr(database_url), environment="development")
    database = Database(settings, application_name="acceptance")
    yield database
    await database.close()


@pytest.fixture
async def unit(database: Database) -> AsyncIterator[UnitOfWork]:
    """A unit of work that acts for `tester`; what a test does not commit is rolled back."""
    unit = UnitOfWork(database)
    unit.acts_as("tester")
    yield unit
    await unit.close()


@pytest.fixture
async def session(unit: UnitOfWork) -> WriteSession:
    return await unit.write()


@pytest.fixture
async def reading(unit: UnitOfWork) -> ReadSession:
    return await unit.read()


@pytest.fixture
def caller(sql: Sql, new_caller: Callable[..., Headers]) -> Caller:
    """A caller with an account of their own, as a repository wants it."""
    account = sql.account_of(new_caller())
    public_id = sql.value("SELECT public_id FROM accounts WHERE id = $1", account)
    return Caller(account, public_id, "tester", frozenset({"*"}))


@dataclass
class Done:
    """How a command ended."""

    code: int
    output: str
    errors: str


@pytest.fixture
def command(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Runs the service's command line, `python -m orders …`, without a process of its own."""

    def run(*arguments: str, **environment: str) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patched:
            settings = {"DATABASE_URL": database_url, "ENVIRONMENT": "development"} | environment
            settings.setdefault("DATABASE_OWNER_URL", settings["DATABASE_URL"])
            for name, value in settings.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["orders", *arguments])
            try:
                runpy.run_module("orders", run_name="__main__")
                code: object = 0
            except SystemExit as end:
                code = end.code
        output, errors = capsys.readouterr()
        if isinstance(code, str):  # the interpreter would print it
            return Done(1, output, errors + code)
        return Done(int(code or 0), output, errors)  # type: ignore[call-overload]

    return run


def engine_of(app: Any) -> AsyncEngine:
    """The engine of a running service, with its pool of connections."""
    database: Database = app.state.callers[0].database
    return database._engine  # noqa: SLF001
