"""`/api/v1/naps`: what the logs and the metrics are watched with."""

from typing import Any

from fastapi import APIRouter
from orders.kit.dependencies import Calling, Reading, Writing, idempotent_by_nature
from sqlalchemy import text

router = APIRouter(prefix="/naps")
SLEEP = text("SELECT pg_sleep(:seconds)")


@router.get("")
async def nap(caller: Calling, session: Reading, seconds: float = 0.0) -> str:
    await session.execute(SLEEP, {"seconds": seconds})
    return "rested"


@router.post("", openapi_extra=idempotent_by_nature("it does nothing"))
async def nap_in_a_transaction(caller: Calling, session: Writing) -> str:
    await session.execute(SLEEP, {"seconds": 0})
    return "rested"


@router.get("/nightmare")
async def nightmare(caller: Calling) -> Any:
    raise RuntimeError("a bug")
