"""The version is in the URL: every business route stands under `/api/v<N>`, closed by default.

A module's `routes.py` is its part of v1, its `routes_v2.py` what differs in v2: a version serves
what the one before it serves, but for the routes that it has of its own.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pkgutil import iter_modules
from types import ModuleType
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from .dependencies import Admission
from .deprecation import Deprecation, link
from .errors import Problem
from .framework import documented
from .headers import Header, add
from .settings import KitSettings, UnsafeSettings

# What any operation can answer, besides what it does.
_EVERYWHERE = documented(
    "bad-request",
    "unauthenticated",
    "forbidden",
    "not-acceptable",
    "invalid-input",
    "too-many-requests",
    "internal-error",
    "database-unavailable",
)
_VERSION = re.compile(r"/api/(v[1-9][0-9]*)(?=/|$)")
_FILE = re.compile(r"routes(?:_v([1-9][0-9]*))?")
_EXTENSION = "x-deprecation"


def include(app: FastAPI, modules: ModuleType, *, deprecated: Collection[str] = ()) -> None:
    """Serve all routes of `modules`, under `/api/v1` and the versions after it."""
    files = _route_files(modules)
    for number in versions(modules):
        for name, numbers in files.items():
            own = [f"{modules.__name__}.{name}.{_file(n)}" for n in numbers if n <= number]
            app.include_router(
                APIRouter(routes=list(_merged(own))),
                prefix=f"/api/v{number}",
                dependencies=[Depends(Admission(name))],
                responses=_EVERYWHERE,
                deprecated=f"v{number}" in deprecated or None,
            )
    routes = app.router.routes
    routes[:] = [each for included in routes for each in _flat(included)]


def versions(modules: ModuleType) -> list[int]:
    """The versions that are served, the oldest first."""
    return sorted(set[int]().union(*_route_files(modules).values()))


def scopes(modules: ModuleType) -> list[str]:
    """What a key may be good for: reading, writing or both, of each package that has routes."""
    may = ("read", "write", "*")
    return [f"{name}:{what}" for name in _route_files(modules) for what in may]


def check(settings: KitSettings, modules: ModuleType) -> None:
    """Raise `UnsafeSettings` for a version that is announced or retired and was never served."""
    newest = max(versions(modules), default=0)
    for name in ("api_deprecated", "api_retired"):
        for version in getattr(settings, name):
            if int(version[1:]) > newest:
                raise UnsafeSettings(f"{name.upper()} names {version}: the newest is v{newest}")


def deprecated(since: date, sunset: date | None = None, successor: str = "") -> dict[str, Any]:
    """`openapi_extra=` of a route that is going away; see `Deprecation`.

    Without `successor`, a URL, it is the same path of the next version, where there is one.
    """
    going = Deprecation(since=since, sunset=sunset, successor=successor or None)
    return {"deprecated": True, _EXTENSION: going.model_dump(mode="json", exclude_none=True)}


class VersionMiddleware:
    """Pure ASGI: says on every answer that a version or route is deprecated, 410 if it is retired.

    Whoever counts or logs requests finds the version (`v1`) in `scope["state"]["api_version"]`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        served: Collection[int],
        deprecated: Mapping[str, Deprecation],
        retired: Collection[str],
    ) -> None:
        self._app = app
        self._served = served
        self._deprecated = deprecated
        self._retired = retired

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _VERSION.match(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        version = found[1]
        scope.setdefault("state", {})["api_version"] = version
        if version in self._retired:
            problem = Problem("version-retired", headers=link(self._successor(scope)))
            await problem.response()(scope, receive, send)
            return
        add(scope, self._announced)
        await self._app(scope, receive, send)

    def _announced(self, scope: Scope) -> Iterable[Header]:
        going = self._deprecated.get(scope["state"]["api_version"]) or _of_route(scope)
        if going is None:
            return ()
        told = going.headers(self._successor(scope))
        return [(name.lower().encode(), value.encode()) for name, value in told.items()]

    def _successor(self, scope: Scope) -> str | None:
        """The same path of the next version, if there is one."""
        _, api, version, *rest = scope["path"].split("/")
        following = int(version[1:]) + 1
        if following not in self._served:
            return None
        return quote("/".join(["", api, f"v{following}", *rest]))


def import_models(modules: ModuleType) -> None:
    """Import each module's `models.py`, so that its tables are registered."""
    for name in _packages(modules):
        if find_spec(f"{modules.__name__}.{name}.models"):
            import_module(f"{modules.__name__}.{name}.models")


def _flat(included: BaseRoute) -> list[BaseRoute]:
    """The routes of an included router without it: FastAPI would ask each of them twice.

    A WebSocket, a mounted application or an API route of another class leaves them where they are.
    """
    found = list(iter_route_contexts([included]))
    if any(type(each.original_route) is not APIRoute for each in found):
        return [included]
    options = signature(APIRoute).parameters
    return [
        APIRoute(**{name: getattr(each, name) for name in options if hasattr(each, name)})
        for each in found
    ]


def _of_route(scope: Scope) -> Deprecation | None:
    """What the route that was found says of itself."""
    extra = getattr(scope.get("route"), "openapi_extra", None) or {}
    return Deprecation.model_validate(extra[_EXTENSION]) if _EXTENSION in extra else None


def _merged(files: list[str]) -> Iterator[BaseRoute]:
    """The routes of a module's files, the newest first, without those that a newer one has too."""
    taken: set[tuple[str, str]] = set()
    for file in reversed(files):
        own: set[tuple[str, str]] = set()
        for route in import_module(file).router.routes:
            if isinstance(route, APIRoute):
                path = re.sub(r"{[^}]*}", "{}", route.path)
                served = {(method, path) for method in route.methods or ()}
                own |= served
                if served & taken:
                    continue
            yield route
        taken |= own


def _route_files(modules: ModuleType) -> dict[str, list[int]]:
    """The versions that each package has routes of its own for; one may serve none."""
    found: dict[str, list[int]] = {}
    for name in _packages(modules):
        files = iter_modules(import_module(f"{modules.__name__}.{name}").__path__)
        matches = filter(None, (_FILE.fullmatch(file.name) for file in files))
        if numbers := sorted(int(match[1] or 1) for match in matches):
            found[name] = numbers
    return found


def _file(number: int) -> str:
    return "routes" if number == 1 else f"routes_v{number}"


def _packages(modules: ModuleType) -> list[str]:
    return sorted(found.name for found in iter_modules(modules.__path__) if found.ispkg)
