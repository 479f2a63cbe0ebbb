"""`/api/v2/letters`."""

from fastapi import APIRouter

router = APIRouter(prefix="/letters")


@router.get("/longest")
async def longest() -> dict[str, int]:
    """Get the longest letter."""
    return {"pages": 3}
