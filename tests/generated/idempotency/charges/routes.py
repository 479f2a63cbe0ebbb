"""`/api/v1/charges`: a handler that writes a payment and then goes on as `X-Then` says.

Headers are no part of what a key stands for, so that a retry may go on differently. The amount of
a payment names the operation: a test counts the rows that have it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from orders.kit.auth import Caller
from orders.kit.database import WriteSession
from orders.kit.dependencies import (
    IDEMPOTENT,
    Calling,
    Claiming,
    Writing,
    idempotent_by_nature,
)
from orders.kit.errors import Problem
from orders.kit.schemas import Input
from orders.modules.payments.models import Payment
from orders.modules.payments.repository import payments
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from tests.idempotency.provider import ask_for_charge

router = APIRouter()
inner = APIRouter()
innermost = APIRouter(prefix="/charges")


class Charge(Input):
    """What is charged; `note` is only there to differ."""

    operation: int
    price: float = 1.0
    note: str = ""


@dataclass
class Work:
    """What a way to go on can use."""

    request: Request
    caller: Caller
    session: WriteSession
    operation: int
    background: BackgroundTasks

    async def write(self) -> Payment:
        """Insert a row of the operation."""
        row = Payment(amount=self.operation, currency="EUR")
        return await payments.add(self.session, self.caller, row)

    async def run(self, statement: str) -> Any:
        """Run a statement in the request's transaction."""
        return await self.session.execute(text(statement))


Way = Callable[[Work], Awaitable[Any]]
WAYS: dict[str, Way] = {}


def way(function: Way) -> Way:
    WAYS[function.__name__] = function
    return function


@innermost.post("", status_code=201, dependencies=[IDEMPOTENT])
async def charge(
    new: Charge,
    caller: Calling,
    session: Writing,
    request: Request,
    background: BackgroundTasks,
    x_then: Annotated[str, Header()] = "answer",
    x_wait: Annotated[float, Header()] = 0.0,
) -> Any:
    work = Work(request, caller, session, new.operation, background)
    row = await work.write()
    await asyncio.sleep(x_wait)
    answered = await WAYS[x_then](work)
    if isinstance(answered, Response):
        answered.background = background
        return answered
    return JSONResponse(
        {"public_id": str(row.public_id), "operation": new.operation},
        201,
        {
            "Location": f"{request.url.path}/{row.public_id}",
            "ETag": f'"{row.version}"',
            "X-Seen-By": "the first client only",
        },
        background=background,
    )


@innermost.post("/again", status_code=201, dependencies=[IDEMPOTENT])
async def charge_again(new: Charge, caller: Calling, session: Writing) -> dict[str, int]:
    await payments.add(session, caller, Payment(amount=new.operation, currency="EUR"))
    return {"operation": new.operation}


@innermost.post("/bare", status_code=201, openapi_extra=idempotent_by_nature("measured against"))
async def charge_without_key(new: Charge, caller: Calling, session: Writing) -> dict[str, Any]:
    row = await payments.add(session, caller, Payment(amount=new.operation, currency="EUR"))
    return {"public_id": str(row.public_id), "operation": new.operation}


@innermost.post("/keyed", status_code=201, dependencies=[IDEMPOTENT])
async def charge_with_key(new: Charge, caller: Calling, session: Writing) -> dict[str, Any]:
    return await charge_without_key(new, caller, session)


@innermost.post("/paid", status_code=201)
async def charge_a_card(
    new: Charge, caller: Calling, session: Writing, claim: Claiming
) -> dict[str, Any]:
    """Charge somewhere else, then write; every tenth operation is refused after the write."""
    charged = "nothing"
    if new.operation % 10:
        address, key = os.environ["PAYMENT_PROVIDER"], claim.downstream("card")
        charged = await ask_for_charge(address, key, new.operation)
    row = await payments.add(session, caller, Payment(amount=new.operation, currency="EUR"))
    if not new.operation % 10:
        raise Problem("conflict", "this card is not taken")
    return {"public_id": str(row.public_id), "charge": charged}


@innermost.post("/paid/bare", status_code=201, openapi_extra=idempotent_by_nature("compared"))
async def charge_a_card_with_the_callers_key(
    new: Charge, caller: Calling, session: Writing, request: Request
) -> dict[str, Any]:
    """The same under another library's keys: the provider is told the caller's own."""
    address, key = os.environ["PAYMENT_PROVIDER"], request.headers["Idempotency-Key"]
    charged = await ask_for_charge(address, key, new.operation)
    row = await payments.add(session, caller, Payment(amount=new.operation, currency="EUR"))
    return {"public_id": str(row.public_id), "charge": charged}


@way
async def answer(work: Work) -> None:
    pass


@way
async def wait_for_the_test(work: Work) -> None:
    while not work.request.app.state.go_on:
        await asyncio.sleep(0.01)


@way
async def refuse_404(work: Work) -> None:
    raise Problem("not-found", "no such card")


@way
async def refuse_409(work: Work) -> None:
    raise Problem("conflict", "the card was charged elsewhere")


@way
async def refuse_402(work: Work) -> Response:
    return JSONResponse({"title": "no money"}, 402, media_type="application/problem+json")


@way
async def refuse_403(work: Work) -> None:
    raise Problem("forbidden")


@way
async def refuse_401(work: Work) -> None:
    raise Problem("unauthenticated")


@way
async def too_many(work: Work) -> None:
    raise Problem("too-many-requests", headers={"Retry-After": "1"})


@way
async def crash(work: Work) -> None:
    raise RuntimeError("a bug")


@way
async def unavailable(work: Work) -> None:
    raise HTTPException(503)


@way
async def answer_500(work: Work) -> Response:
    return JSONResponse({"title": "a bug"}, 500)


@way
async def commit_then_crash(work: Work) -> None:
    await work.session.commit()
    raise RuntimeError("a bug after the handler's own commit")


@way
async def commit_then_answer(work: Work) -> None:
    await work.session.commit()


@way
async def roll_back(work: Work) -> None:
    await work.session.rollback()


@way
async def roll_back_and_write(work: Work) -> None:
    await work.session.rollback()
    await work.write()


@way
async def roll_back_write_and_commit(work: Work) -> None:
    await work.session.rollback()
    await work.write()
    await work.session.commit()


@way
async def swallow_an_error(work: Work) -> None:
    """What a careless handler does: the database refused a row, and it answers 201."""
    work.session.add(Payment(amount=-1, currency="EUR", account_id=work.caller.account_id))
    try:
        await work.session.flush()
    except IntegrityError:
        await work.session.rollback()


@way
async def recover_with_a_savepoint(work: Work) -> None:
    try:
        async with work.session.begin_nested():
            work.session.add(Payment(amount=-1, currency="EUR", account_id=work.caller.account_id))
            await work.session.flush()
    except IntegrityError:
        pass


@way
async def break_a_promise(work: Work) -> None:
    """A deferred constraint: only COMMIT notices."""
    await work.run("INSERT INTO promises (kept_by) VALUES (0)")


@way
async def commit_slowly(work: Work) -> None:
    await work.run("INSERT INTO slow_commits DEFAULT VALUES")


@way
async def commit_slowly_and_fail(work: Work) -> None:
    await commit_slowly(work)
    await break_a_promise(work)


@way
async def lose_the_backend(work: Work) -> None:
    await work.run("SELECT pg_terminate_backend(pg_backend_pid())")


@way
async def time_out(work: Work) -> None:
    await work.run("SET LOCAL statement_timeout = 50")
    await work.run("SELECT pg_sleep(5)")


@way
async def idle_for_too_long(work: Work) -> None:
    await work.run("SET LOCAL idle_in_transaction_session_timeout = 50")
    await asyncio.sleep(0.3)


@way
async def answer_hugely(work: Work) -> Response:
    return Response(b"x" * (256 * 1024 + 1), 201)


@way
async def answer_to_the_limit(work: Work) -> Response:
    return Response(os.urandom(256 * 1024), 201)


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b"chunk"


@way
async def stream(work: Work) -> Response:
    return StreamingResponse(_chunks(), 201)


@way
async def answer_204(work: Work) -> Response:
    return Response(status_code=204)


@way
async def answer_303(work: Work) -> Response:
    return Response(status_code=303, headers={"Location": "/elsewhere"})


@way
async def answer_304(work: Work) -> Response:
    return Response(status_code=304, headers={"ETag": '"7"'})


@way
async def answer_awkwardly(work: Work) -> Response:
    """Every header that is replayed, in letters outside ASCII, and two cookies that are not."""
    answered = Response("grün".encode(), 201, media_type="text/plain; charset=utf-8")
    answered.set_cookie("one", "1")
    answered.set_cookie("two", "2")
    answered.raw_headers += [
        (b"location", "/grün".encode("latin-1")),
        (b"link", b"</a>; rel=next"),
        (b"link", b"</b>; rel=prev"),
        (b"content-language", b"de"),
        (b"etag", b""),
        (b"x-request-id", b"the-first"),
    ]
    return answered


@way
async def look_in_background(work: Work) -> None:
    """The task sees what is committed, and cannot go on writing."""
    seen = work.request.app.state.seen_in_background

    async def look() -> None:
        database = work.request.app.state.looking
        async with database.autocommit() as connection:
            count = text("SELECT count(*) FROM payments WHERE amount = :amount")
            found = await connection.scalar(count, {"amount": work.operation})
        try:
            await work.write()
        except Exception as error:  # noqa: BLE001 whatever it is, it has to be one
            seen[work.operation] = (found, type(error).__name__)
        else:
            seen[work.operation] = (found, "wrote")

    work.background.add_task(look)


@way
async def look_in_background_after_a_failed_commit(work: Work) -> None:
    await look_in_background(work)
    await break_a_promise(work)


@way
async def look_in_background_and_answer_hugely(work: Work) -> Response:
    await look_in_background(work)
    return await answer_hugely(work)


inner.include_router(innermost)
router.include_router(inner)
