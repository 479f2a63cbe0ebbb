"""The call that ARCHITECTURE shows, as the module `documented`: it ends, whatever the other does."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from starlette.testclient import TestClient

from .provider import Provider, Way, after, answers, drips, drops, floods, hangs, provider, says

URL = "/api/v1/documented"
NEW = {"amount": 4711, "currency": "EUR"}
Buyer = Callable[..., tuple[httpx2.Response, Provider, float, int]]


@pytest.fixture
def buy(database_url: str, caller_in: Callable[..., dict[str, str]]) -> Buyer:
    """Buy something while the other side answers like this: answer, provider, seconds, rows."""

    def bought(
        *script: Way, headers: dict[str, str] | None = None, **seconds: float
    ) -> tuple[httpx2.Response, Provider, float, int]:
        async def main() -> tuple[httpx2.Response, Provider, float, int]:
            async with provider(*script) as other:
                return await asyncio.to_thread(call, other)

        def call(other: Provider) -> tuple[httpx2.Response, Provider, float, int]:
            with serving(charges_url=other.url, **seconds) as client:
                client.headers.update(caller_in(client))
                key = {"Idempotency-Key": str(uuid4())}
                began = monotonic()
                answer = client.post(URL, json=NEW, headers=key | (headers or {}))
                took = monotonic() - began
                rows = client.get("/api/v1/payments").json()["items"]
                return answer, other, took, len(rows)

        @contextmanager
        def serving(**settings: Any) -> Iterator[TestClient]:
            chosen = Settings(
                database_url=SecretStr(database_url), environment="development", **settings
            )
            with TestClient(create_app(chosen), raise_server_exceptions=False) as client:
                yield client

        return asyncio.run(main())

    return bought


@pytest.mark.parametrize(
    ("way", "status", "name"),
    [
        (hangs, 504, "upstream-timeout"),
        (drips, 504, "upstream-timeout"),
        (drops, 502, "upstream-failed"),
        (says(b"\x16\x03\x01 what?\r\n\r\n"), 502, "upstream-failed"),
        (says(b"HTTP/1.1 200 So\r\nContent-Length: 9\r\n\r\n{}"), 502, "upstream-failed"),
        (floods, 502, "upstream-failed"),
        (answers(500), 502, "upstream-failed"),
        (answers(402), 502, "upstream-failed"),
        (answers(503, Retry_After="90"), 503, "upstream-unavailable"),
    ],
    ids=[
        *("hangs", "drips", "drops", "no HTTP", "half", "floods", "fails", "refuses", "is busy"),
    ],
)
def test_a_call_that_fails_is_told_and_leaves_no_row(
    buy: Buyer, way: Way, status: int, name: str
) -> None:
    # A flood ends by its size, all else by its time.
    answer, other, took, rows = buy(way, http_total_seconds=10 if way is floods else 0.6)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:problem:{name}")
    assert rows == 0
    assert took < 5  # the time-out of a read, which would come first otherwise
    assert 1 <= len(other.calls) <= 3
    assert len({call.headers["idempotency-key"] for call in other.calls}) == 1


def test_a_slow_answer_is_an_answer(buy: Buyer) -> None:
    answer, other, took, rows = buy(drops, after(0.3, answers()))
    assert (answer.status_code, rows, len(other.calls)) == (201, 1, 2)
    assert took > 0.3


def test_the_request_s_time_ends_its_calls(buy: Buyer) -> None:
    answer, _, took, rows = buy(hangs, http_request_seconds=0.5)
    assert (answer.status_code, rows) == (504, 0)
    assert took < 5  # the time-out of a read, which would come first otherwise


def test_the_request_s_id_is_sent_on(buy: Buyer) -> None:
    answer, other, _, _ = buy(answers(), headers={"X-Request-ID": "of-the-client"})
    assert answer.status_code == 201
    (call,) = other.calls
    assert call.headers["x-request-id"] == "of-the-client"
    answer, other, _, _ = buy(answers())
    assert other.calls[0].headers["x-request-id"] == answer.headers["X-Request-ID"]
