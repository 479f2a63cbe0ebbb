"""Reads open no transaction and write nothing; a write is committed before anybody hears of it."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from orders.kit.database import Database, ReadSession
from orders.kit.unit_of_work import UnitOfWork
from orders.main import create_app
from orders.modules.payments.models import Payment
from orders.settings import Settings
from pydantic import SecretStr
from sqlalchemy import column, delete, insert, literal, select, table, text, update
from sqlalchemy.exc import InvalidRequestError
from starlette.testclient import TestClient

from .conftest import Headers, Sql, engine_of

PAYMENTS, TROUBLE = "/api/v1/payments", "/api/v1/trouble"
NEW = {"amount": 9900, "currency": "USD"}

STATE = """
    SELECT state FROM pg_stat_activity
    WHERE query LIKE $1 AND pid <> pg_backend_pid() AND datname = current_database()
"""


def stored(sql: Sql, amount: int) -> int:
    return int(sql.value("SELECT count(*) FROM payments WHERE amount = $1", amount))


def state_during(client: TestClient, method: str, sql: Sql, query: str) -> str:
    """The state of the connection that runs `query`, while the handler pauses after it."""
    state = client.app.state  # type: ignore[attr-defined]
    state.seen_enough = False
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(client.request, method, f"{TROUBLE}/pause?seconds=5")
        states: set[str] = set()
        while not states & {"idle", "idle in transaction"} and not request.done():
            states = {row[0] for row in sql.rows(STATE, f"%{query}%")}
        state.seen_enough = True
        assert request.result(5).status_code == 200
    state.seen_enough = False
    (found,) = states
    return found


def test_a_read_holds_no_transaction(client: TestClient, sql: Sql) -> None:
    assert state_during(client, "GET", sql, "a read that pauses") == "idle"


def test_a_write_holds_one(client: TestClient, sql: Sql) -> None:
    """So that the test above could fail."""
    assert state_during(client, "POST", sql, "INSERT INTO payments") == "idle in transaction"


@pytest.fixture
def statements(
    sql: Sql, database_url: str, application: Callable[..., AbstractContextManager[TestClient]]
) -> Iterator[Callable[[], list[str]]]:
    """What the server has heard from a service since the last call, by its own log.

    A statement's first line, which is empty for those that the kit wrote by hand.
    """
    log = Path(__file__).parents[2] / ".postgres" / "log"
    name = sql.value("SELECT current_database()")
    sql.execute(f"""ALTER DATABASE "{name}" SET log_statement = 'all'""")
    start = log.stat().st_size

    def heard() -> list[str]:
        nonlocal start
        with log.open("rb") as file:
            file.seek(start)
            new = file.read().decode()
            start = file.tell()
        lines = [line.partition("LOG:  ")[2] for line in new.splitlines() if "LOG:  " in line]
        return [line.partition(": ")[2] for line in lines]

    yield heard
    sql.execute(f"""ALTER DATABASE "{name}" RESET log_statement""")


def test_a_get_sends_its_queries_and_nothing_else(
    statements: Callable[[], list[str]],
    application: Callable[..., AbstractContextManager[TestClient]],
    me: Headers,
) -> None:
    with application(database_pool_size=1, database_pool_overflow=0) as client:
        client.headers.update(me)
        url = client.post(PAYMENTS, json=NEW).headers["Location"]
        client.get(url)
        time.sleep(0.2)  # the last use of the key has been written
        statements()
        for path in (url, PAYMENTS):
            assert client.get(path).status_code == 200
            heard = statements()
            assert not [s for s in heard if s.startswith(("BEGIN", "COMMIT", "ROLLBACK"))], heard
            assert len([s for s in heard if s.startswith("SELECT payments")]) == 1, heard


def test_a_write_is_one_transaction_of_no_more_statements_than_it_takes(
    statements: Callable[[], list[str]],
    application: Callable[..., AbstractContextManager[TestClient]],
    me: Headers,
) -> None:
    with application(database_pool_size=1, database_pool_overflow=0) as client:
        client.headers.update(me)
        client.post(PAYMENTS, json=NEW)
        time.sleep(0.2)
        statements()
        created = client.post(PAYMENTS, json=NEW)
        words = [line.split()[0].strip(";") for line in statements() if line.strip(" ;")]
        # The claim's own line is empty; the UPDATE keeps the answer.
        assert words == ["BEGIN", "INSERT", "UPDATE", "COMMIT"]
        read = {"If-Match": created.headers["ETag"]}
        client.patch(created.headers["Location"], json={"amount": 1}, headers=read)
        words = [line.split()[0].strip(";") for line in statements() if line.strip(" ;")]
        assert words == ["BEGIN", "SELECT", "UPDATE", "COMMIT"]


# --- a session to read with ---------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_read_session_does_not_flush(reading: ReadSession) -> None:
    reading.add(Payment(account_id=1, amount=1, currency="EUR"))
    with pytest.raises(InvalidRequestError, match="ReadSession"):
        await reading.flush()
    with pytest.raises(InvalidRequestError, match="ReadSession"):
        await reading.commit()


WRITES = {
    "insert": insert(Payment).values(account_id=1, amount=13, currency="EUR"),
    "update": update(Payment).values(amount=13),
    "delete": delete(Payment),
    "core update": update(table("payments", column("amount"))).values(amount=13),
    "text": text("UPDATE payments SET amount = 13"),
    "text that starts as a select": text("SELECT 1; UPDATE payments SET amount = 13"),
    "a common table expression": select(
        update(Payment).values(amount=13).returning(Payment.id).cte("changed")
    ),
    "a common table expression of an insert": select(
        insert(Payment)
        .values(account_id=1, amount=13, currency="EUR")
        .returning(Payment.id)
        .cte("made")
    ),
    "text with a common table expression": text(
        "WITH made AS (DELETE FROM payments RETURNING id) SELECT * FROM made"
    ),
}


@pytest.mark.anyio
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_read_session_executes_no_write(
    reading: ReadSession, client: TestClient, sql: Sql, write: Any
) -> None:
    client.post(PAYMENTS, json=NEW)
    with pytest.raises(InvalidRequestError, match=r"ReadSession|soft deleted"):
        await reading.execute(write)
    assert stored(sql, 13) == 0


@pytest.mark.anyio
async def test_what_a_read_session_leaves_does_not_stay_with_the_connection(
    database_url: str,
) -> None:
    """The next one may get the same connection, to write with."""
    settings = Settings(
        database_url=SecretStr(database_url),
        environment="development",
        database_pool_size=1,
        database_pool_overflow=0,
    )
    database = Database(settings, application_name="acceptance")
    backend = text("SELECT pg_backend_pid(), current_setting('transaction_read_only')")
    for _ in range(2):
        async with database.reading() as session:
            read = (await session.execute(select(literal(1)))).scalar()
            assert read == 1
        unit = UnitOfWork(database)
        pid, read_only = (await (await unit.write()).execute(backend)).one()
        assert (bool(pid), read_only) == (True, "off")
        await unit.close()
    await database.close()


# --- a session to write with --------------------------------------------------------------------


def test_a_commit_that_fails_gives_no_success(client: TestClient, sql: Sql) -> None:
    """The constraint is deferred: the handler is done, and has said 201, when it breaks."""
    parent = client.post("/api/v1/customers", json={"name": "Ada"}).json()["public_id"]
    bills = f"/api/v1/customers/{parent}/invoices"
    assert client.post(bills, json={"number": 4242}).status_code == 201
    assert client.post(bills, json={"number": 4242}).status_code == 409
    assert sql.value("SELECT count(*) FROM invoices WHERE number = 4242") == 1


def test_a_commit_of_the_handlers_own_is_undone_when_it_fails(client: TestClient, sql: Sql) -> None:
    assert client.post(f"{TROUBLE}/commit-then-crash?amount=101").status_code == 500
    assert stored(sql, 101) == 0


def test_a_commit_of_the_handlers_own_holds_when_it_succeeds(client: TestClient, sql: Sql) -> None:
    assert client.post(f"{TROUBLE}/commit-then-answer?amount=102").status_code == 200
    assert stored(sql, 102) == 1


@pytest.mark.parametrize("route", ["rollback-then-answer", "rollback-then-write"])
def test_a_handler_that_rolls_back_and_says_yes_is_not_believed(
    client: TestClient, sql: Sql, route: str
) -> None:
    assert client.post(f"{TROUBLE}/{route}?amount=103").status_code == 500
    assert stored(sql, 103) == 0


@pytest.mark.parametrize("status", [400, 404, 409, 500])
def test_a_refusal_leaves_nothing(client: TestClient, sql: Sql, status: int) -> None:
    refused = client.post(f"{TROUBLE}/write-then-refuse?amount=107&status={status}")
    assert refused.status_code == status
    assert stored(sql, 107) == 0


def test_a_background_task_sees_the_row(client: TestClient) -> None:
    assert client.post(f"{TROUBLE}/background?amount=104").status_code == 202
    assert client.app.state.seen_in_background == 104  # type: ignore[attr-defined]


def test_an_answer_is_followed_by_a_read_that_sees_it(client: TestClient) -> None:
    for _ in range(20):
        created = client.post(PAYMENTS, json=NEW)
        assert client.get(created.headers["Location"]).json() == created.json()


# --- connections --------------------------------------------------------------------------------


def pool(client: TestClient) -> Any:
    return engine_of(client.app).pool


def wait_until_returned(checkedout: Callable[[], int]) -> None:
    end = time.monotonic() + 5
    while checkedout():
        assert time.monotonic() < end, f"{checkedout()} connections were not returned"
        time.sleep(0.01)


def test_connections_are_returned_whatever_the_answer(client: TestClient) -> None:
    for method, path in (
        ("GET", "/crash"), ("GET", "/broken-query"), ("POST", "/commit-then-crash?amount=1"),
        ("POST", "/rollback-then-answer?amount=1"), ("POST", "/rollback-then-write?amount=1"),
        ("POST", "/background?amount=1"), ("GET", "/nowhere"), ("POST", "/pause?seconds=x"),
    ):  # fmt: skip
        client.request(method, f"{TROUBLE}{path}")
    wait_until_returned(pool(client).checkedout)
    assert pool(client).checkedin() >= 1


@pytest.mark.anyio
@pytest.mark.parametrize("moment", [0.05, 0.15, 0.3])
@pytest.mark.parametrize(
    ("method", "query"), [("GET", "/sleep?seconds=0.2"), ("POST", "/pause?seconds=0.2&amount=105")]
)
async def test_a_request_that_is_cancelled_returns_its_connection_and_writes_nothing(
    me: Headers, database_url: str, sql: Sql, method: str, query: str, moment: float
) -> None:
    """What a server does to the requests that outlast its shutdown."""
    app = create_app(Settings(database_url=SecretStr(database_url), environment="development"))
    path, _, rest = query.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": f"{TROUBLE}{path}",
        "query_string": rest.encode(),
        "headers": [(b"authorization", me["Authorization"].encode())],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "scheme": "http",
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    engine = engine_of(app)
    request = asyncio.create_task(app(scope, receive, send))
    await asyncio.sleep(moment)
    request.cancel()
    with suppress(asyncio.CancelledError):
        await request
    while engine.pool.checkedout():  # type: ignore[attr-defined]  # the key's last use is being written
        await asyncio.sleep(0.01)
    if moment < 0.2:  # the handler had not ended
        assert (sent, stored(sql, 105)) == ([], 0)
    elif sent and method == "POST":
        assert stored(sql, 105) == 1
    sql.execute("UPDATE payments SET amount = 1 WHERE amount = 105")
    await app.state.callers[0].database.close()


@pytest.fixture
def address(
    database_url: str,
) -> Iterator[tuple[tuple[str, int], Callable[[], int]]]:
    """The service behind a real server and socket, and its connections in use."""
    app = create_app(Settings(database_url=SecretStr(database_url), environment="development"))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, loop="uvloop")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    pool = engine_of(app).pool
    yield server.servers[0].sockets[0].getsockname(), pool.checkedout  # type: ignore[attr-defined]
    server.should_exit = True
    thread.join(10)


def test_a_client_that_hangs_up_leaves_no_connection_behind(
    address: tuple[tuple[str, int], Callable[[], int]], me: Headers
) -> None:
    where, checkedout = address
    for method, query in (("GET", "sleep?seconds=0.5"), ("POST", "pause?seconds=0.5&amount=106")):
        with socket.create_connection(where) as client:
            client.sendall(
                f"{method} {TROUBLE}/{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                f"Authorization: {me['Authorization']}\r\n\r\n".encode()
            )
            while not checkedout():
                time.sleep(0.01)
        wait_until_returned(checkedout)


def test_a_client_that_hangs_up_within_its_body_leaves_nothing_behind(
    address: tuple[tuple[str, int], Callable[[], int]],
    me: Headers,
    caplog: pytest.LogCaptureFixture,
) -> None:
    where, checkedout = address
    with socket.create_connection(where) as client:
        client.sendall(
            f"POST {PAYMENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            f"Content-Type: application/json\r\nAuthorization: {me['Authorization']}\r\n\r\n"
            '{"amount"'.encode()
        )
        time.sleep(0.1)
    time.sleep(0.2)
    assert checkedout() == 0
    assert not [record for record in caplog.records if record.exc_info], "a client's own doing"
