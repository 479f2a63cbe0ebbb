"""Services that trust a provider of the tests' own.

In the service it is `tests/oidc/conftest.py`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from orders.kit import oidc
from orders.kit.auth import ApiKeys
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from sqlalchemy import text
from starlette.testclient import TestClient

from .provider import Provider, serving

URL = "/api/v1/payments"
NEW = {"amount": 9900, "currency": "USD"}
TRUST = httpx2.create_ssl_context()  # slow to make, and nothing here speaks TLS


def send_a_key(request: httpx2.Request) -> None:
    """Make each POST an operation of its own."""
    if request.method == "POST":
        request.headers["Idempotency-Key"] = str(uuid4())


class Caller:
    """Calls a service with tokens."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, token: str) -> int:
        """The status of a list."""
        headers = {b"Authorization": b"Bearer " + token.encode("latin-1")}
        return self.client.get(URL, headers=headers).status_code

    def post(self, token: str) -> int:
        """The status of a creation."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.post(URL, json=NEW, headers=headers).status_code

    def together(self, call: Callable[[str], int], tokens: list[str]) -> list[int]:
        """The statuses of many calls at a time."""
        with ThreadPoolExecutor(len(tokens)) as pool:
            return list(pool.map(call, tokens))

    def sql(self, statement: str, **values: object) -> list[Any]:
        """What the database says, in autocommit."""
        keys = self.client.app.state.callers[0]  # type: ignore[attr-defined]
        assert isinstance(keys, ApiKeys)

        async def run() -> list[Any]:
            async with keys.database.autocommit() as connection:
                found = await connection.execute(text(statement), values)
                return list(found) if found.returns_rows else []

        assert self.client.portal is not None
        return self.client.portal.call(run)


Start = Callable[..., Caller]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waiting times of production, shortened; their order is kept."""
    monkeypatch.setattr(oidc, "FETCH_TIMEOUT", 2.0)
    monkeypatch.setattr(oidc, "FETCH_INTERVAL", 1.0)
    monkeypatch.setattr("httpx2._transports.default.create_ssl_context", lambda **_: TRUST)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of the test's own."""
    with serving(Provider()) as provider:
        yield provider


@pytest.fixture
def start(database_url: str, provider: Provider) -> Iterator[Start]:
    """Starts a service that trusts the provider, with more settings if need be."""
    with ExitStack() as stack:

        def started(issuer: str | None = None, pool: int = 5, **settings: str) -> Caller:
            given = {"OIDC_ISSUER": issuer or provider.issuer, "OIDC_AUDIENCE": "orders"}
            with pytest.MonkeyPatch.context() as environment:
                for name, value in (given | settings).items():
                    environment.setenv(name, value)
                app = create_app(
                    Settings(
                        database_url=SecretStr(database_url),
                        environment="development",
                        database_pool_size=pool,
                        database_pool_overflow=0,
                    )
                )
            client = stack.enter_context(TestClient(app, raise_server_exceptions=False))
            client.event_hooks = {"request": [send_a_key]}
            return Caller(client)

        yield started


@pytest.fixture
def api(start: Start) -> Caller:
    """A service that trusts the provider."""
    return start()
