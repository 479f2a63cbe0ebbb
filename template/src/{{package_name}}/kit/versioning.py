"""The version is in the URL: every business route stands under `/api/v<N>`."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from fastapi import APIRouter


def router(modules: ModuleType) -> APIRouter:
    """All routes of `modules`: the `router` of each package's `routes.py`, under `/api/v1`."""
    v1 = APIRouter(prefix="/api/v1")
    for module in sorted(found.name for found in iter_modules(modules.__path__) if found.ispkg):
        v1.include_router(import_module(f"{modules.__name__}.{module}.routes").router)
    return v1


def import_models(modules: ModuleType) -> None:
    """Import each module's `models.py`, so that its tables are registered."""
    for module in iter_modules(modules.__path__):
        import_module(f"{modules.__name__}.{module.name}.models")
