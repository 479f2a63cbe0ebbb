"""`/api/v1/parcels`."""

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from orders.kit.dependencies import open_to_everybody
from orders.kit.framework import documented
from orders.kit.versioning import deprecated

router = APIRouter(prefix="/parcels")
GOING = deprecated(date(2026, 1, 31), date(2026, 7, 31))
GONE_ELSEWHERE = deprecated(date(2026, 1, 31), successor="https://elsewhere.test/parcels")


@router.get("/{public_id}", responses=documented("not-found"))
async def get_parcel(public_id: UUID) -> dict[str, int]:
    """Get a parcel, whose weight is in kilograms."""
    return {"kilograms": 2}


@router.get("", openapi_extra=GOING)
async def heaviest(least: int = 0) -> dict[str, int]:
    """Get the heaviest parcel."""
    return {"kilograms": 20}


@router.get("/of/somebody", openapi_extra=GONE_ELSEWHERE)
async def of_somebody() -> dict[str, int]:
    """Get somebody's parcel."""
    return {"kilograms": 1}


@router.get("/which/version")
@open_to_everybody("a test asks")
async def which_version(request: Request) -> dict[str, Any]:
    """Tell what logs and metrics would read."""
    return {"version": request.state.api_version, "request": request.state.request_id}
