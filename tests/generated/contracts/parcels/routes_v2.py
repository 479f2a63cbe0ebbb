"""What `/api/v2/parcels` does in another way than v1."""

from uuid import UUID

from fastapi import APIRouter
from orders.kit.framework import documented

router = APIRouter(prefix="/parcels")


@router.get("/{id}", responses=documented("not-found"))
async def get_parcel(id: UUID) -> dict[str, int]:  # noqa: A002 as the path has it
    """Get a parcel, whose weight is in grams."""
    return {"grams": 2000}
