"""The service, and beside its keyset list the same list by OFFSET, for `pages.py` to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query
from orders.kit.dependencies import Admission, Calling, Reading
from orders.kit.pagination import PageOf
from orders.main import create_app as create_service
from orders.modules.payments.models import Payment
from orders.modules.payments.repository import payments
from orders.modules.payments.schemas import PaymentRead

if TYPE_CHECKING:
    from fastapi import FastAPI

PATH = "/api/v1/payments-by-offset"
router = APIRouter()


@router.get(PATH, response_model=PageOf[PaymentRead])
async def list_by_offset(
    caller: Calling,
    session: Reading,
    limit: Annotated[int, Query()] = 20,
    offset: Annotated[int, Query()] = 0,
) -> dict[str, object]:
    """Do what the service's list does, but skip rows by counting them."""
    newest_first = (Payment.created_at.desc(), Payment.public_id.desc())
    query = payments.visible(caller).order_by(*newest_first).limit(limit + 1).offset(offset)
    found = (await session.scalars(query)).all()
    return {
        "items": found[:limit],
        "page": {"limit": limit, "next": None, "previous": None},
    }


def create_app() -> FastAPI:
    """For uvicorn."""
    app = create_service()
    app.include_router(router, dependencies=[Depends(Admission("payments"))])
    return app
