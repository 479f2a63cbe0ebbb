"""What is seen of a request from outside: its name, its line in the log, its metrics."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import metrics
from .database import Database
from .health import PATHS, Readiness
from .http_client import HttpClient
from .idempotency import REPLAYED, outcomes
from .logs import access_log
from .rate_limit import RateLimiter
from .request_id import RAW_HEADER, given, new, request_id

GONE = 499  # nginx's number for a client that did not wait

_CLOSE = (b"connection", b"close")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


@dataclass
class Traffic:
    """What this process is busy with."""

    in_flight: int = 0


class TelemetryMiddleware:
    """Pure ASGI. The request's id is in `request_id`, in `scope["state"]` and in the answer.

    The probes are counted and not logged: somebody asks for them every few seconds.
    """

    def __init__(
        self, app: ASGIApp, *, environment: str, traffic: Traffic, readiness: Readiness
    ) -> None:
        self._app = app
        self._log = access_log(environment)
        self._traffic = traffic
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        name = given(scope) or new()
        scope.setdefault("state", {})["request_id"] = name
        status, replayed, started, ended = 500, False, False, 0.0

        async def answer(message: Message) -> None:
            nonlocal status, replayed, started, ended
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                headers = [each for each in message.get("headers", ()) if each[0] != RAW_HEADER]
                headers.append((RAW_HEADER, name.encode()))
                replayed = REPLAYED in headers
                if self._readiness.draining:
                    # A client that kept its connection would find it closed at its next request.
                    headers.append(_CLOSE)
                message = {**message, "headers": headers}
            await send(message)
            if not message.get("more_body") and message["type"] == "http.response.body":
                ended = perf_counter()  # what runs behind the answer, the client does not wait for

        token = request_id.set(name)
        self._traffic.in_flight += 1
        try:
            await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            status = status if started else GONE
            raise
        finally:
            request_id.reset(token)
            self._traffic.in_flight -= 1
            self._tell(scope, status, (ended or perf_counter()) - began, replayed)

    def _tell(self, scope: Scope, status: int, seconds: float, replayed: bool) -> None:
        method, route = scope["method"], route_of(scope)
        counter, duration = _labelled(method if method in _METHODS else "other", route, status)
        counter.inc()
        duration.observe(seconds)
        if scope["path"] in PATHS:
            return
        state = scope["state"]
        limit, caller = state.get("rate_limit"), state.get("caller")
        self._log(
            "request",
            request_id=state["request_id"],
            method=method,
            route=route,
            version=state.get("api_version"),
            status=status,
            ms=round(seconds * 1000, 1),
            caller=caller.name if caller else None,
            replayed=replayed,
            limit=f"{limit.policy.name} {limit.remaining}/{limit.policy.limit}" if limit else None,
            **state.get("line", {}),  # what others know of it
        )


def watch(
    traffic: Traffic,
    readiness: Readiness,
    database: Database,
    limiter: RateLimiter,
    http_client: HttpClient,
) -> metrics.Sampler:
    """What looks at the parts of one process."""
    sampler = metrics.Sampler()
    sampler.show(metrics.IN_FLIGHT, lambda: traffic.in_flight)
    sampler.show(metrics.READY, lambda: readiness.ready)
    sampler.show(metrics.IN_USE, database.pool.checkedout)
    sampler.show(metrics.WAITING, lambda: database.pool.waiting)
    sampler.show(metrics.LIMIT, lambda: database.limit)
    sampler.count(metrics.IDEMPOTENCY, outcomes)
    sampler.count(metrics.RATE_LIMIT, limiter.outcomes)
    sampler.count(metrics.OUTGOING, http_client.attempts.count)
    sampler.count(metrics.OUTGOING_SECONDS, http_client.attempts.seconds)
    return sampler


def route_of(scope: Scope) -> str:
    """The template of the route that was found: paths themselves are without number."""
    # Inside an included router it is the context that knows the whole path.
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    if found is not None:
        return str(found.path)
    return scope["path"] if scope["path"] in PATHS else "other"


@lru_cache(maxsize=10_000)
def _labelled(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looking a label up costs more than counting."""
    return metrics.REQUESTS.labels(method, route, status), metrics.DURATION.labels(method, route)
