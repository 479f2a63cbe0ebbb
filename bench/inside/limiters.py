"""One small route: on bare FastAPI, in a service without and with limits, under other limiters.

Each has a dependency, as every route of a service has: where it limits by caller, it does so there.
"""

import os
from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI, Request, Response
from orders.main import create_app
from orders.settings import Settings

PATH = "/api/v1/bench"
MANY = 1_000_000_000


async def nothing(request: Request) -> None:
    """Where the others limit."""


def bare() -> FastAPI:
    """FastAPI alone."""
    return _with_route(FastAPI(), nothing)


def alone() -> FastAPI:
    """One of the kit's middlewares: the one that BENCH_MIDDLEWARE names.

    The headers that it adds to an answer are written at the edge, which is another one.
    """
    (one,) = (
        each
        for each in create_app().user_middleware
        if each.cls.__name__ == os.environ["BENCH_MIDDLEWARE"]
    )
    return _with_route(FastAPI(middleware=[one]), nothing)


def stack() -> FastAPI:
    """The service with all of its middleware but the limits."""
    return _service("off")


def memory() -> FastAPI:
    """The same with both gates in memory."""
    return _service("memory")


def postgres() -> FastAPI:
    """The same with the callers' gate in PostgreSQL."""
    return _service("postgres")


def _service(store: str) -> FastAPI:
    """The service itself, as it is served, and the caller's gate before the route.

    FastAPI's own hooks for OpenTelemetry are off in a service; on bare FastAPI they are on.
    """
    settings = Settings(
        rate_limit_enabled=store != "off",
        rate_limit_store="postgres" if store == "off" else store,
        rate_limit_caller=MANY,
        rate_limit_address=MANY,
    )
    service = create_app(settings)
    limiter = service.state.rate_limiter

    async def admit(request: Request) -> None:
        await limiter.admit(request.scope, "one", "its token")

    return _with_route(service, admit)


def _with_route(app: FastAPI, dependency: Callable[[Request], Awaitable[None]]) -> FastAPI:
    @app.post(PATH, status_code=201, dependencies=[Depends(dependency)])
    async def route() -> dict[str, str]:
        return {"status": "ok"}

    # The first one everywhere: how many routes there are besides is not what is measured.
    app.router.routes.insert(0, app.router.routes.pop())
    return app


def slowapi() -> FastAPI:
    """In memory, with its headers. On the application itself: included routes it does not limit."""
    from slowapi import Limiter
    from slowapi.util import get_remote_address

    app = FastAPI()
    app.state.limiter = limiter = Limiter(key_func=get_remote_address, headers_enabled=True)

    @app.post(PATH, status_code=201, dependencies=[Depends(nothing)])
    @limiter.limit(f"{MANY}/minute")
    async def route(request: Request, response: Response) -> dict[str, str]:
        return {"status": "ok"}

    return app


def fastapi_limiter() -> FastAPI:
    """In memory; it has no headers. On the application itself: on included routes it fails."""
    from fastapi_limiter.depends import RateLimiter as Theirs
    from pyrate_limiter import Duration, Limiter, Rate

    # Its documentation page is a mounted application of another kind, which it can't walk past.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    limiter = Limiter(Rate(int(os.environ.get("BENCH_RATE", "100000")), Duration.SECOND))

    @app.post(PATH, status_code=201, dependencies=[Depends(Theirs(limiter=limiter))])
    async def route() -> dict[str, str]:
        return {"status": "ok"}

    return app
