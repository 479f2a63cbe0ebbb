"""`/api/v1/gauges`: what a limit may be put on."""

import os
from uuid import UUID

from fastapi import APIRouter
from orders.kit.dependencies import open_to_everybody
from orders.kit.rate_limit import RateLimitPolicy, limited_by

router = APIRouter(prefix="/gauges")

QUICK = RateLimitPolicy("quick", 2, seconds=1)
HOURLY = RateLimitPolicy("hourly", 50, seconds=3600)
EXPORTS = RateLimitPolicy("exports", 10, seconds=3600)
CODES = RateLimitPolicy("codes", 5, fail_closed=True)


@router.get("")
async def read() -> str:
    return "ok"


@router.get("/quick")
@limited_by(QUICK)
async def quick() -> str:
    return "ok"


@router.get("/hourly")
@limited_by(HOURLY)
async def hourly() -> int:
    return os.getpid()


@router.get("/exports")
@limited_by(EXPORTS, cost=4)
async def export() -> str:
    return "ok"


@router.get("/all-exports")
@limited_by(EXPORTS, cost=11)
async def export_all() -> str:
    return "ok"


@router.get("/codes")
@limited_by(CODES)
async def check_code() -> str:
    return "ok"


@router.get("/open")
@open_to_everybody("it says nothing")
async def say_nothing() -> str:
    return "ok"


@router.get("/broken")
async def fail() -> str:
    raise RuntimeError("a bug")


@router.get("/of/{public_id}")
@limited_by(EXPORTS)
async def read_one(public_id: UUID) -> UUID:
    return public_id
