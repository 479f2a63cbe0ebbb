"""What a request's headers say, and what keeps browsers from doing too much with an answer."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EVERY = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_API = ((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),)


def header(scope: Scope, name: bytes) -> str:
    """A request's first header of this lower-case name, or nothing."""
    for found, value in scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return ""


class SecurityHeadersMiddleware:
    """Pure ASGI: adds what is missing to every answer; the API pages may load their scripts."""

    def __init__(self, app: ASGIApp, *, pages: frozenset[str]) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = _EVERY if scope["path"] in self._pages else _EVERY + _API

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {name for name, _ in headers}
                headers += [one for one in wanted if one[0] not in there]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, add)
