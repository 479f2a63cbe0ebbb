"""A message is written with what it tells, or not at all."""

import asyncio
import json
import re
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from orders.kit import outbox as kit
from orders.kit.unit_of_work import UnitOfWork
from sqlalchemy.dialects import postgresql
from starlette.testclient import TestClient

from .conftest import Outbox, fill

URL = "/api/v1/notices"


async def written(connection: asyncpg.Connection, amount: int) -> tuple[int, int]:
    """How many payments and messages there are of this amount."""
    return (
        await connection.fetchval("SELECT count(*) FROM payments WHERE amount = $1", amount),
        await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE payload ->> 'amount' = $1", str(amount)
        ),
    )


def count(outbox: Outbox, amount: int) -> tuple[int, int]:
    async def main() -> tuple[int, int]:
        connection = await asyncpg.connect(outbox.url)
        try:
            return await written(connection, amount)
        finally:
            await connection.close()

    return asyncio.run(main())


def test_the_write_and_its_message_are_committed_together(
    client: TestClient, outbox: Outbox
) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = client.post(URL, json={"amount": 71}, headers=headers)
    assert first.status_code == 201
    assert UUID(first.json())
    assert client.post(URL, json={"amount": 71}, headers=headers).json() == first.json()
    assert count(outbox, 71) == (1, 1)


@pytest.mark.parametrize(("then", "status"), [("refuse", 409), ("break", 500), ("lose", 503)])
def test_a_rolled_back_request_adds_nothing(
    client: TestClient, outbox: Outbox, then: str, status: int
) -> None:
    headers = {"Idempotency-Key": str(uuid4()), "X-Then": then}
    amount = 100_000 + status
    assert client.post(URL, json={"amount": amount}, headers=headers).status_code == status
    assert count(outbox, amount) == (0, 0)


def test_what_is_added_is_what_is_read(outbox: Outbox) -> None:
    payload = {"text": "Übersicht\n\"'\\", "list": [1, 1.5, None, True], "none": {}}

    async def main(connection: asyncpg.Connection) -> None:
        async with outbox.database() as database:
            unit = UnitOfWork(database)
            key = await kit.add(await unit.write(), "paid", payload)
            await unit.commit()
        row = await connection.fetchrow("SELECT * FROM outbox WHERE public_id = $1", key)
        assert json.loads(row["payload"]) == payload
        assert (row["state"], row["attempts"], row["deleted_at"]) == ("waiting", 0, None)

    outbox.run(main)


def test_lag_is_the_age_of_the_oldest_that_waits(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        async with outbox.database() as database, database.reading() as session:
            assert await kit.lag(session) == kit.Lag(0, 0, 0)
            await connection.execute(
                "INSERT INTO outbox (topic, payload, state, created_at) VALUES"
                " ('a', '{}', 'waiting', now() - interval '90 s'), ('a', '{}', 'waiting', now()),"
                " ('a', '{}', 'dead', now() - interval '1 h')"
            )
            await connection.execute(
                "INSERT INTO outbox (topic, payload, state, created_at, deleted_at, deleted_by)"
                " VALUES ('a', '{}', 'delivered', now() - interval '2 h', now(), 'outbox')"
            )
            behind = await kit.lag(session)
            assert 90 <= behind.oldest < 95
            assert (behind.waiting, behind.dead) == (2, 1)
        said = await asyncio.to_thread(outbox.command, "--lag")
        assert re.fullmatch(r"2 waiting for at most 1?[0-9]{2} s, 1 dead\n", said)

    outbox.run(main)


def test_the_figures_come_from_an_index(outbox: Outbox) -> None:
    """Delivered messages, millions of them, cost neither a worker nor a metric anything."""

    async def main(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "INSERT INTO outbox (topic, payload, state, deleted_at, deleted_by)"
            " SELECT 'a', '{}', 'delivered', now(), 'outbox' FROM generate_series(1, 20000)"
        )
        await fill(connection, 20)
        await connection.execute("ANALYZE outbox")
        asked: list[Any] = []

        class Session:
            async def execute(self, statement: Any) -> None:
                asked.append(statement)

        with suppress(AttributeError):
            await kit.lag(Session())  # type: ignore[arg-type]
        figures = asked[0].compile(
            dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
        )
        taking = kit._TAKE.text.replace(":lease", "1")  # noqa: SLF001
        taking = taking.replace(":free", "10")
        for statement in (figures, taking):
            plan = await connection.fetch(f"EXPLAIN {statement}")
            lines = "\n".join(row[0] for row in plan)
            assert "ix_outbox_due" in lines
            assert "Seq Scan" not in lines

    outbox.run(main)


def test_a_message_s_table_is_audited(outbox: Outbox) -> None:
    async def main(connection: asyncpg.Connection) -> None:
        await fill(connection, 1)
        await connection.execute("RESET app.purge")
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute("DELETE FROM outbox")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE outbox SET state = 'lost'")

    outbox.run(main)


def test_the_outbox_can_start_on_a_later_day(database_url: str, outbox: Outbox) -> None:
    """Its migrations are a line of their own: the kit's may be at any point."""
    config = Config("alembic.ini")

    async def tables(connection: asyncpg.Connection) -> bool:
        return await connection.fetchval("SELECT to_regclass('outbox') IS NOT NULL")

    def there() -> bool:
        async def main() -> bool:
            connection = await asyncpg.connect(database_url)
            try:
                return await tables(connection)
            finally:
                await connection.close()

        return asyncio.run(main())

    command.downgrade(config, "outbox@base")
    assert not there()
    command.upgrade(config, "heads")
    assert there()
