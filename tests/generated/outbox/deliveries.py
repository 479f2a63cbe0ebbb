"""Each message at least once, once in the ordinary case, and none for ever."""

import asyncio
import json
import os
import random
import signal
import time

import asyncpg
import pytest
from orders.kit import outbox as kit

from .conftest import PATIENCE, Outbox, fill, keys, states, until_called, until_states
from .provider import after, answers, drops, hangs, provider


def test_a_message_is_posted_with_its_key_and_then_deleted(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(answers(204)) as other:
            (key,) = await fill(connection, 1)
            with outbox.working(f"{other.url}/hook?a=b"):
                await until_states(connection, delivered=1)
                await asyncio.sleep(0.3)
        (call,) = other.calls
        assert (call.method, call.path) == ("POST", "/hook?a=b")
        assert call.headers["idempotency-key"] == key
        assert call.headers["content-type"] == "application/json"
        assert json.loads(call.body) == {"n": 1}
        row = await connection.fetchrow("SELECT * FROM outbox")
        assert row["deleted_by"] == "outbox"
        assert (row["attempts"], row["last_error"]) == (1, None)

    outbox.run(main)


def test_three_workers_deliver_each_message_once(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(after(0.01, answers())) as other:
            expected = await fill(connection, 400)
            one, two, three = (outbox.working(other.url) for _ in range(3))
            with one, two, three:
                await until_states(connection, delivered=400)
        assert sorted(keys(other)) == sorted(expected)
        assert await connection.fetchval("SELECT max(attempts) FROM outbox") == 1

    outbox.run(main)


def test_no_kill_loses_a_message(outbox: Outbox) -> None:
    """Twenty times, two workers are killed at a random moment."""

    async def main(connection: asyncpg.Connection) -> None:
        async with provider(after(0.02, answers())) as other:
            expected = set()
            for _ in range(20):
                expected |= await fill(connection, 60)
                before = len(other.calls)
                with outbox.working(other.url) as one, outbox.working(other.url) as two:
                    await until_called(other, before + random.randrange(1, 40))  # noqa: S311
                    await asyncio.sleep(random.uniform(0, 0.03))  # noqa: S311
                    one.kill()
                    two.kill()
            killed_at = await states(connection)
            with outbox.working(other.url):
                await until_states(connection, delivered=1200)
        assert set(keys(other)) == expected
        again = len(keys(other)) - len(expected)
        print(f"at the last kill {killed_at}; {again} of 1200 were delivered twice, same key")
        assert again <= 20 * 2 * kit.AT_ONCE

    outbox.run(main)


def test_what_fails_for_good_is_dead_until_somebody_says_otherwise(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(answers(500)) as other:
            (key,) = await fill(connection, 1)
            with outbox.working(other.url, OUTBOX_ATTEMPTS="2"):
                await until_states(connection, dead=1)
                row = await connection.fetchrow("SELECT * FROM outbox")
                assert (row["attempts"], row["last_error"]) == (2, "HTTP 500")
                assert row["deleted_at"] is None
                await connection.execute("UPDATE outbox SET next_attempt_at = now()")
                await asyncio.sleep(0.3)
                assert keys(other) == [key] * 2
                other.script[:] = [answers()]
                said = await asyncio.to_thread(outbox.command, "--retry-dead")
                assert said.startswith("1 dead messages wait again\n")
                await until_states(connection, delivered=1)
        assert keys(other) == [key] * 3

    outbox.run(main)


def test_a_deleted_message_is_not_delivered(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(answers()) as other:
            await fill(connection, 1)
            await connection.execute("UPDATE outbox SET deleted_at = now()")
            with outbox.working(other.url):
                await fill(connection, 1)
                await until_states(connection, delivered=1, waiting=1)
        assert len(other.calls) == 1

    outbox.run(main)


@pytest.mark.parametrize("way", [drops, hangs, answers(404), answers(302, Location="/")])
def test_only_a_2xx_is_a_delivery(outbox: Outbox, way: object) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(way) as other:  # type: ignore[arg-type]
            await fill(connection, 1)
            worker = outbox.worker(other.url, http_total_seconds=0.3)
            (message,) = await worker.take(10)
            await worker.deliver(message)
            assert await states(connection) == {"waiting": 1}
            assert await connection.fetchval("SELECT last_error FROM outbox")
            await close(worker)

    outbox.run(main)


async def close(worker: kit.Worker) -> None:
    """What `run` does at its end."""
    stop = asyncio.Event()
    stop.set()
    await worker.run(stop)


def test_pauses_double_and_differ(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(answers(400)) as other:
            worker = outbox.worker(other.url)
            seen: dict[int, list[float]] = {}
            for attempt in (1, 2, 3, 6, 12, 19):
                for _ in range(8):
                    await connection.execute("DELETE FROM outbox")
                    await fill(connection, 1)
                    await connection.execute("UPDATE outbox SET attempts = $1", attempt - 1)
                    (message,) = await worker.take(10)
                    await worker.deliver(message)
                    pause = await connection.fetchval(
                        "SELECT extract(epoch FROM next_attempt_at - updated_at)::float FROM outbox"
                    )
                    most = min(2**attempt, 3600)
                    assert most / 2 - 0.1 <= pause <= most
                    seen.setdefault(attempt, []).append(pause)
            assert all(len(set(pauses)) > 1 for pauses in seen.values())
            assert await states(connection) == {"waiting": 1}
            await close(worker)

    outbox.run(main)


def test_the_other_side_s_time_to_wait_is_kept(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(answers(503, Retry_After="600")) as other:
            await fill(connection, 1)
            worker = outbox.worker(other.url)
            (message,) = await worker.take(10)
            await worker.deliver(message)
            pause = await connection.fetchval(
                "SELECT extract(epoch FROM next_attempt_at - now())::float FROM outbox"
            )
            assert 595 < pause <= 600
            assert len(other.calls) == 1
            await close(worker)

    outbox.run(main)


def test_a_topic_without_a_url_waits_and_says_why(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        await fill(connection, 1)
        worker = outbox.worker("")
        (message,) = await worker.take(10)
        await worker.deliver(message)
        row = await connection.fetchrow("SELECT * FROM outbox")
        assert row["state"] == "waiting"
        assert "OUTBOX_URLS" in row["last_error"]
        await close(worker)

    outbox.run(main)


def test_nothing_is_locked_while_the_other_side_thinks(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(hangs) as other:
            await fill(connection, 30)
            with outbox.working(other.url, HTTP_TOTAL_SECONDS="5", HTTP_READ_SECONDS="5"):
                await until_called(other, kit.AT_ONCE)
                async with connection.transaction():
                    locked = await connection.fetch("SELECT id FROM outbox FOR UPDATE NOWAIT")
                assert len(locked) == 30
                sessions = await connection.fetch(
                    "SELECT state FROM pg_stat_activity"
                    " WHERE application_name = 'outbox' AND datname = current_database()"
                )
                assert [row["state"] for row in sessions] == ["idle"]
                taken = await connection.fetchval("SELECT count(*) FROM outbox WHERE attempts = 1")
                assert taken == kit.AT_ONCE

    outbox.run(main)


def test_one_host_that_hangs_does_not_stop_the_others_for_long(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(hangs) as bad, provider(answers()) as good:
            await fill(connection, 60)
            await connection.execute("UPDATE outbox SET topic = 'bad'")
            await connection.execute(
                "INSERT INTO outbox (topic, payload)"
                " SELECT 'paid', '{}' FROM generate_series(1, 20)"
            )
            urls = json.dumps({"paid": good.url, "bad": bad.url})
            with outbox.working(good.url, OUTBOX_URLS=urls):
                await until_called(bad, 1)
                began = time.monotonic()
                await until_called(good, 20)
                assert time.monotonic() - began < 8

    outbox.run(main)


def test_sigterm_ends_what_is_in_hand_and_begins_nothing(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(after(0.5, answers())) as other:
            await fill(connection, 50)
            with outbox.working(other.url) as worker:
                await until_called(other, kit.AT_ONCE)
                began = time.monotonic()
                worker.terminate()
                await asyncio.to_thread(worker.join, 10)
                assert worker.exitcode == 0
                assert 0.2 < time.monotonic() - began < 3
        assert len(other.calls) == kit.AT_ONCE
        assert await states(connection) == {"delivered": kit.AT_ONCE, "waiting": 40}
        untouched = await connection.fetchval("SELECT count(*) FROM outbox WHERE attempts = 0")
        assert untouched == 40

    outbox.run(main)


def test_sigterm_ends_a_worker_without_work_at_once(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(answers()) as other:
            await fill(connection, 1)
            with outbox.working(other.url) as worker:
                await until_states(connection, delivered=1)
                began = time.monotonic()
                worker.terminate()
                await asyncio.to_thread(worker.join, 10)
                assert worker.exitcode == 0
                assert time.monotonic() - began < 2

    outbox.run(main)


def test_a_worker_that_was_too_slow_spoils_nothing(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(answers(500), answers(), answers()) as other:
            await fill(connection, 1)
            slow, quick = outbox.worker(other.url), outbox.worker(other.url)
            (first,) = await slow.take(10)
            assert await quick.take(10) == []
            await connection.execute("UPDATE outbox SET next_attempt_at = now()")  # its lease
            (second,) = await quick.take(10)
            await slow.deliver(first)
            row = await connection.fetchrow("SELECT * FROM outbox")
            assert (row["state"], row["attempts"], row["last_error"]) == ("waiting", 2, None)
            await quick.deliver(second)
            assert await states(connection) == {"delivered": 1}
            await slow.deliver(first)
            assert await states(connection) == {"delivered": 1}
            await close(slow)
            await close(quick)

    outbox.run(main)


def test_a_stopped_worker_s_messages_go_to_another(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(*[hangs] * kit.AT_ONCE, answers()) as other:
            expected = await fill(connection, kit.AT_ONCE)
            with outbox.working(other.url) as stopped:
                await until_called(other, kit.AT_ONCE)
                os.kill(stopped.pid, signal.SIGSTOP)
                with outbox.working(other.url):
                    await until_states(connection, delivered=kit.AT_ONCE)
                    os.kill(stopped.pid, signal.SIGCONT)
                    await asyncio.sleep(1)
            assert set(keys(other)[kit.AT_ONCE :]) == expected
            assert await states(connection) == {"delivered": kit.AT_ONCE}

    outbox.run(main)


def test_a_lost_database_ends_no_worker(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with provider(after(0.05, answers())) as other:
            await fill(connection, 100)
            with outbox.working(other.url) as worker:
                for _ in range(8):
                    await connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'outbox' AND datname = current_database()"
                    )
                    await asyncio.sleep(0.1)
                await until_states(connection, delivered=100)
                assert worker.is_alive()

    outbox.run(main)


def test_a_worker_needs_to_know_where_to(outbox: Outbox) -> None:
    with outbox.working("", OUTBOX_URLS="{}") as worker:
        worker.join(PATIENCE)
        assert worker.exitcode == 2


def test_an_idle_worker_asks_once_a_second(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "POLL", 1.0)

    async def main(connection: asyncpg.Connection) -> None:
        worker = outbox.worker("http://127.0.0.1:9")
        taken = 0
        take = worker.take

        async def counting(free: int) -> list[object]:
            nonlocal taken
            taken += 1
            return await take(free)

        worker.take = counting  # type: ignore[method-assign,assignment]
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        await asyncio.sleep(1.5)
        stop.set()
        await running
        assert taken == 2

    outbox.run(main)
