"""Every answer that is not a success is a problem (RFC 9457) that says what was wrong, and where."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from .conftest import Headers, Sql

PAYMENTS, CUSTOMERS, TROUBLE = (f"/api/v1/{name}" for name in ("payments", "customers", "trouble"))
NEW = {"amount": 9900, "currency": "USD"}
JSON = {"Content-Type": "application/json"}


def kind(answer: Response) -> tuple[int, str]:
    """The status and the type of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:problem:")


def pointers(answer: Response) -> set[tuple[str, str]]:
    assert kind(answer) == (422, "invalid-input"), answer.text
    return {(error["in"], error["pointer"]) for error in answer.json()["errors"]}


def raw(client: TestClient, body: bytes | Iterator[bytes], url: str = PAYMENTS) -> Response:
    return client.post(url, content=body, headers=JSON)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/api/v1/", "/api/v2/payments", "/api/v1/payments/", "/nowhere",
             "/api/v1/payments/x/y", "/%00", "/api/v1/%2e%2e/payments", "//api/v1/payments"]
)  # fmt: skip
def test_a_path_that_nobody_serves_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert kind(answer) == (404, "not-found")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_row_that_is_not_there_is_404(client: TestClient) -> None:
    assert kind(client.get(f"{PAYMENTS}/{uuid4()}")) == (404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", PAYMENTS, "GET, POST"),
        ("DELETE", PAYMENTS, "GET, POST"),
        ("PUT", f"{PAYMENTS}/{uuid4()}", "GET, PATCH, DELETE"),
        ("POST", f"{PAYMENTS}/x", "GET, PATCH, DELETE"),
        ("GET", f"{PAYMENTS}/{uuid4()}/restore", "POST"),
        # Its methods are served by routes of three routers, one inside the other.
        ("POST", f"{TROUBLE}/shared/path", "GET, PUT, DELETE"),
        ("PATCH", f"{TROUBLE}/shared/path", "GET, PUT, DELETE"),
        ("BREW", f"{TROUBLE}/shared/path", "GET, PUT, DELETE"),
        ("POST", "/livez", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_serve_is_405_and_told_all_that_it_does(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert kind(answer) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == allowed


def test_what_a_405_allows_is_served(client: TestClient) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert client.request(method, f"{TROUBLE}/shared/path").status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_of_a_resource_are_refused_with_what_it_allows(
    client: TestClient, method: str
) -> None:
    answer = client.request(method, PAYMENTS)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_head_of_a_probe_is_get_without_a_body(service: TestClient) -> None:
    for probe in ("/livez", "/readyz"):
        assert service.head(probe).status_code == 200


@pytest.mark.parametrize(
    "accept",
    ["application/json", "*/*", "application/*", "APPLICATION/JSON", "application/problem+json",
     "text/html, */*;q=0.8", "text/html;q=0.9,application/json;q=0.1", "application/json;q=1.000",
     "application/json; charset=utf-8", "application/json ; q=0.5 , text/csv", "text/html,, */*"],
)  # fmt: skip
def test_who_takes_json_gets_it(client: TestClient, accept: str) -> None:
    assert client.get(PAYMENTS, headers={"Accept": accept}).status_code == 200


def test_accept_may_come_in_several_lines(client: TestClient) -> None:
    lines = [("Accept", "text/html"), ("Accept", "application/json")]
    del client.headers["Accept"]
    try:
        answer = client.get(PAYMENTS, headers=lines)
    finally:
        client.headers["Accept"] = "*/*"
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/xml, text/*", "application/jsonl", "application/json;q=0",
     "application/json;q=0.000", "text/html, */*;q=0", "json", ";", "application/json; q=0"],
)  # fmt: skip
def test_who_takes_no_json_is_406(client: TestClient, accept: str) -> None:
    assert kind(client.get(PAYMENTS, headers={"Accept": accept})) == (406, "not-acceptable")


def chunks(size: int) -> Iterator[bytes]:
    """A body of unknown length: it is sent chunked."""
    yield b'{"amount": 1, "currency": "EUR'
    for _ in range(size // 1000):
        yield b"x" * 1000
    yield b'"}'


def test_a_body_that_says_it_is_too_large_is_413(client: TestClient) -> None:
    answer = raw(client, b'"' + b"x" * 1_100_000 + b'"')
    assert kind(answer) == (413, "content-too-large")


def test_a_body_that_turns_out_too_large_is_413(client: TestClient) -> None:
    answer = raw(client, chunks(1_100_000))
    assert "Content-Length" not in answer.request.headers
    assert kind(answer) == (413, "content-too-large")


def test_a_body_that_lies_about_its_length_is_413(client: TestClient) -> None:
    headers = JSON | {"Content-Length": "10"}
    answer = client.post(PAYMENTS, content=chunks(1_100_000), headers=headers)
    assert kind(answer) == (413, "content-too-large")


def test_a_body_of_just_the_limit_is_read(
    application: Callable[..., AbstractContextManager[TestClient]], me: Headers
) -> None:
    body = json.dumps(NEW).encode()
    with application(max_body_bytes=len(body)) as small:
        assert small.post(PAYMENTS, content=body, headers=me | JSON).status_code == 201
        assert small.post(PAYMENTS, content=body + b" ", headers=me | JSON).status_code == 413


def test_a_body_too_large_for_a_route_that_reads_none_does_no_harm(client: TestClient) -> None:
    answer = client.request(
        "DELETE", f"{PAYMENTS}/{uuid4()}", content=b" " * 1_100_000, headers=JSON
    )
    assert answer.status_code in {404, 413}


@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "json", "",
              "application/x-www-form-urlencoded", "application/jsonp", "application/json-seq"]
)  # fmt: skip
def test_a_body_that_is_not_json_is_415(client: TestClient, media: str) -> None:
    answer = client.post(PAYMENTS, content=json.dumps(NEW), headers={"Content-Type": media})
    assert kind(answer) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "media", ["application/json;charset=utf-8", "APPLICATION/JSON", " application/json ; a=b"]
)
def test_json_may_be_spelled_as_it_likes(client: TestClient, media: str) -> None:
    answer = client.post(PAYMENTS, content=json.dumps(NEW), headers={"Content-Type": media})
    assert answer.status_code == 201


def test_a_chunked_body_that_is_not_json_is_415(client: TestClient) -> None:
    answer = client.post(PAYMENTS, content=chunks(0), headers={"Content-Type": "text/plain"})
    assert kind(answer) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"nonsense", b"{'amount': 1}", b'{"amount": 1,}', b"\x00", b'{"amount": 1}\x00',
     b"\xff\xfe", b'{"amount": "\xc3\x28"}', b'"\x1b"', b"[" * 100_000, b'{"a":' * 100_000,
     b'{"amount": ' + b"9" * 5000 + b"}",],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_400(client: TestClient, body: bytes) -> None:
    answer = raw(client, body)
    if body == b"":
        assert kind(answer) == (422, "invalid-input")  # no body where one is required
    else:
        assert kind(answer) == (400, "bad-request")


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"1", b'"text"', b"true", b"[" * 500 + b"]" * 500, b'{"amount": NaN}',
     b'{"amount": 1e400}', b'{"\\ud800": 1}', b'{"amount": "\\ud800"}', b'{"": 1}',
     b'{"amount": 1, "amount": "x"}',  b"\xef\xbb\xbf{}", b'{"\\u0000": 1}', b'{"constructor": {"__proto__": 1}}'],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
def test_a_body_that_is_no_payment_is_422(client: TestClient, body: bytes) -> None:
    assert kind(raw(client, body)) == (422, "invalid-input")


@pytest.mark.parametrize("name", ["a\0b", "\0", "\ud800", "é\ud83d"])
def test_text_that_cannot_be_stored_is_422(client: TestClient, name: str) -> None:
    body = json.dumps({"name": name}).encode()
    assert kind(raw(client, body, CUSTOMERS)) == (422, "invalid-input")


def test_text_of_any_script_is_stored_as_it_came(client: TestClient) -> None:
    name = "Ünïcødé 支払い 👩‍👩‍👧 \u202e\ufeff\x7f\u0001"
    assert client.post(CUSTOMERS, json={"name": name}).json()["name"] == name


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, {"/amount", "/currency"}),
        (NEW | {"amount": 0}, {"/amount"}),
        (NEW | {"amount": "1.5", "currency": "usd"}, {"/amount", "/currency"}),
        (NEW | {"amount": 10**15 + 1}, {"/amount"}),
        (NEW | {"public_id": "x"}, {"/public_id"}),
        (NEW | {"a/b~c": 1}, {"/a~1b~0c"}),
        (NEW | {"~1": 1, "/": 1, "": 1}, {"/~01", "/~1", "/"}),
        ([NEW], {""}),
    ],
)
def test_a_wrong_field_is_pointed_at(client: TestClient, body: Any, where: set[str]) -> None:
    """With JSON pointers (RFC 6901)."""
    assert pointers(client.post(PAYMENTS, json=body)) == {("body", pointer) for pointer in where}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"address": {"lines": ["ok", "x" * 21, 7]}}, {"/address/lines/1", "/address/lines/2"}),
        ({"address": {"line": "x"}}, {"/address/line"}),
        ({"address": None}, {"/address"}),
        ({"labels": {"a/b": "x", "~": "y", "é": []}}, {"/labels/a~1b", "/labels/~0", "/labels/é"}),
    ],
)
def test_a_wrong_field_inside_another_is_pointed_at(
    client: TestClient, body: dict[str, Any], where: set[str]
) -> None:
    answer = client.post(CUSTOMERS, json={"name": "Ada"} | body)
    assert pointers(answer) == {("body", pointer) for pointer in where}


@pytest.mark.parametrize("wrong", ["x", "1", "00000000-0000-0000-0000-00000000000g", "%00", "é"])
def test_a_wrong_uuid_in_the_path_is_422(client: TestClient, wrong: str) -> None:
    for answer in (
        client.get(f"{PAYMENTS}/{wrong}"),
        client.delete(f"{PAYMENTS}/{wrong}"),
        client.post(f"{PAYMENTS}/{wrong}/restore"),
    ):
        assert pointers(answer) == {("path", "/public_id")}


def test_what_was_sent_is_not_sent_back(client: TestClient) -> None:
    """A mistyped field may hold a secret."""
    answer = client.post(PAYMENTS, json={"currency": "hunter2", "amount": "hunter2"})
    assert "hunter2" not in answer.text


def test_a_change_without_a_version_is_428(client: TestClient) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    assert kind(client.patch(url, json={"amount": 1})) == (428, "precondition-required")


def test_a_change_of_an_old_version_is_412(client: TestClient) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    answer = client.patch(url, json={"amount": 1}, headers={"If-Match": '"7"'})
    assert kind(answer) == (412, "precondition-failed")


def test_a_taken_value_is_409_and_does_not_say_whose(client: TestClient) -> None:
    chosen = NEW | {"public_id": str(uuid4())}
    client.post(PAYMENTS, json=chosen)
    answer = client.post(PAYMENTS, json=chosen)
    assert kind(answer) == (409, "conflict")
    assert not re.search("payments|constraint|uq_|key", answer.text)


def test_a_missing_scope_is_403_and_named(
    service: TestClient, new_caller: Callable[..., Headers]
) -> None:
    answer = service.post(PAYMENTS, json=NEW, headers=new_caller("payments:read"))
    assert kind(answer) == (403, "forbidden")
    assert "payments:write" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["crash", "broken-query"])
def test_a_bug_is_500_and_tells_nothing(
    client: TestClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get(f"{TROUBLE}/{path}")
    assert kind(answer) == (500, "internal-error")
    assert "vault" not in answer.text
    assert answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    # Whoever operates it reads the whole story, once.
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert "vault" in str(logged.exc_info[1])  # type: ignore[index]


def test_the_service_works_after_a_bug(client: TestClient, sql: Sql) -> None:
    for _ in range(12):  # more than there are connections
        client.get(f"{TROUBLE}/crash")
        client.get(f"{TROUBLE}/broken-query")
    assert client.get(PAYMENTS).status_code == 200


def test_every_operation_documents_the_problems_that_it_answers(service: TestClient) -> None:
    document = service.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            expected = {"400", "401", "403", "406", "422", "500", "503"}
            if path.startswith(PAYMENTS):
                expected |= {"404"} if "{" in path else set()
                expected |= {"413", "415"} if "requestBody" in operation else set()
                expected |= {"412", "428"} if method == "patch" else set()
                expected |= {"409"} if method != "get" else set()
            assert expected <= answers.keys(), (method, path)
            for status in (status for status in answers if status >= "400"):
                assert answers[status]["content"].keys() == {"application/problem+json"}
