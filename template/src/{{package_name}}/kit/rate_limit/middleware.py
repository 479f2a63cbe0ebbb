"""The first gate, and the headers of every answer to what passed it."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from ..headers import Header, add
from .limiter import RateLimiter, problem
from .policy import Decision


class RateLimitMiddleware:
    """Pure ASGI: counts a request against its address, and says on the answer how it stands.

    `exempt` paths are for those who must not be refused: probes.
    """

    def __init__(self, app: ASGIApp, *, limiter: RateLimiter, exempt: frozenset[str]) -> None:
        self._app = app
        self._limiter = limiter
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        decision = self._limiter.admit_address(scope)
        scope.setdefault("state", {})["rate_limit"] = decision
        add(scope, _standing)
        inner = self._app if decision.allowed else problem(decision).response()
        await inner(scope, receive, send)


def _standing(scope: Scope) -> Iterable[Header]:
    """How the request stands by then: the second gate may have put its own decision there."""
    decision: Decision = scope["state"]["rate_limit"]
    return decision.headers()
