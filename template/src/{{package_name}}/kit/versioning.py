"""The version is in the URL: every business route stands under `/api/v<N>`, closed by default."""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType

from fastapi import APIRouter, Depends

from .dependencies import authorize, negotiate
from .framework import documented

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


def router(modules: ModuleType) -> APIRouter:
    """All routes of `modules`: the `router` of each package's `routes.py`, under `/api/v1`."""
    v1 = APIRouter(prefix="/api/v1", dependencies=[Depends(negotiate)], responses=_EVERYWHERE)
    for name in _packages(modules, "routes"):
        routes = import_module(f"{modules.__name__}.{name}.routes")
        v1.include_router(routes.router, dependencies=[Depends(authorize(name))])
    return v1


def import_models(modules: ModuleType) -> None:
    """Import each module's `models.py`, so that its tables are registered."""
    for name in _packages(modules, "models"):
        import_module(f"{modules.__name__}.{name}.models")


def _packages(modules: ModuleType, file: str) -> list[str]:
    """The packages that have such a file: one may serve no routes, or keep no table."""
    names = sorted(found.name for found in iter_modules(modules.__path__) if found.ispkg)
    return [name for name in names if find_spec(f"{modules.__name__}.{name}.{file}")]
