"""The spans of one request and of its outgoing call, at a collector that really listens."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from .conftest import Heard, attributes, lines, started

CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLERS_SPAN = "b7ad6b7169203331"
SECRET = "correct-horse"  # noqa: S105 for once it is one


def test_a_request_is_traced_from_its_caller_to_the_service_that_it_calls(
    database_url: str,
    caller_in: Callable[..., dict[str, str]],
    listening: str,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OTHER", listening)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=night")
    with started(database_url) as client:
        headers = caller_in(client) | {
            "X-Request-ID": "night-7",
            "traceparent": f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01",
            "baggage": f"user={SECRET}",
        }
        assert client.get(f"/api/v1/errands/{SECRET}", headers=headers).text == '"home"'
        assert client.get("/readyz").status_code == 200
        failed = client.get(f"/api/v1/errands/{SECRET}/nightmare", headers=headers)
        assert failed.status_code == 500

    (about,) = {tuple(sorted(each.items())) for each in heard.resources}
    told = dict(about)
    assert told["service.name"] == "orders"
    assert told["service.version"] == "0.1.0"
    assert told["deployment.environment.name"] == "night"

    ours = [span for span in heard.spans if span.trace_id.hex() == CALLERS_TRACE]
    served, broken = [span for span in ours if span.parent_span_id.hex() == CALLERS_SPAN]
    assert served.name == "GET /api/v1/errands/{place}"
    seen = attributes(served)
    assert seen["http.route"] == "/api/v1/errands/{place}"
    assert seen["http.response.status_code"] == "200"
    assert seen["request.id"] == "night-7"
    assert served.status.code == 0
    assert broken.status.code == 2

    children = [span for span in ours if span.parent_span_id == served.span_id]
    (called,) = [span for span in children if "server.address" in attributes(span)]
    assert called.name == "GET 127.0.0.1"
    assert attributes(called)["http.response.status_code"] == "200"
    queries = [attributes(span)["db.query.text"] for span in children if span != called]
    assert "SELECT length($1)" in queries
    (wrong,) = [span for span in ours if span.status.code == 2 and span != broken]
    assert wrong.status.message == "ProgrammingError"

    # The other service goes on with the trace, and hears of nothing else.
    (at_the_other,) = heard.headers
    assert at_the_other["traceparent"] == f"00-{CALLERS_TRACE}-{called.span_id.hex()}-01"
    assert "baggage" not in {name.lower() for name in at_the_other}

    # Values are in no span; probes have none; the request's line names the trace.
    assert SECRET not in repr(heard.spans)
    assert not any("readyz" in span.name for span in heard.spans)
    first = lines(capfd.readouterr().err)[0]
    assert (first["request_id"], first["trace_id"]) == ("night-7", CALLERS_TRACE)


def test_nothing_is_traced_without_a_collector(
    service: TestClient,
    new_caller: Callable[..., dict[str, str]],
    listening: str,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTHER", listening)
    headers = new_caller() | {"traceparent": f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"}
    assert service.get("/api/v1/errands/here", headers=headers).text == '"home"'
    assert heard.spans == []
    assert "traceparent" not in {name.lower() for each in heard.headers for name in each}
