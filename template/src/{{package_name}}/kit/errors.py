"""Problem details (RFC 9457) for every answer that is not a success.

A route raises `Problem`; whatever else goes wrong on the way (the framework's own refusals, a
database that does not answer, a bug) is turned into one here.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import httpx2
from asyncpg import InterfaceError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm.exc import StaleDataError
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .circuit_breaker import CircuitOpen
from .database import DatabaseUnreachable
from .http_client import retry_after
from .request_id import request_id

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# Each type is `urn:problem:<name>`: stable, and listed in README.
TITLES = {
    "bad-request": (400, "The request could not be understood"),
    "idempotency-key-missing": (400, "The request needs an Idempotency-Key"),
    "idempotency-key-malformed": (400, "The Idempotency-Key is not well formed"),
    "invalid-cursor": (400, "The cursor does not belong to this request"),
    "unauthenticated": (401, "The caller is not known"),
    "forbidden": (403, "The caller may not do this"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This method is not served here"),
    "not-acceptable": (406, "No representation that the client accepts"),
    "request-timeout": (408, "The body did not arrive in time"),
    "conflict": (409, "The request conflicts with what is stored"),
    "idempotency-in-progress": (409, "The first request with this key is still running"),
    "version-retired": (410, "This version of the API is served no more"),
    "precondition-failed": (412, "The resource has changed since it was read"),
    "content-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body is not JSON"),
    "invalid-input": (422, "The input breaks a rule"),
    "idempotency-key-reused": (422, "The key belongs to another request"),
    "precondition-required": (428, "The request must say which version it changes"),
    "too-many-requests": (429, "The caller has used up its quota"),
    "internal-error": (500, "The service failed"),
    "answer-not-storable": (500, "The answer cannot be kept for a replay"),
    "upstream-failed": (502, "Another service, which this one needs, failed"),
    "database-unavailable": (503, "The database does not answer"),
    "pool-exhausted": (503, "Every database connection is in use"),
    "busy": (503, "The database was too busy to finish this"),
    "read-only": (503, "The service does not write for now"),
    "outcome-unknown": (503, "The database was lost while it was committing"),
    "rate-limit-unavailable": (503, "Whether the caller has quota left cannot be told now"),
    "upstream-unavailable": (503, "Another service, which this one needs, takes no calls"),
    "upstream-timeout": (504, "Another service, which this one needs, did not answer in time"),
}
NAMES = {status: name for name, (status, _) in reversed(TITLES.items())}


@dataclass
class Problem(Exception):
    """An answer that is not a success. `name` is a key of `TITLES`."""

    name: str
    detail: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status of this type of problem."""
        return TITLES[self.name][0]

    @property
    def title(self) -> str:
        """What this type of problem is, for people."""
        return TITLES[self.name][1]

    def response(self) -> JSONResponse:
        """The problem as a client gets it."""
        body = {
            "type": f"urn:problem:{self.name}",
            "title": self.title,
            "status": self.status,
            **({"detail": self.detail} if self.detail else {}),
            **({"request_id": name} if (name := request_id.get()) else {}),
            **self.members,
        }
        return JSONResponse(body, self.status, dict(self.headers), MEDIA_TYPE)


def retry(name: str, detail: str = "", after: int = 1) -> Problem:
    """A problem that goes away by itself: the client is told when to try again, in seconds."""
    return Problem(name, detail, headers={"Retry-After": str(after)})


# SQLSTATE classes and codes (PostgreSQL, appendix A) that mean something to a client.
_BY_SQLSTATE = {
    "23505": lambda: Problem("conflict", "another resource already has this value"),
    "23503": lambda: Problem("conflict", "it refers to something that does not exist"),
    "23001": lambda: Problem("conflict", "something else still refers to it"),
    "23514": lambda: Problem("invalid-input", "a value is outside its bounds"),
    "22": lambda: Problem("invalid-input", "a value cannot be stored"),
    "40": lambda: retry("busy", "it collided with another request"),
    "53": lambda: retry("database-unavailable"),
    "55P03": lambda: retry("busy", "a row stayed locked for too long"),
    "57014": lambda: retry("busy", "a statement took too long"),
    "08": lambda: retry("database-unavailable"),
    "57P": lambda: retry("database-unavailable"),
    "25P03": lambda: retry("busy", "the request took too long"),
}


def from_exception(error: BaseException) -> Problem | None:
    """What a client is told about `error`, where it is not this service's own bug."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, PoolExhausted):
        return retry("pool-exhausted")
    if isinstance(error, StaleDataError):
        return Problem("precondition-failed")
    if isinstance(error, httpx2.HTTPError):
        return _from_upstream(error)
    # From SQLAlchemy, or from the driver itself where the kit talks to it.
    driver = error.orig if isinstance(error, DBAPIError) else error
    state = str(getattr(driver, "sqlstate", None) or "")
    for length in (5, 3, 2):
        if made := _BY_SQLSTATE.get(state[:length]):
            return made()
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if lost or isinstance(error, DatabaseUnreachable | InterfaceError):
        return retry("database-unavailable")
    return None


def _from_upstream(error: httpx2.HTTPError) -> Problem:
    """What is told about a call of ours; of the other side only when to try again."""
    after = error.after if isinstance(error, CircuitOpen) else None
    if isinstance(error, httpx2.HTTPStatusError) and error.response.status_code in {429, 503}:
        after = retry_after(error.response)
    if after is not None:
        return retry("upstream-unavailable", after=max(1, ceil(after)))
    timeout = isinstance(error, httpx2.TimeoutException)
    return Problem("upstream-timeout" if timeout else "upstream-failed")


def describe(error: Exception, scope: Scope) -> Problem:
    """What the client of this request is told about `error`, which is logged if it is ours."""
    problem = from_exception(error)
    if problem is None:
        log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
        return Problem("internal-error")
    if problem.status >= 500:
        log.warning("%s %s: %s", scope["method"], scope["path"], problem.name)
    return problem


class ProblemMiddleware:
    """Pure ASGI: turns what escapes the application into a problem.

    Starlette's own last resort stands outside every other middleware, so that its 500 lacks their
    headers; this one stands inside them, and the edge says whether an answer has begun.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if "answer_status" in scope["state"]:
                raise
            await describe(error, scope).response()(scope, receive, send)
