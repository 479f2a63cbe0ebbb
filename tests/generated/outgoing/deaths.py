"""A process that dies between a call and its commit does not have the other side charge twice."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from starlette.testclient import TestClient

from .provider import answers, provider

URL = "/api/v1/purchases"


@asynccontextmanager
async def serving(
    database_url: str, other: str
) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """A real server, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "--factory", "orders.main:create_app", f"--port={port}"],
        env=os.environ
        | {"DATABASE_URL": database_url, "ENVIRONMENT": "development", "PROVIDER": other},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"{address}/livez")
                    break
                except httpx2.TransportError:
                    assert process.poll() is None
                    await asyncio.sleep(0.1)
        yield process, address
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("step", ["charge", "receipt"])
def test_the_retry_calls_with_the_key_of_the_first(
    client: TestClient, database_url: str, new_caller: Callable[..., dict[str, str]], step: str
) -> None:
    """Two processes: the first is killed after the call, the second is asked again."""
    headers = new_caller() | {"Idempotency-Key": str(uuid4())}
    amount = 100_000 + len(step)

    async def main() -> None:
        async with provider(answers()) as other, httpx2.AsyncClient(timeout=30) as caller:
            async with serving(database_url, other.url) as (process, address):
                with pytest.raises(httpx2.TransportError):
                    await caller.post(
                        address + URL,
                        json={"amount": amount},
                        headers=headers | {"X-Then": f"die after {step}"},
                    )
                assert await asyncio.to_thread(process.wait, 10) == -signal.SIGKILL
            async with serving(database_url, other.url) as (_, address):
                done = await caller.post(address + URL, json={"amount": amount}, headers=headers)
                assert done.status_code == 201
                assert "Idempotent-Replayed" not in done.headers
                again = await caller.post(address + URL, json={"amount": amount}, headers=headers)
                assert again.content == done.content
        charges = [call for call in other.calls if call.path == "/charge"]
        assert len(charges) == 2
        assert len({call.headers["idempotency-key"] for call in charges}) == 1
        assert len({call.headers["idempotency-key"] for call in other.calls}) == 2
        connection = await asyncpg.connect(database_url)
        rows = await connection.fetchval("SELECT count(*) FROM payments WHERE amount = $1", amount)
        await connection.close()
        assert rows == 1

    asyncio.run(main())
