"""A host that fails is left alone for a while, and then one call finds out whether it is back."""

import asyncio
from collections.abc import Callable
from time import monotonic

import httpx2
import pytest
from orders.kit.circuit_breaker import CircuitBreaker, CircuitOpen
from orders.kit.http_client import HttpClient, within

from .provider import after, answers, drops, hangs, provider

Clients = Callable[..., HttpClient]


async def attempt(http: HttpClient, url: str) -> int | type[Exception]:
    """The status, or the kind of error, of a POST, which is never repeated."""
    try:
        return (await http.post(url)).status_code
    except httpx2.HTTPError as error:
        return type(error)


def test_it_opens_and_closes_again(http_client: Clients, soon: float) -> None:
    async def main() -> None:
        script = [drops] * 5 + [answers(503)] + [answers()]
        async with provider(*script) as other, http_client() as http:
            failed = [await attempt(http, other.url) for _ in range(5)]
            assert CircuitOpen not in failed
            began = monotonic()
            assert {await attempt(http, other.url) for _ in range(50)} == {CircuitOpen}
            assert monotonic() - began < 0.2
            assert len(other.calls) == 5
            await asyncio.sleep(soon)
            assert await attempt(http, other.url) == 503
            assert await attempt(http, other.url) is CircuitOpen
            await asyncio.sleep(soon)
            assert {await attempt(http, other.url) for _ in range(9)} == {200}

    asyncio.run(main())


def test_one_call_finds_out_and_nobody_waits_for_it(http_client: Clients, soon: float) -> None:
    async def main() -> None:
        script = [drops] * 5 + [after(0.2, answers())]
        async with provider(*script) as other, http_client() as http:
            for _ in range(5):
                await attempt(http, other.url)
            await asyncio.sleep(soon)
            finding_out = asyncio.create_task(attempt(http, other.url))
            await asyncio.sleep(0)
            began = monotonic()
            rest = await asyncio.gather(*[attempt(http, other.url) for _ in range(50)])
            assert set(rest) == {CircuitOpen}
            assert monotonic() - began < 0.15
            assert await finding_out == 200
            assert len(other.calls) == 6
            assert await attempt(http, other.url) == 200

    asyncio.run(main())


def test_a_cancelled_call_does_not_keep_it_open_for_good(http_client: Clients, soon: float) -> None:
    async def main() -> None:
        script = [drops] * 5 + [hangs, answers()]
        async with provider(*script) as other, http_client() as http:
            for _ in range(5):
                await attempt(http, other.url)
            await asyncio.sleep(soon)
            finding_out = asyncio.create_task(attempt(http, other.url))
            await asyncio.sleep(0.05)
            finding_out.cancel()
            await asyncio.gather(finding_out, return_exceptions=True)
            await asyncio.sleep(soon)
            assert await attempt(http, other.url) == 200

    asyncio.run(main())


def test_clients_that_go_away_do_not_open_it(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(*[hangs] * 20, answers()) as other, http_client() as http:
            calls = [asyncio.create_task(attempt(http, other.url)) for _ in range(20)]
            while len(other.calls) < 20:
                await asyncio.sleep(0.01)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert await attempt(http, other.url) == 200

    asyncio.run(main())


def test_a_call_from_before_has_no_say(soon: float) -> None:
    async def main() -> None:
        circuit = CircuitBreaker("somebody")
        early = [circuit.enter() for _ in range(7)]
        for state in early[:5]:
            circuit.leave(state, failed=True)
        circuit.leave(early[5], failed=False)
        with pytest.raises(CircuitOpen):
            circuit.enter()
        await asyncio.sleep(soon)
        finding_out = circuit.enter()
        circuit.leave(early[6], failed=False)
        with pytest.raises(CircuitOpen):
            circuit.enter()
        circuit.leave(finding_out, failed=False)
        circuit.enter()

    asyncio.run(main())


def test_a_host_that_fails_half_of_the_time_is_left_alone_too(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(*[drops, answers()] * 20) as other, http_client() as http:
            outcomes = [await attempt(http, other.url) for _ in range(20)]
            assert outcomes[-1] is CircuitOpen
            assert len(other.calls) == 9

    asyncio.run(main())


def test_now_and_then_a_failure_opens_nothing(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(*[drops, answers(), answers()] * 20) as other, http_client() as http:
            for _ in range(60):
                await attempt(http, other.url)
            assert len(other.calls) == 60

    asyncio.run(main())


def test_refusals_open_nothing(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(answers(404)) as other, http_client() as http:
            assert {await attempt(http, other.url) for _ in range(30)} == {404}

    asyncio.run(main())


def test_deadlines_that_pass_during_calls_open_it(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(hangs) as other, http_client() as http:
            with within(0.2):
                await asyncio.gather(*[attempt(http, other.url) for _ in range(5)])
            assert await attempt(http, other.url) is CircuitOpen

    asyncio.run(main())


def test_another_host_is_called_as_ever(http_client: Clients) -> None:
    async def main() -> None:
        async with provider(drops) as bad, provider(answers()) as good, http_client() as http:
            for _ in range(6):
                await attempt(http, bad.url)
            assert await attempt(http, bad.url) is CircuitOpen
            assert await attempt(http, good.url) == 200

    asyncio.run(main())


def test_thousands_of_hosts_are_not_all_remembered(http_client: Clients) -> None:
    circuit = http_client()._transport._circuit  # type: ignore[attr-defined]  # noqa: SLF001
    for number in range(3000):
        circuit(f"host-{number}")
    assert circuit.cache_info().currsize == 1000
