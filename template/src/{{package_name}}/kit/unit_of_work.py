"""One connection and one transaction a request, committed before the client sees a byte.

FastAPI ends `yield` dependencies after the response is sent: a commit that fails there has already
said 201. Here the commit happens inside `send`, before `http.response.start` goes out.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .database import Database, ReadSession, WriteSession


class UnitOfWork:
    """The sessions of one request, each opened at its first use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading: ReadSession | None = None
        self._writing: WriteSession | None = None

    def read(self) -> ReadSession:
        """The request's read session. It takes a connection with its first statement."""
        if self._reading is None:
            self._reading = self._database.reading()
        return self._reading

    async def write(self) -> WriteSession:
        """The request's write session, bound to the request's one transaction.

        A `commit()` on it flushes and leaves that transaction open; a `rollback()` condemns it.
        """
        if self._writing is None:
            connection = await self._database.connect().start()
            try:
                await connection.begin()
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
            self._writing = WriteSession(
                connection,
                expire_on_commit=False,
                join_transaction_mode="rollback_only",
            )
        return self._writing

    async def commit(self) -> None:
        """Make the request's writes permanent and give its connections back."""
        if self._writing is not None:
            await self._writing.commit()
            await self._connection.commit()
        await self.close()

    async def close(self) -> None:
        """Give the connections back; what was not committed is rolled back."""
        if self._reading is not None:
            await self._reading.close()
            self._reading = None
        if self._writing is not None:
            await self._writing.close()
            await self._connection.close()
            self._writing = None


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
    return unit.read()


async def write_session(request: Request) -> WriteSession:
    """The request's session to write with."""
    unit: UnitOfWork = request.state.unit_of_work
    return await unit.write()
