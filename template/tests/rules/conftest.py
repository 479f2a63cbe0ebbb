"""What the rules look at: the tables as PostgreSQL has them, the routes as clients see them."""

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from .catalog import Table, inside, read_tables
from .document import Operation, read_operations
from .waivers import TABLES


@pytest.fixture(scope="session")
def all_tables(database_url: str) -> list[Table]:
    """Every table, those with a waiver too."""
    return list(inside(database_url, read_tables).values())


@pytest.fixture(scope="session")
def tables(all_tables: list[Table]) -> list[Table]:
    """Every audited table: those of the kit and those of the modules."""
    return [table for table in all_tables if table.name not in TABLES]


@pytest.fixture(scope="session")
def app(service: TestClient) -> FastAPI:
    """The application that `service` talks to."""
    assert isinstance(service.app, FastAPI)
    return service.app


@pytest.fixture(scope="session")
def operations(app: FastAPI) -> list[Operation]:
    """Every operation that the OpenAPI document shows."""
    return read_operations(app)
