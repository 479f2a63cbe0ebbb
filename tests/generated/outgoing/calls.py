"""A call ends, is repeated only where twice is once, and says whose fault it was."""

import asyncio
import gzip
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import httpx2
import pytest
from orders.kit import http_client as kit
from orders.kit.http_client import HttpClient, within
from orders.kit.request_id import request_id

from .provider import Way, after, answers, drips, drops, floods, hangs, provider, says

Clients = Callable[..., HttpClient]
KEY = {"Idempotency-Key": "f3a1"}
BUSY = answers(503)


async def timed(call: Awaitable[httpx2.Response]) -> tuple[httpx2.Response | Exception, float]:
    """What came of a call, and after how many seconds."""
    began = monotonic()
    try:
        outcome: httpx2.Response | Exception = await call
    except httpx2.HTTPError as error:
        outcome = error
    return outcome, monotonic() - began


def run(
    http: HttpClient, *script: Way, method: str = "GET", **options: object
) -> tuple[httpx2.Response | Exception, float, int]:
    """Outcome, seconds and number of attempts of one call."""

    async def main() -> tuple[httpx2.Response | Exception, float, int]:
        async with provider(*script) as other, http:
            outcome, seconds = await timed(http.request(method, other.url, **options))  # type: ignore[arg-type]
            return outcome, seconds, len(other.calls)

    return asyncio.run(main())


@pytest.mark.parametrize("way", [hangs, drips], ids=["hangs", "drips"])
def test_the_deadline_ends_a_call_that_would_go_on(http_client: Clients, way: Way) -> None:
    outcome, seconds, attempts = run(http_client(total=0.5), way)
    assert isinstance(outcome, httpx2.TimeoutException)
    assert 0.4 < seconds < 0.9
    assert attempts == 1


def test_a_call_without_time_outs_of_its_own_has_the_deadline(http_client: Clients) -> None:
    for timeout in (None, 100):
        outcome, seconds, _ = run(http_client(total=0.5), hangs, timeout=timeout)
        assert isinstance(outcome, httpx2.TimeoutException)
        assert seconds < 0.9


def test_a_read_time_out_is_repeated_while_there_is_time(http_client: Clients) -> None:
    outcome, seconds, attempts = run(http_client(read=0.2), hangs)
    assert isinstance(outcome, httpx2.ReadTimeout)
    assert attempts == 3
    assert 0.6 <= seconds < 0.6 + 0.2 + 0.4 + 0.3


def test_the_deadline_holds_over_all_attempts(http_client: Clients) -> None:
    outcome, seconds, attempts = run(http_client(read=0.3, total=0.7), hangs)
    assert isinstance(outcome, httpx2.TimeoutException)
    assert attempts < 4
    assert seconds < 1


def test_the_request_s_remaining_time_is_the_deadline(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(hangs) as other, http_client() as http:
            with within(5), within(0.4), within(9):
                outcome, seconds = await timed(http.get(other.url))
            assert isinstance(outcome, httpx2.TimeoutException)
            assert seconds < 0.8
            with within(-1):
                outcome, _ = await timed(http.get(other.url))
            assert isinstance(outcome, httpx2.TimeoutException)
            assert len(other.calls) == 1

    asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_what_may_be_done_twice_is_repeated(http_client: Clients, method: str) -> None:
    outcome, _, attempts = run(http_client(), drops, BUSY, answers(), method=method)
    assert isinstance(outcome, httpx2.Response)
    assert (outcome.status_code, attempts) == (200, 3)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("way", [drops, BUSY, says(b"no HTTP\r\n\r\n"), answers(429)])
def test_what_may_not_is_sent_once(http_client: Clients, method: str, way: Way) -> None:
    _, _, attempts = run(http_client(), way, answers(), method=method, json={})
    assert attempts == 1


def test_a_post_that_got_no_connection_is_not_repeated_either(http_client: Clients) -> None:
    async def main() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            async with http_client() as http:
                outcome, seconds = await timed(http.post(url))
        assert isinstance(outcome, httpx2.ConnectError)
        assert seconds < 0.1

    asyncio.run(main())


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_with_a_key_the_same_is_sent_again(http_client: Clients, method: str) -> None:
    async def main() -> None:
        async with provider(drops, BUSY, answers()) as other, http_client() as http:
            answer = await http.request(method, other.url, json={"a": 1}, headers=KEY)
        assert answer.status_code == 200
        sent = {(call.method, call.headers["idempotency-key"], call.body) for call in other.calls}
        assert sent == {(method, "f3a1", b'{"a":1}')}
        assert len(other.calls) == 3

    asyncio.run(main())


def test_a_body_that_can_be_read_once_is_sent_once(http_client: Clients) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"{}"

    _, _, attempts = run(http_client(), BUSY, method="PUT", content=body())
    assert attempts == 1


def test_no_more_than_three_attempts(http_client: Clients) -> None:
    outcome, seconds, attempts = run(http_client(), BUSY)
    assert isinstance(outcome, httpx2.Response)
    assert (outcome.status_code, attempts) == (503, 3)
    assert seconds < 0.9


def test_pauses_are_drawn_from_zero_on(
    http_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[float, ...]] = []

    def uniform(*bounds: float) -> float:
        drawn.append(bounds)
        return 0.0

    monkeypatch.setattr(kit.random, "uniform", uniform)
    run(http_client(), BUSY)
    assert drawn[:2] == [(0, 0.2), (0, 0.4)]


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 500, 501])
def test_other_answers_stand(http_client: Clients, status: int) -> None:
    outcome, _, attempts = run(http_client(), answers(status))
    assert isinstance(outcome, httpx2.Response)
    assert (outcome.status_code, attempts) == (status, 1)


def test_the_other_side_s_time_to_wait_is_kept(http_client: Clients) -> None:
    for status in (409, 429, 503):
        outcome, seconds, attempts = run(
            http_client(), answers(status, Retry_After="1"), answers(), method="PUT"
        )
        assert isinstance(outcome, httpx2.Response)
        assert (outcome.status_code, attempts) == (200, 2)
        assert 1 <= seconds < 1.5


def test_a_time_to_wait_may_be_a_date(http_client: Clients) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    outcome, seconds, _ = run(http_client(), answers(503, Retry_After=date), answers())
    assert isinstance(outcome, httpx2.Response)
    assert outcome.status_code == 200
    assert 0.9 < seconds < 2.4


def test_a_time_beyond_the_deadline_is_not_waited_for(http_client: Clients) -> None:
    outcome, seconds, attempts = run(http_client(), answers(503, Retry_After="60"), answers())
    assert isinstance(outcome, httpx2.Response)
    assert (outcome.status_code, attempts) == (503, 1)
    assert seconds < 0.5


def test_nonsense_is_no_time_to_wait(http_client: Clients) -> None:
    for value in ("soon", "-5", "1e9", "99999999999999999999999", "²", ""):
        _, seconds, _ = run(http_client(), answers(503, Retry_After=value), answers())
        assert seconds < 0.5


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        (says(b"\x16\x03\x01 what?\r\n\r\n"), httpx2.RemoteProtocolError),
        (says(b"HTTP/1.1 200 So\r\nContent-Length: 9\r\n\r\n{}"), httpx2.RemoteProtocolError),
        (answers(body=b"no gzip", Content_Encoding="gzip"), httpx2.DecodingError),
        (floods, httpx2.RemoteProtocolError),
        (answers(body=gzip.compress(bytes(2**25)), Content_Encoding="gzip"), httpx2.RequestError),
    ],
    ids=["no HTTP", "half a body", "no gzip", "no end", "a bomb"],
)
def test_garbage_is_the_other_side_s_fault(
    http_client: Clients, way: Way, kind: type[Exception]
) -> None:
    outcome, _, attempts = run(http_client(), way, method="POST")
    assert isinstance(outcome, kind)
    assert attempts == 1


def test_an_answer_that_is_no_json_is_its_fault_too(http_client: Clients) -> None:
    for body in (b"", b"<html>", b"\xff"):
        outcome, _, _ = run(http_client(), answers(body=body))
        assert isinstance(outcome, httpx2.Response)
        with pytest.raises(httpx2.DecodingError):
            outcome.json()


def test_a_whole_answer_arrives_whole(http_client: Clients) -> None:
    packed = gzip.compress(b'{"a": 1}')
    outcome, _, _ = run(http_client(), answers(body=packed, Content_Encoding="gzip", X_Y="z"))
    assert isinstance(outcome, httpx2.Response)
    assert (outcome.json(), outcome.headers["x-y"]) == ({"a": 1}, "z")
    assert "content-encoding" not in outcome.headers
    outcome, _, _ = run(
        http_client(), says(b"HTTP/1.1 200 So\r\nContent-Length: 7\r\n\r\n"), method="HEAD"
    )
    assert isinstance(outcome, httpx2.Response)
    assert outcome.headers["content-length"] == "7"


def test_an_answer_in_time_is_taken(http_client: Clients) -> None:
    outcome, seconds, attempts = run(http_client(read=0.5), after(0.3, answers()))
    assert isinstance(outcome, httpx2.Response)
    assert attempts == 1
    assert seconds < 0.6


def test_one_caller_s_cookies_are_not_another_s(http_client: Clients) -> None:
    async def main() -> None:
        script = answers(Set_Cookie="session=secret"), answers()
        async with provider(*script) as other, http_client() as http:
            await http.get(other.url)
            await http.get(other.url)
        assert "cookie" not in other.calls[1].headers

    asyncio.run(main())


def test_a_redirect_is_an_answer(http_client: Clients) -> None:
    outcome, _, attempts = run(http_client(), answers(302, Location="http://169.254.0.1/"))
    assert isinstance(outcome, httpx2.Response)
    assert (outcome.status_code, attempts) == (302, 1)


def test_neither_proxies_nor_passwords_of_the_environment_are_used(
    http_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    outcome, _, _ = run(http_client(), answers())
    assert isinstance(outcome, httpx2.Response)


def test_logs_name_the_host_and_no_secret(
    http_client: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="orders")
    logging.getLogger().setLevel(logging.INFO)

    async def main() -> None:
        async with provider(drops, answers()) as other, http_client() as http:
            url = other.url.replace("//", "//user:secret@")
            await http.put(f"{url}/?token=secret")

    asyncio.run(main())
    assert "127.0.0.1: R" in caplog.text
    assert "secret" not in caplog.text


def test_nothing_is_opened_before_the_first_call(http_client: Clients) -> None:
    http = http_client()
    transport = http._transport  # noqa: SLF001
    assert "_network" not in vars(transport)
    asyncio.run(http.aclose())
    assert "_network" not in vars(transport)


def test_attempts_are_counted_by_host_and_outcome(http_client: Clients) -> None:
    http = http_client()
    run(http, drops, answers(503), answers(), method="PUT")
    hosts, outcomes = zip(*http.attempts.count.elements(), strict=True)
    assert hosts == ("127.0.0.1",) * 3
    # A dropped connection is the one or the other, as the system tells it.
    assert {"5xx", "2xx"} < set(outcomes) < {"5xx", "2xx", "ReadError", "RemoteProtocolError"}
    assert 0 < http.attempts.seconds["127.0.0.1"] < 10


def test_attempts_that_end_otherwise_are_counted_too(
    http_client: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "HOSTS", 1)

    async def main() -> None:
        async with provider(hangs) as other, http_client() as http:
            with within(0.2):
                await timed(http.get(other.url))
            call = asyncio.create_task(http.get(other.url))
            await asyncio.sleep(0.05)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            for _ in range(6):
                with within(0.2):
                    await timed(http.post(other.url.replace("127.0.0.1", "localhost")))
            assert http.attempts.count["127.0.0.1", "ReadTimeout"] == 1
            assert http.attempts.count["127.0.0.1", "cancelled"] == 1
            # A host too many, whose circuit opens after five.
            assert http.attempts.count["others", "CircuitOpen"] == 1
            assert http.attempts.seconds.keys() == {"127.0.0.1", "others"}

    asyncio.run(main())


def test_a_request_id_of_the_caller_s_own_is_kept(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(answers()) as other, http_client() as http:
            token = request_id.set("of-the-request")
            await http.get(other.url)
            await http.get(other.url, headers={"X-Request-ID": "mine"})
            request_id.reset(token)
            await http.get(other.url)
        sent = [call.headers.get("x-request-id") for call in other.calls]
        assert sent == ["of-the-request", "mine", None]

    asyncio.run(main())
