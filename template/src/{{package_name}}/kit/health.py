"""Probes: `/livez` says that the process answers, `/readyz` that it can do its work."""

import logging

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from .database import Database

PATHS = frozenset({"/livez", "/readyz"})

log = logging.getLogger(__name__)


def routes(database: Database) -> list[Route]:
    """The probes' routes. They stand outside `/api` and outside the OpenAPI document."""

    async def live(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> PlainTextResponse:
        try:
            await database.ping()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("not ready: the database does not answer: %s", type(error).__name__)
            return PlainTextResponse("the database does not answer\n", status_code=503)
        return PlainTextResponse("ok\n")

    return [Route("/livez", live), Route("/readyz", ready)]
