"""What these tests share, on top of the service's own fixtures.

`test_contracts.py` copies this file into a rendered service as `tests/contracts/conftest.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from starlette.testclient import TestClient

Starter = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture
def start(database_url: str, caller_in: Callable[..., dict[str, str]]) -> Starter:
    """Starts the service once more with other settings, and calls it for a new account."""

    @contextmanager
    def started(**settings: Any) -> Iterator[TestClient]:
        chosen = Settings(
            database_url=SecretStr(database_url), environment="development", **settings
        )
        with TestClient(create_app(chosen), raise_server_exceptions=False) as client:
            client.headers.update(caller_in(client))
            yield client

    return started
