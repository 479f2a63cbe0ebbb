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
from .idempotency import Replay

# What `documented` refers to, once in the document instead of once an answer.
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def install(app: FastAPI) -> None:
    """Make `app` answer problem details for what the framework itself refuses."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Replay, _replay)
    document = app.openapi

    def with_problems() -> dict[str, Any]:
        found = document()
        found.setdefault("components", {}).setdefault("schemas", {})["ProblemDetails"] = _PROBLEM
        return found

    app.openapi = with_problems  # type: ignore[method-assign]


def documented(*names: str) -> dict[int | str, dict[str, Any]]:
    """`responses=` for a route or router that can answer these problems (keys of `TITLES`)."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    found: dict[int | str, dict[str, Any]] = {}
    for name in names:
        status, title = TITLES[name]
        found[status] = {"description": title, "content": {MEDIA_TYPE: {"schema": schema}}}
    return found


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 the type it was registered for
    return error.response()


async def _replay(_: Request, error: Exception) -> Response:
    assert isinstance(error, Replay)  # noqa: S101 the type it was registered for
    return error.answer.response()


async def _invalid(request: Request, error: Exception) -> Response:
    """Point at each field: RFC 9457's example uses JSON pointers (RFC 6901)."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 the type it was registered for
    # A retry may mend the input: this is not the answer to keep.
    request.state.unit_of_work.claimed = None
    missing = [found["loc"][-1] for found in error.errors() if found["type"] == "missing"]
    if "Idempotency-Key" in missing:
        return Problem("idempotency-key-missing", "send a random UUID").response()
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
