"""What a connection may cost before it has asked for anything, and how long it may take."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import uvicorn
from orders.kit import body_limit, serving
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr

from .conftest import PATIENCE, Serve, eventually, free_port

PAYMENTS = "/api/v1/payments"
GET = b"GET /livez HTTP/1.1\r\nHost: here\r\n"
PIECE = b"x" * 16_384
MOST = 64 * 1024 * 1024  # far more than a head may be and what is under way


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass  # it closed with bytes unread
    return found


def alive(connection: socket.socket) -> None:
    """Read one answer of the probe's."""
    found = b""
    while not found.endswith(b"ok\n"):
        piece = connection.recv(65_536)
        assert piece, found
        found += piece
    assert found.startswith(b"HTTP/1.1 200 "), found


def taken(connection: socket.socket, begin: bytes, piece: bytes) -> int:
    """How many bytes of a request without end are taken before the server closes."""
    sent = 0
    try:
        connection.sendall(begin)
        while sent < MOST:
            connection.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


def post(headers: dict[str, str], body: bytes, *, length: int | None = None) -> bytes:
    told = headers | {
        "Host": "here",
        "Content-Type": "application/json",
        "Content-Length": str(len(body) if length is None else length),
        "Idempotency-Key": str(uuid4()),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {PAYMENTS} HTTP/1.1\r\n{lines}\r\n".encode() + body


ENDLESS = {
    "headers": (GET, b"X-More: " + PIECE + b"\r\n"),
    "a header": (GET + b"X-More: ", PIECE),
    "a path": (b"GET /", PIECE),
    "trailers": (
        b"POST /nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: here\r\n\r\n1\r\nx\r\n0\r\n",
        b"X-More: " + PIECE + b"\r\n",
    ),
}


def test_a_head_without_end_is_cut_off_and_a_long_one_is_not(serve: Serve, tmp_path: Path) -> None:
    """With the settings of a file, as on a server without a manager of environments."""
    (tmp_path / ".env").write_text("FORWARDED_ALLOW_IPS=10.0.0.5\n", encoding="utf-8")
    with serve(
        folder=tmp_path, WEB_CONCURRENCY="1", METRICS_PORT="0", RATE_LIMIT_ADDRESS="60"
    ) as served:
        for what, (begin, piece) in ENDLESS.items():
            with connected(served.port) as connection:
                assert taken(connection, begin, piece) < MOST, what
        with connected(served.port) as connection:
            connection.sendall(GET + b"X-More: " + b"x" * 70_000)
            time.sleep(0.2)  # what comes at once may be more
            connection.sendall(b"x" * 70_000)
            assert rest(connection).startswith(b"HTTP/1.1 400 ")

        # A long head, in pieces; many requests on one connection, one after the other and at once.
        with connected(served.port) as connection:
            for _ in range(3):
                connection.sendall(GET + b"X-More: " + b"x" * 30_000)
                time.sleep(0.05)
                connection.sendall(b"x" * 30_000 + b"\r\n\r\n")
                alive(connection)
            for _ in range(500):
                connection.sendall(GET + b"\r\n")
                alive(connection)
            connection.sendall((GET + b"\r\n") * 99 + GET + b"Connection: close\r\n\r\n")
            assert rest(connection).count(b"HTTP/1.1 200 ") == 100

        # A large body, and what comes behind it at once.
        body = json.dumps({"amount": 1, "currency": "USD"}).encode()
        large = body + b" " * 900_000
        last = GET + b"X-More: " + b"x" * 60_000 + b"\r\nConnection: close\r\n\r\n"
        with connected(served.port) as connection:
            connection.sendall(post(served.headers, large) * 2 + last)
            answers = rest(connection)
        assert answers.count(b"HTTP/1.1 201 ") == 2
        assert answers.count(b"HTTP/1.1 200 ") == 1

        # The file's proxies are believed, and no others.
        forwarded = [
            served.get("/nowhere", headers={"X-Forwarded-For": f"203.0.113.{number}"})
            for number in range(5)
        ]
        left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in forwarded]
        assert left[-1] < left[0]


@pytest.fixture
def hasty(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[uvicorn.Server, int, threading.Thread]]:
    """The service in a thread, which waits for half a second where `serve` waits for ten."""
    assert (serving.HEAD_SECONDS, body_limit.SILENCE) == (10, 10)
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(body_limit, "SILENCE", 0.5)
    settings = Settings(database_url=SecretStr(database_url), environment="development")
    port = free_port()
    config = uvicorn.Config(
        create_app(settings), http=serving.BoundedHead, port=port, log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually("it serves", lambda: server.started)
    yield server, port, thread
    server.should_exit = True
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_who_is_silent_is_not_waited_for(
    hasty: tuple[uvicorn.Server, int, threading.Thread], new_caller: Callable[..., dict[str, str]]
) -> None:
    server, port, thread = hasty
    me = new_caller()
    body = json.dumps({"amount": 1, "currency": "USD"}).encode()

    # No head, half a head, and half a second one.
    for sent, answered in ((b"", 0), (GET, 0), (GET + b"\r\n" + GET, 1)):
        with connected(port) as connection:
            began = time.monotonic()
            connection.sendall(sent)
            assert rest(connection).count(b"HTTP/1.1 200 ") == answered
            assert 0.4 < time.monotonic() - began < 5

    # Half a head behind an answer, and a body that nobody wants behind one.
    with connected(port) as connection:
        connection.sendall(GET + b"\r\n")
        alive(connection)
        connection.sendall(GET)
        assert rest(connection) == b""
    with connected(port) as connection:
        connection.sendall(GET + b"Content-Length: 1000\r\n\r\nx")
        alive(connection)
        connection.sendall(b"x")
        assert rest(connection) == b""

    # Nobody has to say who they are to be asked for the rest of a body.
    for headers in ({}, me):
        with connected(port) as connection:
            connection.sendall(post(headers, body[:5], length=1000))
            answer = rest(connection)
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert b"\r\nconnection: close\r\n" in answer
        problem = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert problem["type"] == "urn:problem:request-timeout"

    # A body that is slow, and goes on, is read.
    with connected(port) as connection:
        request = post(me, body)
        for at in range(0, len(request), 1 + len(request) // 2):
            connection.sendall(request[at : at + 1 + len(request) // 2])
            time.sleep(0.3)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 201 ")

    # And none of them holds up the end.
    with connected(port) as silent, connected(port) as half:
        silent.sendall(b"GET")
        half.sendall(post(me, body[:5], length=1000))
        time.sleep(0.1)
        began = time.monotonic()
        server.should_exit = True
        thread.join(PATIENCE)
        assert time.monotonic() - began < 5
        assert rest(half).startswith(b"HTTP/1.1 408 ")
