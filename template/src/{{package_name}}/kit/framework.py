"""FastAPI's own refusals, as problem details, and what every operation documents.

With `versioning.py` and `dependencies.py` the only files of the kit that know FastAPI.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from .errors import MEDIA_TYPE, NAMES, TITLES, Problem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def install(app: FastAPI) -> None:
    """Make `app` answer problem details for what the framework itself refuses."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def documented(*names: str) -> dict[int | str, dict[str, Any]]:
    """`responses=` for a route or router that can answer these problems (keys of `TITLES`)."""
    schema = {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
    }
    found: dict[int | str, dict[str, Any]] = {}
    for name in names:
        status, title = TITLES[name]
        found[status] = {"description": title, "content": {MEDIA_TYPE: {"schema": schema}}}
    return found


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 the type it was registered for
    return error.response()


async def _invalid(_: Request, error: Exception) -> Response:
    """Point at each field: RFC 9457's example uses JSON pointers (RFC 6901)."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 the type it was registered for
    errors = [
        {
            "in": found["loc"][0],
            "pointer": "".join(f"/{_escape(part)}" for part in found["loc"][1:]),
            "detail": found["msg"],
        }
        for found in error.errors()
    ]
    if any(found["type"] == "json_invalid" for found in error.errors()):
        return Problem("bad-request", "the body is not valid JSON").response()
    return Problem("invalid-input", members={"errors": errors}).response()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 the type it was registered for
    if error.status_code == 405:
        return Problem("method-not-allowed", headers={"Allow": _allowed(request)}).response()
    name = NAMES.get(error.status_code)
    if name is None:
        name = "bad-request" if error.status_code < 500 else "internal-error"
    return Problem(name, headers=error.headers or {}).response()


def _allowed(request: Request) -> str:
    """The methods of every route that matches, where the framework names the first one's only."""
    routes = request.app.router.routes
    return ", ".join(
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    )


def _escape(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
