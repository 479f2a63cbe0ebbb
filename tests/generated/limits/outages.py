"""The store is down, slow, or forgets: nobody waits, nobody gets a 500, nobody is let in freely."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
import pytest
from orders.kit.rate_limit import RateLimiter
from orders.kit.rate_limit import shared as shared_module
from orders.kit.rate_limit.policy import RateLimitPolicy
from orders.kit.rate_limit.shared import SharedStore
from pydantic import SecretStr
from redis import Redis
from starlette.testclient import TestClient
from tests.limits.conftest import URL, OwnRedis, Sql, Start

Caller = Callable[..., dict[str, str]]
HOURLY = RateLimitPolicy("hourly", 50, seconds=3600)


@pytest.fixture(autouse=True)
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is tried again soon: these tests have no five seconds."""
    assert shared_module.LEFT_ALONE_SECONDS == 5
    monkeypatch.setattr(shared_module, "LEFT_ALONE_SECONDS", 0.3)


class Outage:
    """A store that a test can take away, halt and bring back."""

    def __init__(self, kind: str, sql: Sql, own_redis: OwnRedis) -> None:
        self._sql = sql
        self._redis = own_redis
        self.is_redis = kind == "redis"
        self.setting = SecretStr(own_redis.url if self.is_redis else "postgres")

    @contextmanager
    def down(self) -> Iterator[None]:
        if not self.is_redis:
            with self._sql.renamed("rate_limit"):
                yield
            return
        self._redis.kill()
        try:
            yield
        finally:
            self._redis.start()

    @contextmanager
    def halted(self) -> Iterator[None]:
        """It takes what is sent, and does not answer."""
        if self.is_redis:
            self._redis.process.send_signal(signal.SIGSTOP)
            yield
            self._redis.process.send_signal(signal.SIGCONT)
            return
        loop = asyncio.new_event_loop()
        connection = loop.run_until_complete(asyncpg.connect(self._sql.url))
        lock = "BEGIN; LOCK TABLE rate_limit IN ACCESS EXCLUSIVE MODE"
        loop.run_until_complete(connection.execute(lock))
        yield
        loop.run_until_complete(connection.close())
        loop.close()


@pytest.fixture
def outage(shared: str, sql: Sql, own_redis: OwnRedis) -> Outage:
    return Outage(shared, sql, own_redis)


def limiter(client: TestClient) -> RateLimiter:
    found: RateLimiter = client.app.state.rate_limiter  # type: ignore[attr-defined]
    return found


def limit_of(client: TestClient, caller: dict[str, str]) -> int:
    return int(client.get(URL, headers=caller).headers["X-RateLimit-Limit"])


def eventually(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not look():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


def test_without_its_store_each_process_grants_its_share(
    application: Start, caller_in: Caller, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    many = {"replicas": 2, "web_concurrency": 2, "database_max_connections": 200}
    caplog.set_level(logging.WARNING)
    with application(rate_limit_store=outage.setting, rate_limit_caller=20, **many) as client:
        me = caller_in(client)
        assert limit_of(client, me) == 20
        with outage.down():
            answers = [client.get(URL, headers=me) for _ in range(7)]
            assert [each.status_code for each in answers] == [200] * 5 + [429] * 2
            assert {each.headers["X-RateLimit-Limit"] for each in answers} == {"5"}
            (line,) = (each for each in caplog.messages if "rate limits" in each)
            assert "grants 1/4" in line
            time.sleep(0.7)  # it is tried again, in vain and in silence
            lines = [each for each in caplog.messages if "rate limits" in each]
            assert lines == [line]
        # Who had used up this process's share has the rest of its limit at once.
        eventually(lambda: client.get(URL, headers=me).headers["X-RateLimit-Limit"] == "20")
        assert client.get(URL, headers=me).status_code == 200
        assert "answers again" in caplog.messages[-1]
        assert limiter(client).outcomes["default", "degraded"] >= 5


def test_a_service_starts_without_its_store(
    application: Start, caller_in: Caller, outage: Outage
) -> None:
    with outage.down():
        starting = application(rate_limit_store=outage.setting, rate_limit_caller=20)
        client = starting.__enter__()
        me = caller_in(client)
        assert client.get(URL, headers=me).status_code == 200
    eventually(lambda: not limiter(client).is_degraded)
    assert client.get(URL, headers=me).headers["X-RateLimit-Remaining"] == "19"
    starting.__exit__(None, None, None)


def test_a_policy_that_fails_closed_lets_nobody_through(
    application: Start, caller_in: Caller, outage: Outage
) -> None:
    with application(rate_limit_store=outage.setting) as client:
        me = caller_in(client)
        assert client.get(f"{URL}/codes", headers=me).status_code == 200
        with outage.down():
            for _ in range(2):
                answer = client.get(f"{URL}/codes", headers=me)
                assert answer.status_code == 503
                assert answer.json()["type"] == "urn:problem:rate-limit-unavailable"
                assert int(answer.headers["Retry-After"]) >= 1
            assert client.get(URL, headers=me).status_code == 200
        eventually(lambda: client.get(f"{URL}/codes", headers=me).status_code == 200)


def test_nobody_waits_for_a_store_that_does_not_answer(
    application: Start, caller_in: Caller, outage: Outage
) -> None:
    settings = {"rate_limit_store": outage.setting, "rate_limit_store_seconds": 0.05}
    with application(**settings) as client:
        me = caller_in(client)
        with outage.halted():
            # All of them come back while it is halted: else this would stand still for ever.
            answers = [client.get(URL, headers=me) for _ in range(5)]
        assert [each.status_code for each in answers] == [200] * 5
        assert limiter(client).is_degraded
        eventually(lambda: not limiter(client).is_degraded)
        assert client.get(URL, headers=me).status_code == 200


@pytest.mark.parametrize("kind", ["postgres"])
def test_connections_that_are_cut_are_made_again(
    application: Start, caller_in: Caller, sql: Sql, kind: str
) -> None:
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1"
    )
    with application(rate_limit_store=SecretStr(kind), rate_limit_caller=40) as client:
        me = caller_in(client)
        assert sql.value(cut, "orders: rate limits") >= 2
        assert client.get(URL, headers=me).status_code == 200
        eventually(lambda: not limiter(client).is_degraded)
        before = limiter(client).outcomes["default", "allowed"]
        assert client.get(URL, headers=me).status_code == 200
        assert limiter(client).outcomes["default", "allowed"] == before + 1


def test_a_server_that_forgot_the_script_gets_it_again(
    application: Start, caller_in: Caller, own_redis: OwnRedis
) -> None:
    with application(rate_limit_store=SecretStr(own_redis.url), rate_limit_caller=9) as client:
        me = caller_in(client)
        client.get(URL, headers=me)
        with Redis.from_url(own_redis.url) as redis:
            redis.script_flush()
        assert client.get(URL, headers=me).headers["X-RateLimit-Remaining"] == "7"
        assert limiter(client).outcomes["default", "degraded"] == 0


class StepByStep:
    """A store that answers at once, in a few messages: as one does that has to prepare first."""

    connections = 4

    async def open(self) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.read(1))
            writer.close()

        self._server = await asyncio.start_server(echo, "127.0.0.1", 0)

    async def take(self, *_: object) -> tuple[bool, float]:
        where = self._server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*where)
        writer.write(b"?")
        await reader.readexactly(1)
        writer.close()
        return True, 0.0

    async def close(self) -> None:
        self._server.close()


@pytest.mark.anyio
async def test_a_busy_process_does_not_blame_its_store() -> None:
    """The answers lie unread for longer than the store may take."""
    behind = SharedStore(StepByStep(), budget=0.05, processes=1)
    await behind.open()
    waiting = [asyncio.create_task(behind.take(HOURLY, "busy", 1)) for _ in range(4)]
    for _ in range(8):
        await asyncio.sleep(0)
        time.sleep(0.08)
    assert all(exact for _, exact in await asyncio.gather(*waiting))
    await behind.close()
