"""`/api/v1/trouble`: handlers that fail, wait, and do what a handler should not."""

import asyncio
from typing import Any
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, HTTPException, Request
from orders.kit.dependencies import Calling, Reading, Writing, open_to_everybody
from orders.kit.errors import Problem
from orders.modules.payments.models import Payment
from orders.modules.payments.repository import payments
from sqlalchemy import select, text

router = APIRouter(prefix="/trouble")
inner = APIRouter(prefix="/shared")
innermost = APIRouter()


def payment(caller: Calling, amount: int) -> Payment:
    return Payment(account_id=caller.account_id, amount=amount, currency="EUR")


async def pause(request: Request, seconds: float) -> None:
    """Wait, until a test has seen enough."""
    clock = asyncio.get_running_loop()
    end = clock.time() + seconds
    while clock.time() < end and not getattr(request.app.state, "seen_enough", False):
        await asyncio.sleep(0.01)


@router.get("/crash")
async def crash() -> None:
    raise RuntimeError("SELECT secret FROM vault")


@router.get("/broken-query")
async def broken_query(session: Writing) -> None:
    await session.execute(text("SELECT secret FROM vault"))


@router.get("/leak")
async def leak(caller: Calling) -> dict[str, int]:
    return {"account": caller.account_id}


@router.get("/open")
@open_to_everybody("the tests need a route that is open")
async def open_route() -> str:
    return "open"


@router.get("/hidden", include_in_schema=False)
async def hidden() -> str:
    return "hidden"


@router.get("/pause")
async def pause_reading(request: Request, session: Reading, seconds: float = 0.0) -> str:
    await session.execute(select(text("'a read that pauses'")))
    await pause(request, seconds)
    return "read"


@router.post("/pause")
async def pause_writing(
    request: Request, caller: Calling, session: Writing, seconds: float = 0.0, amount: int = 1
) -> str:
    session.add(payment(caller, amount))
    await session.flush()
    await pause(request, seconds)
    await session.execute(select(text("'a write that paused'")))
    return "written"


@router.get("/sleep")
async def sleep(session: Reading, seconds: float) -> str:
    await session.execute(select(text(f"pg_sleep({seconds})")))
    return "slept"


@router.post("/commit-then-crash")
async def commit_then_crash(caller: Calling, session: Writing, amount: int) -> None:
    session.add(payment(caller, amount))
    await session.commit()
    raise RuntimeError("after the handler's own commit")


@router.post("/write-then-refuse")
async def write_then_refuse(caller: Calling, session: Writing, amount: int, status: int) -> None:
    session.add(payment(caller, amount))
    await session.flush()
    if status == 409:
        raise Problem("conflict", "thought better of it")
    raise HTTPException(status)


@router.post("/commit-then-answer")
async def commit_then_answer(caller: Calling, session: Writing, amount: int) -> str:
    session.add(payment(caller, amount))
    await session.commit()
    return "committed"


@router.post("/rollback-then-answer")
async def rollback_then_answer(caller: Calling, session: Writing, amount: int) -> str:
    session.add(payment(caller, amount))
    await session.flush()
    await session.rollback()
    return "rolled back"


@router.post("/rollback-then-write")
async def rollback_then_write(caller: Calling, session: Writing, amount: int) -> str:
    session.add(payment(caller, amount))
    await session.flush()
    await session.rollback()
    session.add(payment(caller, amount))
    await session.flush()
    return "written after a rollback"


@router.post("/background", status_code=202)
async def background(
    caller: Calling, session: Writing, tasks: BackgroundTasks, request: Request, amount: int
) -> UUID:
    row = payment(caller, amount)
    session.add(row)
    await session.flush()
    tasks.add_task(look_up, request, row.public_id)
    return row.public_id


async def look_up(request: Request, public_id: UUID) -> None:
    async with request.app.state.callers[0].database.reading() as session:
        found = await session.scalar(select(Payment).where(Payment.public_id == public_id))
        request.app.state.seen_in_background = found and found.amount


@router.patch("/{public_id}/careless")
async def change_carelessly(
    public_id: UUID, caller: Calling, session: Writing, seconds: float, amount: int
) -> str:
    """Reads without a lock, dawdles, writes: what `Repository.change` saves a team from."""
    row = await payments.get(session, caller, public_id)
    await asyncio.sleep(seconds)
    row.amount = amount
    await session.flush()
    return "changed"


@router.patch("/{public_id}/both")
async def change_both(public_id: UUID, other: UUID, caller: Calling, session: Writing) -> str:
    """Locks two rows in an order of its own."""
    await payments.change(session, caller, public_id, {"amount": 1}, None)
    await payments.change(session, caller, other, {"amount": 1}, None)
    return "changed"


@router.patch("/{public_id}/attributes")
async def change_and_look(
    public_id: UUID, caller: Calling, session: Writing, amount: int
) -> dict[str, Any]:
    """Reads every attribute after a change: a hidden query would raise MissingGreenlet."""
    row = await payments.change(session, caller, public_id, {"amount": amount}, None)
    return {
        name: str(getattr(row, name))
        for name in ("amount", "created_at", "updated_at", "deleted_at", "deleted_by", "version")
    }


# One path, served by routes of three routers.
@router.get("/shared/path")
async def shared_get() -> str:
    return "got"


@inner.put("/path")
async def shared_put() -> str:
    return "put"


@innermost.delete("/path")
async def shared_delete() -> str:
    return "deleted"


inner.include_router(innermost)
router.include_router(inner)
