"""What a route may ask for: who is calling, a session, a page, the version that a client read."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param

from . import idempotency, pagination, unit_of_work
from .auth import Caller, Callers
from .database import ReadSession, WriteSession
from .errors import Problem, retry
from .http_client import HttpClient, within
from .idempotency import Claim
from .pagination import PageRequest
from .rate_limit import RateLimiter
from .rate_limit.address import address
from .repository import Versions

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_KEY = Header(
    alias="Idempotency-Key",
    description="a random UUID, kept for the retries of one operation",
    json_schema_extra={"pattern": idempotency.PATTERN},  # documented; `parse` is who refuses
)
_READ = "the ETag that was read"
_JSON = ("application/json", "application/problem+json", "application/*", "*/*")
_REFUSED = {"q=0", "q=0.0", "q=0.00", "q=0.000"}  # RFC 9110, 12.4.2
_ETAG = re.compile('"[0-9]{1,19}"')
_READS = {"GET", "HEAD", "OPTIONS"}


def open_to_everybody(reason: str) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint that needs no caller, and say why. Every other one is closed."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.open_because = reason  # type: ignore[attr-defined]
        return endpoint

    return mark


class Admission(SecurityBase):
    """What stands before every route: one dependency, since each costs as much as what it asks.

    It lets callers with the scope `<module>:read` or `<module>:write` in. Each request counts
    against its caller's rate limit, or its address's where there is no caller.
    """

    scheme_name = "HTTPBearer"
    model = HTTPBearer(description="An API key: `Authorization: Bearer key_…`")

    def __init__(self, module: str) -> None:
        self._module = module

    async def __call__(self, request: Request) -> None:
        """Raises a `Problem` where the request goes no further."""
        _negotiate(request)
        limiter: RateLimiter = request.app.state.rate_limiter
        if getattr(request.scope.get("endpoint"), "open_because", None):
            await limiter.admit(request.scope, address(request.scope))
            return
        writes = request.method not in _READS
        if writes and request.app.state.settings.read_only:
            raise retry("read-only", after=60)
        scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
        token = token if scheme.lower() == "bearer" else ""
        limiter.recall(request.scope, token)
        caller = await _known(request, token, writes) if token else None
        if caller is None:
            raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        await limiter.admit(request.scope, str(caller.account_id), token)
        scope = f"{self._module}:{'write' if writes else 'read'}"
        if not caller.may(scope):
            raise Problem("forbidden", f"this needs the scope {scope}")
        request.state.caller = caller


async def _known(request: Request, token: str, writes: bool) -> Caller | None:
    callers: Callers
    for callers in request.app.state.callers:
        if caller := await callers.caller(request.state.unit_of_work, token, writes=writes):
            return caller
    return None


def _negotiate(request: Request) -> None:
    """Refuse a body that is not JSON, and a client that does not take JSON."""
    accepted = ",".join(request.headers.getlist("accept")) or "*/*"
    ranges = (part.lower().replace(" ", "").split(";") for part in accepted.split(","))
    if not any(kind in _JSON and not _REFUSED.intersection(rest) for kind, *rest in ranges):
        raise Problem("not-acceptable", "this service answers application/json")
    has_body = request.headers.get("content-length", "0") != "0"
    if has_body or "transfer-encoding" in request.headers:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem("unsupported-media-type", "send application/json")


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _page_request(
    request: Request,
    caller: Annotated[Caller, Depends(_caller)],
    limit: Annotated[int, Query(ge=1, le=pagination.MAX_LIMIT)] = pagination.DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="from the page before or after")] = None,
    sort: Annotated[Literal["-created_at", "created_at"], Query()] = "-created_at",
) -> PageRequest:
    filters = request.query_params.multi_items()
    others = sorted(pair for pair in filters if pair[0] not in {"limit", "cursor", "sort"})
    context = repr((request.url.path, sort, others, str(caller.account))).encode()
    position = None if cursor is None else pagination.decode(cursor, context)
    return PageRequest(limit, sort.startswith("-"), position, context, request.url)


async def _http_client(request: Request) -> AsyncIterator[HttpClient]:
    with within(request.app.state.settings.http_request_seconds):
        yield request.app.state.http_client


async def _claim(request: Request, caller: Caller) -> Claim:
    key = idempotency.parse(request.headers.getlist("idempotency-key"))
    claim = idempotency.claim(
        scope=str(caller.account),
        key=key,
        method=request.method,
        path=request.url.path,
        query=request.url.query,
        body=await request.body(),
        expires=timedelta(hours=request.app.state.settings.idempotency_hours),
    )
    await request.state.unit_of_work.claim(claim)
    return claim


async def _idempotent(
    request: Request,
    caller: Annotated[Caller, Depends(_caller)],
    _: Annotated[str, _KEY],
) -> Claim:
    return await _claim(request, caller)


async def _precondition(
    request: Request,
    caller: Annotated[Caller, Depends(_caller)],
    key: Annotated[str | None, _KEY] = None,
    if_match: Annotated[str | None, Header(alias="If-Match", description=_READ)] = None,
) -> Versions:
    if key is None and if_match is None:
        raise Problem("precondition-required", "send If-Match or Idempotency-Key")
    if key is not None:
        await _claim(request, caller)
    tags = [tag.strip() for tag in ",".join(request.headers.getlist("if-match")).split(",")]
    if if_match is None or tags == ["*"]:
        return None
    # Compared strongly (RFC 9110, 13.1.1): a weak tag, or another's, matches no version.
    return frozenset(int(tag.strip('"')) for tag in tags if _ETAG.fullmatch(tag))


Calling = Annotated[Caller, Depends(_caller)]
Reading = Annotated[ReadSession, Depends(unit_of_work.read_session)]
Writing = Annotated[WriteSession, Depends(unit_of_work.write_session)]
Whose = Annotated[UUID | None, Query(description="whose rows; support may see other accounts'")]
Paging = Annotated[PageRequest, Depends(_page_request)]
Precondition = Annotated[Versions, Depends(_precondition)]
Outgoing = Annotated[HttpClient, Depends(_http_client)]
IDEMPOTENT = Depends(_idempotent)
Claiming = Annotated[Claim, IDEMPOTENT]


def idempotent_by_nature(reason: str) -> dict[str, Any]:
    """`openapi_extra=` of a POST that needs no key, and why doing it twice is doing it once."""
    return {"x-idempotency": reason}


def etag(version: int) -> str:
    """The strong entity tag (RFC 9110, 8.8.3) of a resource's version."""
    return f'"{version}"'
