"""The service's list as other libraries page it: its route, its caller, its query, their pages.

The libraries are asked as their documents show it, with the order that the service's own list has.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.responses import PlainTextResponse
from orders.kit.auth import Caller
from orders.kit.dependencies import Admission, Calling, Reading
from orders.kit.pagination import PageOf
from orders.main import create_app as create_service
from orders.modules.payments.models import Payment
from orders.modules.payments.repository import payments
from orders.modules.payments.schemas import PaymentRead
from sqlalchemy import Select

OFFSET, SQLAKEYSET = "/api/v1/payments-by-offset", "/api/v1/payments-by-sqlakeyset"
CURSOR, COUNTED = "/api/v1/payments-by-cursor", "/api/v1/payments-with-count"


def add(app: FastAPI) -> None:
    """All of them; one that can't be imported or registered answers with what it said."""
    for path, register in _PAGERS.items():
        router = APIRouter()
        try:
            register(router, path)
        except Exception as error:  # noqa: BLE001 whatever it is, it is what we report
            router.add_api_route(path, _saying(repr(error)), response_model=None)
        app.include_router(router, dependencies=[Depends(Admission("payments"))])


def place(at: datetime, public_id: UUID) -> str:
    """What sqlakeyset calls a bookmark: after this row."""
    from sqlakeyset import serialize_bookmark

    return serialize_bookmark(((at, public_id), False))


def cursor(at: datetime, public_id: UUID) -> str:
    """The same for fastapi-pagination, which wraps it once more."""
    from fastapi_pagination.cursor import encode_cursor

    return str(encode_cursor(place(at, public_id)))


def _saying(words: str) -> Callable[[], PlainTextResponse]:
    return lambda: PlainTextResponse(words, 500)


def _query(caller: Caller) -> Select[tuple[Payment]]:
    return payments.visible(caller).order_by(Payment.created_at.desc(), Payment.public_id.desc())


def _offset(router: APIRouter, path: str) -> None:
    @router.get(path, response_model=PageOf[PaymentRead])
    async def by_offset(
        caller: Calling,
        session: Reading,
        limit: Annotated[int, Query()] = 20,
        offset: Annotated[int, Query()] = 0,
    ) -> dict[str, object]:
        query = _query(caller).limit(limit + 1).offset(offset)
        found = (await session.scalars(query)).all()
        return {
            "items": found[:limit],
            "page": {"limit": limit, "next": None, "previous": None},
        }


def _sqlakeyset(router: APIRouter, path: str) -> None:
    from sqlakeyset.asyncio import select_page

    @router.get(path, response_model=PageOf[PaymentRead])
    async def by_sqlakeyset(
        caller: Calling,
        session: Reading,
        limit: Annotated[int, Query()] = 20,
        bookmark: Annotated[str | None, Query()] = None,
    ) -> dict[str, object]:
        page = await select_page(session, _query(caller), per_page=limit, page=bookmark)
        told = page.paging
        return {
            "items": [row[0] for row in page],
            "page": {
                "limit": limit,
                "next": told.bookmark_next if told.has_next else None,
                "previous": told.bookmark_previous if told.has_previous else None,
            },
        }


def _cursor(router: APIRouter, path: str) -> None:
    from fastapi_pagination.cursor import CursorPage
    from fastapi_pagination.customization import CustomizedPage, UseIncludeTotal

    # As it is made, this page counts all rows, too: that is the next one's cost.
    page = CustomizedPage[CursorPage[PaymentRead], UseIncludeTotal(include_total=False)]
    _fastapi_pagination(router, path, page)


def _counted(router: APIRouter, path: str) -> None:
    from fastapi_pagination import LimitOffsetPage

    _fastapi_pagination(router, path, LimitOffsetPage[PaymentRead])


def _fastapi_pagination(router: APIRouter, path: str, page: Any) -> None:
    from fastapi_pagination.api import pagination_ctx
    from fastapi_pagination.ext.sqlalchemy import apaginate

    @router.get(path, response_model=page, dependencies=[Depends(pagination_ctx(page))])
    async def paged(caller: Calling, session: Reading) -> Any:
        return await apaginate(session, _query(caller))


_PAGERS: dict[str, Callable[[APIRouter, str], None]] = {
    OFFSET: _offset,
    SQLAKEYSET: _sqlakeyset,
    CURSOR: _cursor,
    COUNTED: _counted,
}


def create_app() -> FastAPI:
    """The service and these, for uvicorn."""
    app = create_service()
    add(app)
    return app
