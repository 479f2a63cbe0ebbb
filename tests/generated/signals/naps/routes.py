"""`/api/v1/naps`: what the logs and the metrics are watched with."""

from typing import Any

from fastapi import APIRouter, Request
from orders.kit.dependencies import Calling, Reading, Writing, idempotent_by_nature
from pydantic import TypeAdapter
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


# Statements whose failure PostgreSQL or SQLAlchemy would tell with the values.
FAILING = {
    "a column that is gone": text("SELECT lost FROM payments WHERE currency = :secret"),
    "a row that is refused": text("INSERT INTO api_keys (name) VALUES (:secret)"),
}


@router.post("/nightmares/{kind}", openapi_extra=idempotent_by_nature("each of them fails"))
async def nightmares(
    caller: Calling, session: Writing, request: Request, kind: str, dream: dict[str, str]
) -> int:
    secret = dream["secret"]
    if kind in FAILING:
        await session.execute(FAILING[kind], {"secret": secret})
    if kind == "a value that does not fit":
        TypeAdapter(int).validate_python(secret)
    if kind == "an answer that does not fit":
        return secret  # type: ignore[return-value]
    raise RuntimeError("a bug")
