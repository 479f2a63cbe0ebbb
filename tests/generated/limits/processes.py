"""Real workers behind one socket: what they share, and whose address they believe."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from itertools import chain

import pytest
from orders.settings import Settings
from tests.idempotency.serving import Server, serving
from tests.limits.conftest import PATIENT, URL, Start

# What FORWARDED_ALLOW_IPS names: the proxy that the tests stand behind, or another one.
TRUSTING, SUSPICIOUS = "127.0.0.1,10.0.0.0/8", "10.0.0.5"

Caller = Callable[..., dict[str, str]]


@contextmanager
def two_workers(database_url: str, store: str, proxies: str) -> Iterator[Server]:
    environment = {
        "DATABASE_URL": database_url,
        "FORWARDED_ALLOW_IPS": proxies,
        "RATE_LIMIT_ADDRESS": "600",
        "RATE_LIMIT_STORE": store,
        "RATE_LIMIT_STORE_SECONDS": str(PATIENT),
        "WEB_CONCURRENCY": "2",
    }
    with serving(environment, factory="orders.main:create_app") as server:
        yield server


@pytest.fixture(scope="module")
def trusting(database_url: str) -> Iterator[Server]:
    """With PostgreSQL."""
    with two_workers(database_url, "postgres", TRUSTING) as server:
        yield server


@pytest.fixture(scope="module")
def suspicious(database_url: str, redis: None) -> Iterator[Server]:
    """With Redis."""
    store = Settings().rate_limit_store.get_secret_value()
    with two_workers(database_url, store, SUSPICIOUS) as server:
        yield server


def ask(connection: HTTPConnection, me: dict[str, str]) -> tuple[int, int, bytes]:
    """The status, what remains and, if there was something left, the worker's process id."""
    connection.request("GET", f"{URL}/hourly", headers=me)
    answer = connection.getresponse()
    return answer.status, int(answer.headers["x-ratelimit-remaining"]), answer.read()


@contextmanager
def connections_to_both(server: Server, scout: dict[str, str]) -> Iterator[list[HTTPConnection]]:
    """Four to each worker: while one stands still, the other is who takes them."""
    with ExitStack() as opened:

        def connected() -> tuple[HTTPConnection, int]:
            connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
            opened.enter_context(closing(connection))
            return connection, int(ask(connection, scout)[2])

        def without(worker: int) -> list[tuple[HTTPConnection, int]]:
            os.kill(worker, signal.SIGSTOP)
            try:
                return [connected() for _ in range(4)]
            finally:
                os.kill(worker, signal.SIGCONT)

        _, one = connected()
        others = without(one)
        found = others + without(others[0][1])
        assert len({worker for _, worker in found}) == 2
        yield [connection for connection, _ in found]


@pytest.mark.parametrize("kept", ["trusting", "suspicious"])
def test_two_workers_keep_one_limit(
    kept: str, request: pytest.FixtureRequest, application: Start, caller_in: Caller
) -> None:
    server: Server = request.getfixturevalue(kept)
    with application() as client:
        scout, me = caller_in(client), caller_in(client)

    def call(connection: HTTPConnection) -> list[tuple[int, int, bytes]]:
        return [ask(connection, me) for _ in range(13)]

    with connections_to_both(server, scout) as connections:
        with ThreadPoolExecutor(len(connections)) as crowd:
            answers = list(chain.from_iterable(crowd.map(call, connections)))
    assert {status for status, _, _ in answers} == {200, 429}
    served = [(remaining, worker) for status, remaining, worker in answers if status == 200]
    assert sorted(remaining for remaining, _ in served) == list(range(50))
    assert len({worker for _, worker in served}) == 2


def remaining(server: Server, *forwarded_for: str) -> list[int]:
    """What remains after each of these requests, to one worker: it counts addresses by itself."""
    found = []
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        for addresses in forwarded_for:
            connection.request("GET", URL, headers={"X-Forwarded-For": addresses})
            answer = connection.getresponse()
            answer.read()
            found.append(int(answer.headers["x-ratelimit-remaining"]))
    return found


def test_the_nearest_address_that_is_no_proxy_counts(trusting: Server) -> None:
    """What stands left of it, the client itself may have written."""
    made_up = [f"198.51.100.{number}, 203.0.113.7, 10.0.0.5" for number in range(30)]
    *one, other = remaining(trusting, *made_up, "203.0.113.8, 10.0.0.5")
    assert min(one) < 590
    assert other == 599


def test_who_is_no_proxy_is_not_believed(suspicious: Server) -> None:
    made_up = [f"203.0.113.{number}" for number in range(30)]
    assert min(remaining(suspicious, *made_up)) < 590
