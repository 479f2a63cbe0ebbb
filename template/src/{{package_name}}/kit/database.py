"""The database: one engine, a session to read with and a session to write with.

The two session types have no operation in common with each other's callers: a function that writes
asks for a `WriteSession`, and the type checker refuses it a `ReadSession`.
"""

from sqlalchemy import event, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import ORMExecuteState, Session

from .settings import KitSettings

# Outermost longest: a request waits for a connection before it waits for a lock or a statement.
CONNECT_TIMEOUT = 5.0
POOL_TIMEOUT = 5.0
LOCK_TIMEOUT_MS = 2_000
STATEMENT_TIMEOUT_MS = 15_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000


class _ReadOnlySession(Session):
    """The synchronous half of a `ReadSession`."""


class ReadSession(AsyncSession):
    """Reads in autocommit: no transaction is opened, and nothing can be written through it."""

    sync_session_class = _ReadOnlySession


class WriteSession(AsyncSession):
    """Writes inside the request's one transaction, which the unit of work ends."""


@event.listens_for(_ReadOnlySession, "do_orm_execute")
def _refuse_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        raise InvalidRequestError("A ReadSession only selects: ask for a WriteSession to write")


@event.listens_for(_ReadOnlySession, "before_flush")
def _refuse_flush(*_: object) -> None:
    raise InvalidRequestError("A ReadSession does not flush: ask for a WriteSession to write")


class Database:
    """The connection pool of one process."""

    def __init__(self, settings: KitSettings, *, application_name: str) -> None:
        self._engine = create_async_engine(
            settings.sqlalchemy_url,
            pool_size=settings.database_pool_size,
            max_overflow=settings.database_pool_overflow,
            pool_timeout=POOL_TIMEOUT,
            pool_pre_ping=True,
            connect_args={
                "timeout": CONNECT_TIMEOUT,
                "server_settings": {
                    "application_name": application_name,
                    "lock_timeout": str(LOCK_TIMEOUT_MS),
                    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
                },
            },
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def reading(self) -> ReadSession:
        """A session on a connection of its own; close it to give the connection back."""
        return ReadSession(self._autocommit, expire_on_commit=False, autoflush=False)

    def connect(self) -> AsyncConnection:
        """A connection for a unit of work; enter it to take one out of the pool."""
        return self._engine.connect()

    async def ping(self) -> None:
        """Ask the database for an answer; raises what SQLAlchemy raises when there is none."""
        async with self._autocommit.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self._engine.dispose()
