"""What is seen of a request from outside: its line in the log, its metrics."""

import asyncio
from datetime import UTC, datetime
from functools import lru_cache

from prometheus_client import Counter, Histogram
from starlette.types import Scope

from . import metrics
from .database import Database
from .health import PATHS, Readiness
from .http_client import HttpClient
from .idempotency import outcomes
from .logs import access_log
from .rate_limit import RateLimiter

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Telemetry:
    """What one process tells of its requests: their metrics, and a line each.

    It is told of all at once that end in the same turn of the event loop: that costs half. The
    probes are counted and not logged: somebody asks for them every few seconds.
    """

    def __init__(self, environment: str) -> None:
        self.in_flight = 0
        self._log = access_log(environment)
        self._ended: list[tuple[Scope, float]] = []

    def tell(self, scope: Scope, seconds: float) -> None:
        """Tell of a request that has ended now, after so long."""
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._tell)
        self._ended.append((scope, seconds))

    def _tell(self) -> None:
        ended, self._ended, now = self._ended, [], datetime.now(UTC)
        lines = []
        for scope, seconds in ended:
            method, route = scope["method"], route_of(scope)
            status = scope["state"].get("answer_status", 500)
            known = method if method in _METHODS else "other"
            counter, duration = _labelled(known, route, status)
            counter.inc()
            duration.observe(seconds)
            if scope["path"] not in PATHS:
                lines.append(_line(scope, route, status, seconds, now))
        self._log(lines)


def _line(
    scope: Scope, route: str, status: int, seconds: float, now: datetime
) -> dict[str, object]:
    state = scope["state"]
    limit, caller = state.get("rate_limit"), state.get("caller")
    return {
        "event": "request",
        "level": "info",
        "time": now,
        "request_id": state["request_id"],
        "method": scope["method"],
        "route": route,
        "version": state.get("api_version"),
        "status": status,
        "ms": round(seconds * 1000, 1),
        "caller": caller.name if caller else None,
        "replayed": state.get("answer_replayed", False),
        "limit": f"{limit.policy.name} {limit.remaining}/{limit.policy.limit}" if limit else None,
        **state.get("line", {}),  # what others know of it
    }


def watch(
    telemetry: Telemetry,
    readiness: Readiness,
    database: Database,
    limiter: RateLimiter,
    http_client: HttpClient,
) -> metrics.Sampler:
    """What looks at the parts of one process."""
    sampler = metrics.Sampler()
    sampler.show(metrics.IN_FLIGHT, lambda: telemetry.in_flight)
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
    # Inside an included router it is the context that knows the whole path. What a mounted
    # application finds is none of ours.
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    if found is not None and "app_root_path" not in scope:
        return str(getattr(found, "path", "other"))
    return scope["path"] if scope["path"] in PATHS else "other"


@lru_cache(maxsize=10_000)
def _labelled(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looking a label up costs more than counting."""
    return metrics.REQUESTS.labels(method, route, status), metrics.DURATION.labels(method, route)
