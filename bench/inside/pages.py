"""The measurement of `bench/pages.py`, inside a service."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import asyncpg
from orders.kit import pagination
from orders.main import create_app
from sqlalchemy import event
from starlette.testclient import TestClient

from bench.harness import Contender, Measurement, measure
from bench.inside import pagers, seed
from bench.results import Goal, Result, nowhere, of_runs, times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from orders.kit.pagination import Position

LIST = "/api/v1/payments"
LIMIT = 20
DEPTHS = (0, 10_000, 100_000, 1_000_000, 4_000_000)
ROUNDS = 11
KEYSET_CALLS = 20  # in a turn: one alone is too short to time
LIBRARIES = (
    "http sqlakeyset",
    "http fastapi-pagination cursor",
    "http fastapi-pagination count",
)
FLAT = 1.5  # the deepest keyset page, as a multiple of the first, and of one among fewer rows
FASTER = 100.0  # keyset against OFFSET in SQL, FASTER_AT rows deep
FASTER_AT = 1_000_000


@dataclass(frozen=True)
class Statement:
    """What the service sent to its database."""

    sql: str
    parameters: tuple[object, ...]


class Service:
    """The service in this process, to see what it sends; it is not what is measured."""

    def __init__(self, client: TestClient, key: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {key}"}
        self._engine = client.app.state.callers[0].database._engine.sync_engine  # type: ignore[attr-defined] # noqa: SLF001

    def sent_for(self, **query: str) -> Statement:
        """The statement of a page."""
        sent: list[Statement] = []

        def note(_: Any, __: Any, sql: str, parameters: Any, *___: Any) -> None:
            if "FROM payments" in sql:
                sent.append(Statement(sql, tuple(parameters)))

        event.listen(self._engine, "before_cursor_execute", note)
        answer = self._client.get(
            LIST, params={"limit": str(LIMIT), **query}, headers=self._headers
        )
        event.remove(self._engine, "before_cursor_execute", note)
        answer.raise_for_status()
        (statement,) = sent
        return statement

    def context(self) -> bytes:
        """What the service binds the cursors of this list to."""
        seen: list[bytes] = []
        encode = pagination.encode

        def note(position: Position, context: bytes) -> str:
            seen.append(context)
            return encode(position, context)

        pagination.encode = note
        self.sent_for()
        pagination.encode = encode
        return seen[0]


class Database:
    """One connection, with a loop of its own: what is timed is the database's answer."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection = self._loop.run_until_complete(asyncpg.connect(url))

    def fetch(self, sql: str, *parameters: object) -> list[asyncpg.Record]:
        """The rows of a query; the driver prepares it once."""
        found = self._connection.fetch(sql, *parameters, timeout=None)
        return self._loop.run_until_complete(found)

    def close(self) -> None:
        """Give the connection back."""
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()


class Endpoint:
    """The service over HTTP, on one connection that stays open."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"}

    def page(self, path: str, **query: object) -> list[str]:
        """The public ids of a page."""
        self._connection.request("GET", f"{path}?{urlencode(query)}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == http.HTTPStatus.OK, body  # noqa: S101
        return [item["public_id"] for item in json.loads(body)["items"]]


@contextmanager
def serving(key: str) -> Iterator[Endpoint]:
    """The service and its rivals, as one uvicorn process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--factory", f"--port={port}", "--timeout-keep-alive=600", "--log-level=warning"]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "bench.inside.pagers:create_app", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # a line a request
    )
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, "the service ended"  # noqa: S101
                time.sleep(0.1)
        yield Endpoint(port, key)
    finally:
        server.terminate()
        server.wait(30)


def contenders(
    service: Service, database: Database, endpoint: Endpoint, failed: dict[str, str]
) -> list[Contender]:
    """Each depth by keyset and by OFFSET, in SQL and through the endpoint; libraries' pages, too.

    A library that answers with anything but the same rows goes into `failed`.
    """
    first = service.sent_for()
    context = service.context()
    live = database.fetch("SELECT count(*) FROM payments WHERE deleted_at IS NULL")[0][0]
    made: list[Contender] = []
    for depth in DEPTHS:
        if depth + LIMIT > live:
            continue
        by_offset = f"{first.sql} OFFSET {depth}"
        cursor: dict[str, str] = {}
        before: asyncpg.Record | None = None
        if depth:
            (before, *_) = database.fetch(f"{first.sql} OFFSET {depth - 1}", *first.parameters)
            position = pagination.Position(before["created_at"], before["public_id"], False)
            cursor = {"cursor": pagination.encode(position, context)}
        statement = service.sent_for(**cursor)
        same = [row["public_id"] for row in database.fetch(by_offset, *first.parameters)]
        mine = [row["public_id"] for row in database.fetch(statement.sql, *statement.parameters)]
        assert mine == same, f"the two ways differ at {depth}"  # noqa: S101
        assert endpoint.page(LIST, limit=LIMIT, **cursor) == [str(i) for i in same[:LIMIT]]  # noqa: S101

        if depth + LIMIT < live // seed.TENTH:
            made.append(_of_a_tenth(database, first, statement, depth, before))
        named = [
            ("sql keyset", partial(database.fetch, statement.sql, *statement.parameters)),
            ("sql offset", partial(database.fetch, by_offset, *first.parameters)),
            ("http keyset", partial(endpoint.page, LIST, limit=LIMIT, **cursor)),
            ("http offset", partial(endpoint.page, pagers.OFFSET, limit=LIMIT, offset=depth)),
        ]
        row = before and (before["created_at"], before["public_id"])
        others = _libraries(endpoint, depth, row)
        for name, call in list(others.items()):
            try:
                assert call() == [str(i) for i in same[:LIMIT]], f"another page at {depth}"  # noqa: S101
            except Exception as error:  # noqa: BLE001 whatever it is, it is what we report
                failed[name] = nowhere(str(error))[-300:]
                others.pop(name)
        made += [_contender(f"{name} {depth}", call) for name, call in [*named, *others.items()]]
    return made


def _of_a_tenth(
    database: Database,
    first: Statement,
    deep: Statement,
    depth: int,
    before: asyncpg.Record | None,
) -> Contender:
    """The page that is as deep in the table with a tenth of the rows."""

    def there(sql: str) -> str:
        return sql.replace("FROM payments", "FROM tenth.payments")

    parameters = deep.parameters
    if before is not None:
        (mine, *_) = database.fetch(f"{there(first.sql)} OFFSET {depth - 1}", *first.parameters)
        moved = {before[name]: mine[name] for name in ("created_at", "public_id")}
        parameters = tuple(moved.get(each, each) for each in parameters)
    page = partial(database.fetch, there(deep.sql), *parameters)
    same = database.fetch(f"{there(first.sql)} OFFSET {depth}", *first.parameters)
    assert page() == same, f"another page at {depth} of a tenth"  # noqa: S101
    return _contender(f"sql tenth {depth}", page)


def _libraries(
    endpoint: Endpoint, depth: int, before: tuple[datetime, UUID] | None
) -> dict[str, Callable[[], list[str]]]:
    """The page behind the row `before` as sqlakeyset and fastapi-pagination make it."""

    def sqlakeyset() -> list[str]:
        at = {"bookmark": pagers.place(*before)} if before else {}
        return endpoint.page(pagers.SQLAKEYSET, limit=LIMIT, **at)

    def cursor() -> list[str]:
        at = {"cursor": pagers.cursor(*before)} if before else {}
        return endpoint.page(pagers.CURSOR, size=LIMIT, **at)

    def counted() -> list[str]:
        return endpoint.page(pagers.COUNTED, limit=LIMIT, offset=depth)

    return dict(zip(LIBRARIES, (sqlakeyset, cursor, counted), strict=True))


def _calls(name: str) -> int:
    return 1 if "offset" in name or "count" in name else KEYSET_CALLS


def _contender(name: str, call: Callable[[], object]) -> Contender:
    def run(_: Path) -> None:
        for _call in range(_calls(name)):
            call()

    return Contender(name, run)


def per_call(measured: Measurement) -> Measurement:
    """The same for one page, where a turn was many."""
    calls = _calls(measured.name)
    return Measurement(
        measured.name,
        [seconds / calls for seconds in measured.seconds],
        [seconds / calls for seconds in measured.cpu],
    )


def table(found: dict[str, Measurement]) -> None:
    """Print milliseconds: the median of each, and its spread."""
    print(f"{'ms a page':<10} {'depth':>10}  {'keyset':^28} {'OFFSET':^31} {'':>8}")
    for through in ("sql", "http"):
        for depth in DEPTHS:
            keyset, offset = (found.get(f"{through} {way} {depth}") for way in ("keyset", "offset"))
            if keyset is None or offset is None:
                continue
            cells = [
                f"{each.median * 1e3:9.2f} ({each.spread[0] * 1e3:.2f} to {each.spread[1] * 1e3:.2f})"
                for each in (keyset, offset)
            ]
            ratio = f"{offset.median / keyset.median:,.1f} x"
            print(f"{through:<10} {depth:>10,}  {cells[0]:<28} {cells[1]:<31} {ratio:>8}")
    for name in LIBRARIES:
        cells = [
            f"{found[key].median * 1e3:.2f} at {depth:,}"
            for depth in DEPTHS
            if (key := f"{name} {depth}") in found
        ]
        print(f"{name:<32} {', '.join(cells)}")


def goals(found: dict[str, Measurement]) -> list[Goal]:
    """What was hoped for, and what came."""
    judged = []
    deepest = max(int(name.split()[-1]) for name in found)
    for through in ("sql", "http"):
        first, last = (found[f"{through} keyset {depth}"].seconds for depth in (0, deepest))
        claim = f"{through}: a keyset page {deepest:,} rows deep takes, of the first,"
        judged.append(times(claim, last, first, FLAT))
    deepest = max(int(name.split()[-1]) for name in found if name.startswith("sql tenth"))
    many, few = (found[f"sql {which} {deepest}"].seconds for which in ("keyset", "tenth"))
    claim = (
        f"sql: a keyset page {deepest:,} rows deep takes, of the same among a tenth of the rows,"
    )
    judged.append(times(claim, many, few, FLAT))
    if f"sql keyset {FASTER_AT}" in found:
        ours, theirs = (found[f"sql {way} {FASTER_AT}"].seconds for way in ("keyset", "offset"))
        claim = f"sql: OFFSET takes, of a keyset page {FASTER_AT:,} rows deep,"
        judged.append(times(claim, theirs, ours, FASTER, at_most=False))
    return judged


def main() -> None:
    """Seed, measure, report."""
    failed: dict[str, str] = {}
    with seed.migrated() as url:
        key = seed.new_key()
        seeded = asyncio.run(seed.fill(url))
        asyncio.run(seed.copy_a_tenth(url))
        with TestClient(create_app()) as client, serving(key) as endpoint:
            database = Database(url)
            everyone = contenders(Service(client, key), database, endpoint, failed)
            measured = [per_call(each) for each in measure(everyone, rounds=ROUNDS)]
            facts = dict(
                database.fetch(
                    "SELECT name, setting FROM pg_settings WHERE name = ANY($1)",
                    ["server_version", "shared_buffers"],
                )
            )
            database.close()
    found = {each.name: each for each in measured}
    table(found)
    facts |= {"rows": seed.ROWS, "deleted_percent": 10, "seeding_seconds": round(seeded, 1)}
    figures = [of_runs(each.name, [1e3 * run for run in each.seconds]) for each in measured]
    print(json.dumps(asdict(Result("pages", "ms", figures, goals(found), facts, failed))))


if __name__ == "__main__":
    main()
