"""One connection and one transaction a request, committed before the client sees a byte.

FastAPI ends `yield` dependencies after the response is sent: a commit that fails there has already
said 201. Here the commit happens inside `send`, before `http.response.start` goes out, and before
background tasks run.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncTransaction
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .database import Database, DatabaseUnreachable, ReadSession, WriteSession, driver
from .errors import Problem, describe, retry
from .idempotency import MAX_STORED_BYTES, Answer, Claim, is_kept

Ended = TypeVar("Ended")

_SET_ACTOR = text("SELECT set_config('app.actor', :actor, true)")


class UnitOfWork:
    """The connection and the session of one request, each opened at its first use."""

    # On the class, since most requests change few of them.
    claimed: Claim | None = None
    _reading: AsyncConnection | None = None
    _writing: AsyncConnection | None = None
    _transaction: AsyncTransaction | None = None
    _read_session: ReadSession | None = None
    _write_session: WriteSession | None = None
    _actor = "anonymous"
    _told = False
    _ended = False

    def __init__(self, database: Database) -> None:
        self._database = database

    def acts_as(self, actor: str, *, told: bool = False) -> None:
        """Who this request acts for; `told` if the transaction has heard it already."""
        self._actor = actor
        self._told = told

    @property
    def is_open(self) -> bool:
        """Whether it has a connection to give back."""
        return self._reading is not None or self._writing is not None

    @property
    def is_writing(self) -> bool:
        """Whether it has a transaction to end."""
        return self._writing is not None

    async def read_connection(self) -> AsyncConnection:
        """The request's connection to read with, in autocommit."""
        if self._reading is None:
            self._reading = await self._database.read_only().start()
        return self._reading

    async def write_connection(self) -> AsyncConnection:
        """The request's connection in its one transaction."""
        if self._ended:
            raise RuntimeError("the request's transaction has ended: what comes now is too late")
        if self._writing is None:
            connection = await self._database.connect().start()
            # Entered, it stays the only one: a rolled back one refuses what would come after it.
            self._transaction = await connection.begin().__aenter__()
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
            connection = await self._begun()
            self._write_session = WriteSession(
                connection, expire_on_commit=False, join_transaction_mode="rollback_only"
            )
        return self._write_session

    async def claim(self, claim: Claim) -> None:
        """Claim an idempotency key in the request's transaction; raises as `Claim.take` does."""
        connection = await self._begun()
        try:
            async with driver(connection) as raw:
                await claim.take(raw)
        except BaseException:
            # Whoever may not go on holds no connection while that is being answered.
            await self.close()
            raise
        self.claimed = claim

    def end(self) -> None:
        """Write no more: the answer is on its way."""
        self._ended = True

    async def finish(self, answer: Answer) -> Answer:
        """End the transaction as the answer says; returns the answer that counts.

        That is another one where a retry of a refused request was answered meanwhile.
        """
        self.end()
        try:
            if answer.status < 400:
                await self._commit(answer)
                return answer
        finally:
            await self.close()
        if self.claimed is not None and is_kept(answer.status):
            async with self._database.connect() as connection, connection.begin():
                await connection.execute(_SET_ACTOR, {"actor": self._actor})
                async with driver(connection) as raw:
                    return await self.claimed.store_refusal(raw, answer)
        return answer

    async def commit(self) -> None:
        """Make the writes permanent, outside a request."""
        await self.finish(Answer(204, (), b""))

    async def close(self) -> None:
        """Give the connections back; what was not committed is rolled back."""
        for session in (self._read_session, self._write_session):
            if session is not None:
                await session.close()
        for connection in (self._reading, self._writing):
            if connection is not None:
                await connection.close()
        self._read_session = self._write_session = self._reading = self._writing = None

    async def _begun(self) -> AsyncConnection:
        """The write connection, inside its transaction: SQLAlchemy sends BEGIN with a statement.

        What the driver is told before that would run, and stay, outside of it.
        """
        connection = await self.write_connection()
        if not self._told:
            await connection.execute(_SET_ACTOR, {"actor": self._actor})
            self._told = True
        return connection

    async def _commit(self, answer: Answer) -> None:
        if self._write_session is not None:
            await self._write_session.commit()
        if self._writing is None or self._transaction is None:
            return
        if not self._transaction.is_active:
            raise RuntimeError("the writes were rolled back, and the answer is a success")
        if self.claimed is not None:
            async with driver(self._writing) as raw:
                await self.claimed.store(raw, answer)
        try:
            await self._transaction.commit()
        except (DBAPIError, DatabaseUnreachable) as error:
            if isinstance(error, DBAPIError) and not error.connection_invalidated:
                raise
            raise retry("outcome-unknown", "send it again with the same key") from error


class UnitOfWorkMiddleware:
    """Pure ASGI: an answer below 400 commits before it leaves, any other leaves nothing behind.

    The answer to a request with an idempotency key is held back until all of it is there, since it
    is stored in the same transaction.
    """

    def __init__(self, app: ASGIApp, *, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        unit = UnitOfWork(self._database)
        scope.setdefault("state", {})["unit_of_work"] = unit
        held: Message | None = None

        async def finish(start: Message, body: Message) -> tuple[Message, Message]:
            """End the transaction; returns the messages of the answer that counts."""
            try:
                answer = _whole(start, body)
                ending = unit.finish(answer)
                # Where nothing is written, whoever is cancelled meanwhile closes it below.
                kept = await (_to_the_end(ending) if unit.is_writing else ending)
            except Exception as error:
                await _to_the_end(unit.close())
                await describe(error, scope).response()(scope, receive, send)
                raise _AnsweredError from error
            if kept is answer:
                return start, body
            headers = kept.response().raw_headers
            return (
                {**start, "status": kept.status, "headers": headers},
                {**body, "body": kept.body},
            )

        async def finish_then_send(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                if unit.claimed is not None:
                    held = message
                    return
                if unit.is_open:
                    message, _ = await finish(message, _NO_BODY)
                unit.end()
            elif held is not None:
                start, message = await finish(held, message)
                held = None
                await send(start)
            await send(message)

        try:
            await self._app(scope, receive, finish_then_send)
        except _AnsweredError:
            pass  # the answer is out, and nothing that waits for it may run
        finally:
            if unit.is_open:
                await _to_the_end(unit.close())


class _AnsweredError(Exception):
    """The middleware has answered in the application's place."""


_NO_BODY: Message = {"type": "http.response.body"}


def _whole(start: Message, body: Message) -> Answer:
    """The answer that two messages make. Raises `answer-not-storable`."""
    content = body.get("body", b"")
    whole = body["type"] == "http.response.body" and not body.get("more_body", False)
    if not whole or len(content) > MAX_STORED_BYTES:
        raise Problem("answer-not-storable", f"streamed, or over {MAX_STORED_BYTES} bytes")
    return Answer(start["status"], tuple(start.get("headers", ())), content)


async def _to_the_end(finishing: Coroutine[Any, Any, Ended]) -> Ended:
    """Await what a cancellation, however often it comes, must not leave half done."""
    task = asyncio.ensure_future(finishing)
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    return task.result()


async def read_session(request: Request) -> ReadSession:
    """The request's session to read with."""
    unit: UnitOfWork = request.state.unit_of_work
    return await unit.read()


async def write_session(request: Request) -> WriteSession:
    """The request's session to write with."""
    unit: UnitOfWork = request.state.unit_of_work
    return await unit.write()
