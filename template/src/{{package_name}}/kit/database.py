"""The database: one engine, a session to read with and a session to write with.

A function that writes asks for a `WriteSession`, and the type checker refuses it a `ReadSession`.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from time import monotonic
from typing import Any

import asyncpg
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, InvalidRequestError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, NullPool

from .settings import KitSettings

log = logging.getLogger(__name__)

# Outermost longest: who waits for a statement has not waited long for a lock.
CONNECT_TIMEOUT = 5.0
POOL_TIMEOUT = 5.0
TRANSACTION_TIMEOUT_MS = 60_000  # PostgreSQL 17 and newer know it
TIMEOUTS_MS = {
    "lock_timeout": 2_000,
    "statement_timeout": 15_000,
    "idle_in_transaction_session_timeout": 30_000,
}
# Longer than the server takes to end a statement: who says nothing for so long is gone.
ANSWER_TIMEOUT = 20.0


_NOTHING = text("SELECT 1")


class DatabaseUnreachable(ConnectionError):
    """Nothing listens, it refuses, or it answers no more. Retrying may help."""


class ReadSession(AsyncSession):
    """Reads in autocommit: no transaction is opened, and no statement that writes is sent."""


class WriteSession(AsyncSession):
    """Writes inside the request's one transaction, which the unit of work ends."""


# Anything but a query, and a query with a write in a WITH or a lock that autocommit would not hold.
_WRITE = re.compile(
    r"\A(?!\s*(?:SELECT|WITH|VALUES|TABLE|SHOW)\b)"
    r"|\b(?:INSERT\s+INTO|UPDATE\s+\S|DELETE\s+FROM|MERGE\s+INTO)",
    re.IGNORECASE,
)


@lru_cache(maxsize=1_000)
def _writes(statement: str) -> bool:
    return _WRITE.search(statement) is not None


def _refuse_write(_: object, __: object, statement: str, *___: object) -> None:
    if _writes(statement):
        raise InvalidRequestError("A ReadSession only selects: ask for a WriteSession to write")


def _refuse_closed(connection: Any, *_: object) -> None:  # noqa: ANN401 SQLAlchemy's own
    """Make the pool replace a connection that was closed while nobody used it.

    asyncpg has noticed already. SQLAlchemy's own ping costs three round trips at every request.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _give_up(context: ExceptionContext) -> None:
    """Let the pool replace its connections when one is silent: a lost server closes none."""
    if isinstance(context.original_exception, TimeoutError):
        if context.connection is not None:
            raw: asyncpg.Connection = context.connection.connection.driver_connection
            raw.terminate()  # SQLAlchemy would wait for a farewell
        context.is_disconnect = context.invalidate_pool_on_disconnect = True
        raise DatabaseUnreachable("no answer") from context.original_exception


@asynccontextmanager
async def driver(connection: AsyncConnection) -> AsyncIterator[asyncpg.Connection]:
    """The driver's own connection: a statement on it costs half of one through SQLAlchemy."""
    raw: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
    try:
        yield raw
    except TimeoutError:
        raw.terminate()
        # SQLAlchemy finds it closed, says so, and replaces its other connections, too.
        await connection.execute(_NOTHING)
        raise


def _begin_query(connection: Connection, *_: object) -> None:
    connection.info["query_began"] = monotonic()


def _end_query(slow: float, connection: Connection, _: object, statement: str, *__: object) -> None:
    """Log a slow statement, never its parameters, and how to see what it does."""
    seconds = monotonic() - connection.info["query_began"]
    if seconds >= slow:
        words = " ".join(statement.split())
        log.warning("slow query, %.1f s; see EXPLAIN (ANALYZE, BUFFERS) %s", seconds, words)


class CountedPool(AsyncAdaptedQueuePool):
    """A pool that knows how many wait for a connection."""

    waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1


class Database:
    """The connection pool of one process."""

    def __init__(self, settings: KitSettings, *, application_name: str) -> None:
        self.limit = settings.database_pool_size + settings.database_pool_overflow
        options = {"application_name": application_name}
        options |= {name: str(value) for name, value in TIMEOUTS_MS.items()}
        self._engine = engine(
            settings.database_url.get_secret_value(),
            options,
            pooled=settings.database_pooler_connections is not None,
            bounded=True,
            poolclass=CountedPool,
            pool_size=settings.database_pool_size,
            max_overflow=settings.database_pool_overflow,
            pool_timeout=POOL_TIMEOUT,
            # The pool's own question whether a connection lives is no transaction either.
            isolation_level="AUTOCOMMIT",
        )
        sync = self._engine.sync_engine
        event.listen(sync, "checkout", _refuse_closed)
        event.listen(sync, "handle_error", _give_up)
        event.listen(sync, "before_cursor_execute", _begin_query)
        event.listen(sync, "after_cursor_execute", partial(_end_query, settings.slow_query_seconds))
        self._aside: set[asyncio.Task[None]] = set()
        self._transactional = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._reading = self._engine.execution_options()
        event.listen(self._reading.sync_engine, "before_cursor_execute", _refuse_write)

    @property
    def sync_engine(self) -> Engine:
        """The engine, for who listens to its events."""
        return self._engine.sync_engine

    @property
    def pool(self) -> CountedPool:
        """The pool, to be looked at."""
        pool = self._engine.pool
        assert isinstance(pool, CountedPool)  # noqa: S101 it was made so
        return pool

    def reading(self) -> ReadSession:
        """A session on a connection of its own; close it to give the connection back."""
        return ReadSession(self._reading, expire_on_commit=False, autoflush=False)

    def read_only(self) -> AsyncConnection:
        """A connection in autocommit that refuses to write; enter it to take it."""
        return self._reading.connect()

    def connect(self) -> AsyncConnection:
        """A connection for a unit of work; enter it to take one out of the pool."""
        return self._transactional.connect()

    def autocommit(self) -> AsyncConnection:
        """A connection whose every statement is its own transaction; enter it to take it."""
        return self._engine.connect()

    async def ping(self) -> None:
        """Ask the database for an answer; raises what SQLAlchemy raises when there is none."""
        async with self.autocommit() as connection, driver(connection) as raw:
            await raw.execute("SELECT 1", timeout=CONNECT_TIMEOUT)

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` run while the request goes on; `close` waits for it."""
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def close(self) -> None:
        """Close every connection of the pool."""
        await asyncio.gather(*self._aside, return_exceptions=True)
        with suppress(TimeoutError):  # a lost server takes leave of no connection
            await asyncio.wait_for(self._engine.dispose(), CONNECT_TIMEOUT)


def engine(
    url: str,
    options: dict[str, str],
    *,
    pooled: bool = False,
    bounded: bool = False,
    **pool: object,
) -> AsyncEngine:
    """An engine for `url`, which asyncpg reads as libpq would (sockets, `sslmode`, several hosts).

    `options` are the server's settings for each connection. A pooler in between (`pooled`) lends
    connections by the transaction: it takes no settings, so that they belong to the role there
    (`kit/roles.py`), and keeps no prepared statement. `bounded` transactions end after a minute,
    and a statement without an answer after `ANSWER_TIMEOUT`. Without `pool`, each use connects.
    """
    arguments: dict[str, Any] = (
        {"statement_cache_size": 0} if pooled else {"server_settings": options}
    )
    if bounded:  # a server that is lost says nothing, and TCP waits for a quarter of an hour
        arguments["command_timeout"] = ANSWER_TIMEOUT

    async def connect() -> asyncpg.Connection:
        try:
            connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT, **arguments)
            if bounded and not pooled and connection.get_server_version().major >= 17:
                await _bound(connection)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise DatabaseUnreachable(type(error).__name__) from error
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        hide_parameters=True,  # what an error says is logged
        **(pool or {"poolclass": NullPool}),
    )


async def _bound(connection: asyncpg.Connection) -> None:
    try:
        await connection.execute(f"SET transaction_timeout = {TRANSACTION_TIMEOUT_MS}")
    except BaseException:  # who asked may have gone meanwhile, and nobody else knows of it
        connection.terminate()
        raise
