"""What these tests share, on top of the service's own fixtures.

In the service it is `tests/outgoing/conftest.py`.
"""

from collections.abc import Callable

import httpx2
import pytest
from orders.kit import circuit_breaker
from orders.kit.http_client import HttpClient
from orders.settings import Settings
from pydantic import SecretStr

TRUST = httpx2.create_ssl_context()  # slow to make, and nothing here speaks TLS


@pytest.fixture(autouse=True)
def one_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("httpx2._transports.default.create_ssl_context", lambda **_: TRUST)


@pytest.fixture
def http_client() -> Callable[..., HttpClient]:
    """Make a client with these settings, by their names after `http_` and before `_seconds`."""

    def make(**seconds: float) -> HttpClient:
        chosen = {f"http_{name}_seconds": value for name, value in seconds.items()}
        return HttpClient(
            Settings(
                database_url=SecretStr("postgresql://nobody@localhost/nothing"),
                environment="development",
                **chosen,
            )
        )

    return make


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds that a circuit stays open."""
    monkeypatch.setattr(circuit_breaker, "OPEN_SECONDS", 0.3)
    return 0.35
