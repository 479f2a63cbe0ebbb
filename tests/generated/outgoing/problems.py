"""What a client is told when a call of ours fails and the route lets it through."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID, uuid4

import httpx2
import pytest
from orders.kit.http_client import HttpClient
from starlette.testclient import TestClient

URL = "/api/v1/purchases"
Asked = list[httpx2.Request]
Answer = httpx2.Response | Exception


@pytest.fixture
def purchase(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[httpx2.Response, Asked]]]:
    """Buy something, while the other side answers like this; returns the answer and its calls."""
    monkeypatch.setenv("PROVIDER", "http://provider.invalid")
    app = client.app
    before = app.state.http_client  # type: ignore[attr-defined]

    def make(*answers: Answer, key: str | None = None) -> tuple[httpx2.Response, Asked]:
        asked: Asked = []
        script = list(answers)

        def other(request: httpx2.Request) -> httpx2.Response:
            asked.append(request)
            answer = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        http_client = HttpClient(app.state.settings, httpx2.MockTransport(other))  # type: ignore[attr-defined]
        app.state.http_client = http_client  # type: ignore[attr-defined]
        headers = {"Idempotency-Key": key or str(uuid4())}
        return client.post(URL, json={"amount": 5}, headers=headers), asked

    yield make
    app.state.http_client = before  # type: ignore[attr-defined]


OK = httpx2.Response(200, json={})


@pytest.mark.parametrize(
    ("answer", "status", "name"),
    [
        (httpx2.ConnectError("refused"), 502, "upstream-failed"),
        (httpx2.RemoteProtocolError("garbage"), 502, "upstream-failed"),
        (httpx2.Response(200, content=b"<html>"), 502, "upstream-failed"),
        (httpx2.Response(500), 502, "upstream-failed"),
        (httpx2.Response(404), 502, "upstream-failed"),
        (httpx2.Response(401), 502, "upstream-failed"),
        (httpx2.Response(503), 502, "upstream-failed"),
        (httpx2.ConnectTimeout("slow"), 504, "upstream-timeout"),
        (httpx2.ReadTimeout("slow"), 504, "upstream-timeout"),
    ],
    ids=str,
)
def test_it_is_the_other_side_s_failure(
    purchase: Callable[..., tuple[httpx2.Response, Asked]], answer: Answer, status: int, name: str
) -> None:
    told, asked = purchase(answer)
    assert (told.status_code, told.json()["type"]) == (status, f"urn:problem:{name}")
    assert told.headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" not in told.headers
    assert "provider" not in told.text
    assert asked


@pytest.mark.parametrize("status", [429, 503])
def test_its_time_to_wait_is_passed_on(
    purchase: Callable[..., tuple[httpx2.Response, Asked]], status: int
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    for value, least in (("90", 90), (date, 80)):
        told, asked = purchase(httpx2.Response(status, headers={"Retry-After": value}))
        assert told.status_code == 503
        assert told.json()["type"] == "urn:problem:upstream-unavailable"
        assert least <= int(told.headers["Retry-After"]) <= 90
        assert len(asked) == 1


def test_an_open_circuit_says_when_to_come_back(
    client: TestClient, purchase: Callable[..., tuple[httpx2.Response, Asked]]
) -> None:
    purchase(httpx2.ReadError("dropped"))
    for _ in range(2):
        told = client.post(URL, json={"amount": 5}, headers={"Idempotency-Key": str(uuid4())})
    assert told.status_code == 503
    assert told.json()["type"] == "urn:problem:upstream-unavailable"
    assert 9 <= int(told.headers["Retry-After"]) <= 10


def test_the_failure_is_not_kept_and_the_retry_calls_with_the_same_keys(
    purchase: Callable[..., tuple[httpx2.Response, Asked]],
) -> None:
    key = str(uuid4())
    failed, first = purchase(OK, httpx2.Response(500), key=key)
    assert failed.status_code == 502
    done, second = purchase(OK, key=key)
    assert done.status_code == 201
    sent = [[request.headers["idempotency-key"] for request in asked] for asked in (first, second)]
    assert sent[0] == sent[1]
    charge, receipt = sent[0]
    assert charge != receipt
    assert UUID(charge).version == UUID(receipt).version == 5
    assert key not in sent[0]


def test_another_caller_s_same_key_is_another_call(
    purchase: Callable[..., tuple[httpx2.Response, Asked]],
    client: TestClient,
    new_caller: Callable[..., dict[str, str]],
) -> None:
    key = str(uuid4())
    _, mine = purchase(OK, key=key)
    client.headers.update(new_caller())
    _, theirs = purchase(OK, key=key)
    assert mine[0].headers["idempotency-key"] != theirs[0].headers["idempotency-key"]


def test_a_replay_calls_nobody(purchase: Callable[..., tuple[httpx2.Response, Asked]]) -> None:
    key = str(uuid4())
    first, _ = purchase(OK, key=key)
    again, asked = purchase(OK, key=key)
    assert again.content == first.content
    assert asked == []
