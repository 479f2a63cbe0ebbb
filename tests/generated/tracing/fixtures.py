"""A collector and another service, on loopback, and the service that speaks to both.

In the service it is `tests/tracing/conftest.py`.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from starlette.testclient import TestClient


@dataclass
class Heard:
    """What came in: spans at the collector, headers at the other service."""

    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def listening(heard: Heard) -> Iterator[str]:
    """The address of both."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                heard.resources.append(attributes(part.resource))
                heard.spans.extend(span for scope in part.scope_spans for span in scope.spans)
            self.answer(b"")

        def do_GET(self) -> None:
            heard.headers.append(dict(self.headers))
            self.answer(b"home")

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def attributes(of: Any) -> dict[str, str]:
    found = {each.key: each.value for each in of.attributes}
    return {key: value.string_value or str(value.int_value) for key, value in found.items()}


@contextmanager
def started(database_url: str) -> Iterator[TestClient]:
    """The application, in production's way of logging; its spans are sent when it ends."""
    settings = Settings(
        database_url=SecretStr(database_url),
        environment="production",
        api_key_pepper=SecretStr("p" * 32),
        drain_seconds=0,
    )
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines() if '"event":"request"' in line]
