"""One connection and one transaction a request, committed before the client sees a byte.

FastAPI ends `yield` dependencies after the response is sent: a commit that fails there has already
said 201. Here the commit happens inside `send`, before `http.response.start` goes out.
"""

from sqlalchemy import event, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncTransaction
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .database import Database, ReadSession, WriteSession

_SET_ACTOR = text("SELECT set_config('app.actor', :actor, true)")


class UnitOfWork:
    """The connection and the session of one request, each opened at its first use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading: AsyncConnection | None = None
        self._writing: AsyncConnection | None = None
        self._transaction: AsyncTransaction | None = None
        self._read_session: ReadSession | None = None
        self._write_session: WriteSession | None = None
        self._actor = "anonymous"
        self._told = False

    def acts_as(self, actor: str, *, told: bool = False) -> None:
        """Who this request acts for; `told` if the transaction has heard it already."""
        self._actor = actor
        self._told = told

    async def read_connection(self) -> AsyncConnection:
        """The request's connection in autocommit."""
        if self._reading is None:
            self._reading = await self._database.autocommit().start()
        return self._reading

    async def write_connection(self) -> AsyncConnection:
        """The request's connection in its one transaction."""
        if self._writing is None:
            connection = await self._database.connect().start()
            self._transaction = await connection.begin()
            self._writing = connection
        return self._writing

    async def read(self) -> ReadSession:
        """The request's session to read with."""
        if self._read_session is None:
            self._read_session = ReadSession(
                await self.read_connection(), expire_on_commit=False, autoflush=False
            )
        return self._read_session

    async def write(self) -> WriteSession:
        """The request's session to write with, in the request's one transaction.

        A `commit()` on it flushes and leaves that transaction open; a `rollback()` condemns it.
        """
        if self._write_session is None:
            connection = await self.write_connection()
            # Said through SQLAlchemy: this is what makes it send BEGIN.
            if not self._told:
                await connection.execute(_SET_ACTOR, {"actor": self._actor})
            self._write_session = WriteSession(
                connection, expire_on_commit=False, join_transaction_mode="rollback_only"
            )
            event.listen(self._write_session.sync_session, "after_begin", self._refuse_another)
        return self._write_session

    def _refuse_another(self, *_: object) -> None:
        """After a rollback there is no second transaction, which nobody's name would stand in."""
        if self._transaction is None or not self._transaction.is_active:
            raise InvalidRequestError("This request's transaction was rolled back")

    async def commit(self) -> None:
        """Make the request's writes permanent and give its connections back."""
        if self._writing is not None:
            self._refuse_another()
        if self._write_session is not None:
            await self._write_session.commit()
        if self._writing is not None:
            await self._writing.commit()
        await self.close()

    async def close(self) -> None:
        """Give the connections back; what was not committed is rolled back."""
        for session in (self._read_session, self._write_session):
            if session is not None:
                await session.close()
        for connection in (self._reading, self._writing):
            if connection is not None:
                await connection.close()
        self._read_session = self._write_session = self._reading = self._writing = None


class UnitOfWorkMiddleware:
    """Pure ASGI: an answer below 400 commits before it leaves, any other leaves nothing behind."""

    def __init__(self, app: ASGIApp, *, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def commit_then_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await (unit.commit() if message["status"] < 400 else unit.close())
            await send(message)

        unit = UnitOfWork(self._database)
        scope.setdefault("state", {})["unit_of_work"] = unit
        try:
            await self._app(scope, receive, commit_then_send)
        finally:
            await unit.close()


async def read_session(request: Request) -> ReadSession:
    """The request's session to read with."""
    unit: UnitOfWork = request.state.unit_of_work
    return await unit.read()


async def write_session(request: Request) -> WriteSession:
    """The request's session to write with."""
    unit: UnitOfWork = request.state.unit_of_work
    return await unit.write()
