"""What a bucket does is the same in every store."""

import asyncio
import time
from uuid import uuid4

import pytest
from orders.kit.rate_limit import policy as policy_module
from orders.kit.rate_limit.memory import MemoryStore
from orders.kit.rate_limit.policy import RateLimitPolicy
from orders.kit.rate_limit.postgres import PostgresStore
from orders.settings import Settings
from pydantic import SecretStr
from tests.limits.conftest import Sql, Take

pytestmark = pytest.mark.anyio

HOURLY = RateLimitPolicy("hourly", 50, seconds=3600)
SECOND = RateLimitPolicy("second", 20, seconds=1)


@pytest.fixture
def key() -> str:
    return uuid4().hex


async def drained(take: Take, policy: RateLimitPolicy, key: str) -> int:
    """How many requests go through before one is refused."""
    count = 0
    while (await take(policy, key)).allowed:
        count += 1
    return count


async def test_as_many_as_the_limit_go_through_and_no_more(take: Take, key: str) -> None:
    assert await drained(take, HOURLY, key) == 50
    refused = await take(HOURLY, key)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert (await take(HOURLY, key + "another")).allowed


async def test_what_remains_falls_one_by_one(take: Take, key: str) -> None:
    assert [(await take(HOURLY, key)).remaining for _ in range(5)] == [49, 48, 47, 46, 45]


async def test_a_crowd_sees_each_number_once(take: Take, key: str) -> None:
    crowd = await asyncio.gather(*(take(HOURLY, key) for _ in range(80)))
    assert sorted(each.remaining for each in crowd if each.allowed) == list(range(50))


async def test_whoever_waits_as_told_is_let_through(take: Take, key: str) -> None:
    await drained(take, SECOND, key)
    refused = await take(SECOND, key)
    assert 0 < refused.wait <= SECOND.interval + 0.001
    await asyncio.sleep(refused.wait + 0.002)  # the clock of an event loop is that coarse
    assert (await take(SECOND, key)).allowed


async def test_half_the_time_refills_half_the_bucket(take: Take, key: str) -> None:
    slow = RateLimitPolicy("slow", 10, seconds=1)
    await drained(take, slow, key)
    began = time.monotonic()
    await asyncio.sleep(0.5)
    count = await drained(take, slow, key)
    assert 5 <= count <= 5 + int(10 * (time.monotonic() - began - 0.5)) + 1


async def test_no_edge_of_a_window_lets_twice_the_limit_through(take: Take, key: str) -> None:
    """A fixed window would: the limit in its last moment, and again in the next one's first."""
    ten = RateLimitPolicy("ten", 10, seconds=2)
    for _ in range(3):
        began = time.monotonic()
        count = await drained(take, ten, key)
        assert count <= 10 + 5 * (time.monotonic() - began)
        await asyncio.sleep(0.21)
    assert (await drained(take, ten, key)) <= 2


async def test_a_burst_smaller_than_the_limit_is_all_at_once(take: Take, key: str) -> None:
    assert await drained(take, RateLimitPolicy("few", 60, seconds=3600, burst=3), key) == 3


async def test_a_request_may_cost_more_than_one(take: Take, key: str) -> None:
    assert (await take(HOURLY, key, 20)).remaining == 30
    assert (await take(HOURLY, key, 20)).remaining == 10
    refused = await take(HOURLY, key, 20)
    assert (refused.allowed, refused.remaining) == (False, 10)
    assert 9 * 72 < refused.wait <= 10 * 72
    assert (await take(HOURLY, key, 10)).remaining == 0


async def test_what_costs_more_than_there_ever_is_is_refused(take: Take, key: str) -> None:
    for _ in range(2):
        refused = await take(HOURLY, key, 51)
        assert (refused.allowed, refused.remaining, refused.wait) == (False, 50, 3600)
    assert (await take(HOURLY, key, 50)).remaining == 0


async def test_another_limit_counts_at_once_on_the_same_bucket(take: Take, key: str) -> None:
    for _ in range(40):
        await take(HOURLY, key)
    # A fifth of it is left, whatever it is.
    assert (await take(RateLimitPolicy("hourly", 100, seconds=3600), key)).remaining == 19
    lower = RateLimitPolicy("hourly", 10, seconds=3600)
    assert (await take(lower, key)).remaining == 0
    refused = await take(lower, key)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert refused.wait <= 360
    assert (await take(HOURLY, key)).allowed


@pytest.mark.parametrize("jump", [-86_400, 86_400])
async def test_this_machines_clock_may_be_set(
    take: Take, key: str, jump: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await drained(take, HOURLY, key)
    now = time.time
    monkeypatch.setattr(policy_module.time, "time", lambda: now() + jump)
    assert not (await take(HOURLY, key)).allowed
    assert (await take(HOURLY, key + "another")).remaining == 49


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
async def test_a_servers_clock_that_was_set_back_locks_nobody_out(
    take: Take, key: str, sql: Sql
) -> None:
    await take(HOURLY, key)
    moved = "UPDATE rate_limit SET full_at = full_at + interval '9 days' WHERE key = $1"
    await asyncio.to_thread(sql.execute, moved, f"hourly:{key}")
    refused = await take(HOURLY, key)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert refused.wait < 73


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_the_isolation_of_the_application_is_not_that_of_its_limits(
    isolation: str, database_url: str, key: str
) -> None:
    url = f"{database_url}&default_transaction_isolation={isolation.replace(' ', '%20')}"
    store = PostgresStore(Settings(database_url=SecretStr(url)), "orders")
    await store.open()
    for _ in range(20):
        both = await asyncio.gather(*(store.take(HOURLY, key, 1) for _ in range(2)))
        assert [allowed for allowed, _ in both] == [True, True]
    await store.close()


# Memory alone.


def test_a_flood_of_keys_neither_grows_nor_forgets() -> None:
    """Nor is it looked through each time: a hit drops two buckets at most."""
    store = MemoryStore(most=1000)
    while store.take(HOURLY, "refused").allowed:
        pass
    for number in range(20_000):
        store.take(HOURLY, f"junk {number}")
    assert len(store) <= 1001
    assert not store.take(HOURLY, "refused").allowed
    assert not store.take(HOURLY, "one too many").allowed, "they share a bucket, which is empty"


def test_room_is_made_by_buckets_that_are_full_again() -> None:
    store = MemoryStore(most=1000)
    quick = RateLimitPolicy("quick", 1000, seconds=1)
    for number in range(100_000):
        store.take(quick, f"one {number}")
    assert len(store) <= 1001
    time.sleep(0.01)
    for number in range(2000):
        store.take(HOURLY, f"two {number}")
    assert store.take(HOURLY, "two 0").remaining == 48


# A policy that limits nothing is refused where it is written.


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"seconds": 0}, {"burst": 0}, {"name": ""}, {"name": 'a"b'}, {"name": "ä"}],
    ids=str,
)
def test_a_policy_makes_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="policy"):
        RateLimitPolicy(**({"name": "fine", "limit": 5} | wrong))  # type: ignore[arg-type]


def test_a_process_has_its_share_and_at_least_one() -> None:
    assert RateLimitPolicy("a", 10).divided(4).limit == 2
    assert RateLimitPolicy("a", 10).divided(40).limit == 1
    assert RateLimitPolicy("a", 10, burst=8).divided(4).size == 2
