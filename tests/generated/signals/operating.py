"""What an operator sees of a service that runs: lines, numbers, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
from dev.postgres import temporary_database
from orders.kit.logs import access_log
from orders.kit.telemetry import route_of
from starlette.testclient import TestClient

from .conftest import Serve, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

PAYMENTS = "/api/v1/payments"
DECIDED = ("allowed", "degraded")
NEW = {"amount": 9900, "currency": "USD"}


def test_lines_and_numbers_tell_what_happened(serve: Serve) -> None:  # noqa: PLR0915
    """One service for all of it: a start costs seconds."""
    with serve(SLOW_QUERY_SECONDS="0.2") as served:
        # A request is one line, under the name that its client gave it, with what matters.
        secret, key = "correct horse battery staple", str(uuid4())
        keyed = {"Idempotency-Key": key, "X-Request-ID": "night-1"}
        body = {"amount": 12345678, "currency": "USD"}
        first = served.call("POST", PAYMENTS, json=body, headers=keyed)
        assert first.status_code == 201
        assert first.headers["X-Request-ID"] == "night-1"
        again = served.call("POST", PAYMENTS, json=body, headers={"Idempotency-Key": key})
        assert again.headers["Idempotent-Replayed"] == "true"
        location = first.headers["Location"]
        served.get(f"{location}?token={secret}")
        assert served.get("/nowhere").status_code == 404
        lines = eventually("four lines", lambda: len(served.lines()) >= 4 and served.lines())
        written, replayed, read, lost = lines
        assert written["request_id"] == "night-1"
        assert (written["method"], written["route"]) == ("POST", PAYMENTS)
        assert (written["version"], written["status"], written["replayed"]) == ("v1", 201, False)
        assert written["caller"] in served.headers["Authorization"]
        assert 0 < written["ms"] < 30_000
        assert written["limit"].startswith("default ")
        assert written["time"].endswith("Z")
        assert replayed["replayed"] is True
        assert replayed["request_id"] not in {"", "night-1"}
        assert read["route"] == f"{PAYMENTS}/{{public_id}}"
        assert (lost["route"], lost["version"], lost["caller"]) == ("other", None, None)

        # Secrets and bodies are in none of them, nor ids of rows.
        everything = served.errors.read_text()
        for hidden in (secret, "12345678", served.headers["Authorization"], location):
            assert hidden not in everything

        # A name that would break a line is not taken; a problem names its request.
        for bad in ("a b", "x" * 129, "näh".encode("latin-1"), ""):
            problem = served.get("/nowhere", headers={"X-Request-ID": bad})
            assert problem.json()["request_id"] == problem.headers["X-Request-ID"] != bad

        # A bug is a line with its traceback, under the request's name.
        assert served.get("/api/v1/naps/nightmare").status_code == 500
        (bug,) = eventually("the bug's line", lambda: served.lines("GET /api/v1/naps/nightmare"))
        assert bug["request_id"]
        assert "RuntimeError" in str(bug["exception"])

        # A slow query is a line: the statement, never its values.
        served.get("/api/v1/naps?seconds=0.3", headers={"X-Request-ID": "slow-1"})
        (slow,) = eventually("the slow query's line", lambda: served.lines("slow query"))
        assert slow["request_id"] == "slow-1"
        assert "SELECT pg_sleep($1" in slow["event"]

        # Numbers are sums over both workers.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: served.get("/api/v1/naps"), range(40)))
        counted = ("http_requests_total", "GET", "/api/v1/naps", "200")
        assert served.metric(*counted) == 41
        _, *labels, _ = counted
        assert served.metric("http_request_duration_seconds_count", *labels) == 41
        assert served.metric("ready") == 2
        eventually(
            "both tell", lambda: served.metric("idempotency_outcomes_total", "replayed") == 1
        )
        assert served.metric("idempotency_outcomes_total", "first") == 1
        # On a busy machine the store may be too slow for its 50 ms.
        limited = [("rate_limit_decisions_total", decision, "default") for decision in DECIDED]
        eventually("all are told", lambda: sum(served.metric(*each) for each in limited) >= 41)
        assert served.metric("database_connections_limit") == 20
        eventually("nothing is left", lambda: served.metric("http_requests_in_flight") == 0)
        (about,) = [labels for name, labels in served.metrics() if name == "service_info"]
        assert about[0] == "orders"

        # The probes are counted and not logged.
        assert served.metric("http_requests_total", "GET", "/readyz", "200") >= 1
        assert not [line for line in served.lines() if "readyz" in line["route"]]

        # What a killed worker counted stays, what it was goes; another takes its place.
        killed = served.workers()[0]
        os.kill(killed, signal.SIGKILL)
        eventually(
            "another worker", lambda: killed not in served.workers() and len(served.workers()) == 2
        )
        eventually("two are ready", lambda: served.metric("ready") == 2)
        assert served.metric(*counted) == 41


def test_it_says_that_it_ends_before_it_does_and_finishes_what_it_began(serve: Serve) -> None:
    with serve(DRAIN_SECONDS="1.5", WEB_CONCURRENCY="1") as served, ThreadPoolExecutor(1) as pool:
        running = pool.submit(served.get, "/api/v1/naps?seconds=3")
        eventually("it runs", lambda: served.metric("http_requests_in_flight") == 1)
        served.terminate()
        eventually("it is not ready", lambda: served.get("/readyz").status_code == 503)
        late = served.get(PAYMENTS)
        assert (late.status_code, late.headers["Connection"]) == (200, "close")
        assert running.result().text == '"rested"'
        # Uvicorn ends by the signal itself once everything is finished.
        assert served.process.wait(30) in {0, -signal.SIGTERM}
        assert "Traceback" not in served.errors.read_text()


def test_it_can_be_told_to_write_nothing(serve: Serve) -> None:
    with serve(READ_ONLY="true", WEB_CONCURRENCY="1", METRICS_PORT="0") as served:
        refused = served.call("POST", PAYMENTS, json=NEW, headers={"Idempotency-Key": "k"})
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:problem:read-only"
        assert refused.headers["Retry-After"] == "60"
        assert served.get(PAYMENTS).status_code == 200


def test_it_does_not_start_on_a_schema_that_is_too_old(serve: Serve) -> None:
    with temporary_database() as url:
        migrate = [sys.executable, "-m", "alembic", "upgrade", "kit@kit_0002"]
        environment = os.environ | {"DATABASE_URL": url, "DATABASE_OWNER_URL": url}
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        with serve(
            DATABASE_URL=url, DATABASE_OWNER_URL=url, WEB_CONCURRENCY="1", wait=False
        ) as served:
            assert served.process.wait(60) != 0
            said = served.errors.read_text()
        assert "the schema lacks" in said
        assert "alembic upgrade heads" in said


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"DATABASE_MAX_CONNECTIONS": "20"}, "The connection pools do not fit the database"),
        ({"API_RETIRED": "v9"}, "API_RETIRED names v9: the newest is v1"),
        ({"API_DEPRECATED": '{"v2": {"since": "2030-01-31"}}'}, "API_DEPRECATED names v2"),
        ({"API_DEPRECATED": "{v1}"}, "it takes JSON"),
    ],
)
def test_it_refuses_to_start_with_a_sentence(
    serve: Serve, settings: dict[str, str], sentence: str, processes: str
) -> None:
    with serve(**settings, WEB_CONCURRENCY=processes, wait=False) as served:
        assert served.process.wait(60) == 2
        said = served.errors.read_text()
    assert sentence in said
    assert said.count("\n") == 1


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_it_starts_on_a_schema_that_is_newer(
    serve: Serve, database_url: str, local: TestClient
) -> None:
    assert local.portal is not None
    local.portal.call(_execute, database_url, "ALTER TABLE payments ADD COLUMN newer text")
    try:
        with serve(WEB_CONCURRENCY="1", METRICS_PORT="0") as served:
            assert served.get(PAYMENTS).status_code == 200
    finally:
        local.portal.call(_execute, database_url, "ALTER TABLE payments DROP COLUMN newer")


def test_the_database_is_asked_once_a_second_whoever_asks(
    local: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orders.kit.database import Database

    asked: list[float] = []
    ping: Callable[..., object] = Database.ping

    async def count(self: Database) -> None:
        asked.append(time.monotonic())
        await ping(self)  # type: ignore[misc]

    monkeypatch.setattr(Database, "ping", count)
    began = time.monotonic()
    while time.monotonic() - began < 2.2:
        assert local.get("/readyz").status_code == 200
    assert 1 <= len(asked) <= 3


def test_lines_are_written_whole_and_one_that_is_odd_costs_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[bytes] = []
    raw = SimpleNamespace(write=written.append, flush=lambda: None)
    monkeypatch.setattr("sys.stderr", SimpleNamespace(buffer=raw))
    lines = [{"event": "request", "number": number, "path": "x" * 300} for number in range(50)]
    access_log("production")([*lines, {"event": "odd", "number": 2**70}, {"event": "last"}])
    assert len(written) > 3
    assert all(len(piece) <= 4096 and piece.endswith(b"\n") for piece in written)
    told = [json.loads(line) for line in b"".join(written).splitlines()]
    assert told == [*lines, {"event": "odd", "number": str(2**70)}, {"event": "last"}]


def test_what_a_mounted_application_finds_is_none_of_our_routes() -> None:
    found = {"type": "http", "path": "/admin/users/1", "route": SimpleNamespace(path="/users/{id}")}
    assert route_of(found) == "/users/{id}"
    assert route_of(found | {"app_root_path": ""}) == "other"
    assert route_of({"type": "http", "path": "/admin", "route": object()}) == "other"
