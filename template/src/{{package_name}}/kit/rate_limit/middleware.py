"""The first gate, and the headers of every answer to what passed it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .limiter import RateLimiter, problem


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
        state = scope.setdefault("state", {})
        decision = self._limiter.admit_address(scope)
        state["rate_limit"] = decision

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The second gate may have put its own decision there.
                headers = [*message.get("headers", ()), *state["rate_limit"].headers()]
                message = {**message, "headers": headers}
            await send(message)

        if decision.allowed:
            await self._app(scope, receive, add)
        else:
            await problem(decision).response()(scope, receive, add)
