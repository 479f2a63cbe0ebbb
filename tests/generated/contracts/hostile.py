"""What a hostile client sends: it is refused in words, it breaks nothing, and it sees nothing.

Two accounts: the victim's rows hold an amount that nobody else's do. Whatever the other one sends,
no answer is a 500 and none holds anything of the victim's, whose rows stay as they were.
"""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
import uvicorn
from httpx2 import Response
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from starlette.testclient import TestClient

URL = "/api/v1/payments"
SECRET = 770_077_007_700
NEW = {"amount": 5, "currency": "EUR"}
JSON = {"Content-Type": "application/json"}

SQL = [
    "' OR '1'='1",
    "1; DROP TABLE payments; --",
    "') UNION SELECT prefix, digest FROM api_keys --",
    "$1", "%s", "{0}", "\\", "'\"`", "\0", "%00", "\ud7ff\uffff", "../../etc/passwd", "-1", "1e999",
    "9" * 400, "NaN", "null", "[]", "x" * 5000,
]  # fmt: skip


@dataclass
class Victim:
    """Somebody with two rows, a page between them, and a key that was used."""

    headers: dict[str, str]
    key: str = field(default_factory=lambda: str(uuid4()))
    ids: list[str] = field(default_factory=list)
    cursor: str = ""

    def rows(self, service: TestClient) -> Any:
        return service.get(URL, headers=self.headers).json()


@pytest.fixture(scope="module")
def victim(service: TestClient, new_caller: Callable[..., dict[str, str]]) -> Victim:
    victim = Victim(new_caller())
    for key in (victim.key, str(uuid4())):
        headers = victim.headers | {"Idempotency-Key": key}
        made = service.post(URL, json=NEW | {"amount": SECRET}, headers=headers)
        victim.ids.append(made.json()["public_id"])
    page = service.get(f"{URL}?limit=1", headers=victim.headers).json()["page"]
    victim.cursor = page["next"]
    return victim


@pytest.fixture(autouse=True)
def nothing_of_the_victims(
    service: TestClient, victim: Victim, client: TestClient
) -> Iterator[list[Response]]:
    """Look at every answer to the other account, and at the victim's rows in the end."""
    before = victim.rows(service)
    seen: list[Response] = []
    service.event_hooks = {"response": [seen.append]}
    yield seen
    service.event_hooks = {}
    for answer in seen:
        assert answer.status_code != 500, answer.text
        assert str(SECRET) not in answer.text
        if answer.status_code >= 400 and answer.request.method != "HEAD":
            assert answer.headers["Content-Type"] == "application/problem+json"
    assert victim.rows(service) == before


def kind(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:problem:")


def test_the_ids_of_another_account_lead_nowhere(client: TestClient, victim: Victim) -> None:
    for public_id in (*victim.ids, victim.ids[0].upper(), UUID(victim.ids[0]).hex):
        url = f"{URL}/{public_id}"
        for answer in (
            client.get(url),
            client.delete(url),
            client.post(f"{url}/restore"),
            client.patch(url, json={"amount": 1}, headers={"If-Match": "*"}),
            client.patch(url, json={"amount": 1}, headers={"If-Match": '"1"'}),
            client.patch(url, json={"amount": 1}, headers={"Idempotency-Key": str(uuid4())}),
        ):
            assert kind(answer) == (404, "not-found")


def test_an_id_of_another_account_cannot_be_taken(client: TestClient, victim: Victim) -> None:
    """It says that there is such a one, as it must, and nothing else."""
    answer = client.post(
        URL,
        json=NEW | {"public_id": victim.ids[0]},
        headers={"Idempotency-Key": str(uuid4())},
    )
    assert kind(answer) == (409, "conflict")


def test_the_key_of_another_account_is_a_new_one_here(client: TestClient, victim: Victim) -> None:
    for _ in range(2):
        answer = client.post(URL, json=NEW, headers={"Idempotency-Key": victim.key})
        assert answer.status_code == 201
        assert answer.json()["public_id"] not in victim.ids


def test_the_cursor_of_another_account_is_refused(client: TestClient, victim: Victim) -> None:
    assert kind(client.get(f"{URL}?limit=1&cursor={victim.cursor}")) == (400, "invalid-cursor")


def test_forged_cursors_are_refused(client: TestClient, victim: Victim) -> None:
    raw = base64.urlsafe_b64decode(victim.cursor + "==")
    forged = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(len(raw))]
    forged += [b"", b"\0" * len(raw), b"\xff" * len(raw), raw + b"\0", raw[:-1], b"x" * 3000]
    texts = [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in forged]
    for cursor in (*texts, victim.cursor + "=", victim.cursor[:-1], "é", "*", " ", *SQL):
        assert kind(client.get(URL, params={"cursor": cursor})) == (400, "invalid-cursor")


def test_who_may_not_is_told_what_it_takes(
    service: TestClient, new_caller: Callable[..., dict[str, str]]
) -> None:
    scopes = ("payments:read", "payments:write", "payment:write", "payments", ":*", "support", "")
    for scope in scopes:
        caller = new_caller(scope)
        may = {"payments:read": "GET", "payments:write": "POST"}.get(scope)
        for method in ("GET", "POST"):
            key = {"Idempotency-Key": str(uuid4())}
            body = None if method == "GET" else NEW
            answer = service.request(method, URL, json=body, headers=caller | key)
            assert (answer.status_code == 403) == (method != may)


def test_support_is_for_reading_and_is_no_scope_of_a_module(
    service: TestClient, victim: Victim, new_caller: Callable[..., dict[str, str]]
) -> None:
    assert service.get(f"{URL}/{victim.ids[0]}", headers=new_caller("support")).status_code == 403


def unsigned(**claims: Any) -> Iterator[str]:
    for algorithm in ("none", "None", "NONE", "nOnE", "HS256", ""):
        parts = [{"alg": algorithm, "typ": "JWT"}, {"sub": "victim", "scope": "*"} | claims]
        packed = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts)
        yield b".".join(part.rstrip(b"=") for part in packed).decode() + "."


def test_tokens_that_nobody_signed_let_nobody_in(service: TestClient, victim: Victim) -> None:
    good = victim.headers["Authorization"].removeprefix("Bearer ")
    names = [*unsigned(), *unsigned(iss="https://elsewhere.test", aud="orders", exp=9**12)]
    names += [good[:-1], f"{good}x", good.upper(), good[:16], f"{good[:16]}_", "key_", "key_" * 999]
    names += ["key_' OR 1=1 --_x", "key_%00%00%00%00%00%00_", "key_é", "\t", "x" * 60_000]
    for name in names:
        headers = {b"Authorization": f"Bearer {name}".encode()}
        assert service.get(URL, headers=headers).status_code == 401  # type: ignore[arg-type]
    for line in (good, f"Basic {good}", f"Token {good}", f"Bearer  {good} x", f'Bearer "{good}"'):
        assert service.get(URL, headers={"Authorization": line}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"amount": 1, "currency": "' + b"x" * 10_000_000 + b'"}', 413),
        (b"[" * 900_000, 400),
        (b'{"a":' * 150_000 + b"1" + b"}" * 150_000, 400),
        (b'{"amount": ' + b"[" * 500 + b"]" * 500 + b"}", 422),
        (b'{"amount": ' + b"9" * 100_000 + b"}", 400),
        (b'{"amount": 1' + b"0" * 300 + b', "currency": "EUR"}', 422),
        (b'{"amount": 1e308, "currency": "EUR"}', 422),
        (b'{"amount": 5, "currency": "E\\u0000R"}', 422),
        (b'{"amount": 5, "currency": "E\x00R"}', 400),
        (b"\x00" * 1000, 400),
        (b'{"amount": 5, "currency": "EUR", "account_id": 1}', 422),
        (b'{"amount": 5, "currency": "EUR", "deleted_by": "me", "version": 9}', 422),
        (b"{" + b",".join(b'"f%d": 1' % n for n in range(5_000)) + b"}", 422),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_bodies_that_are_too_much_are_refused(client: TestClient, body: bytes, status: int) -> None:
    headers = JSON | {"Idempotency-Key": str(uuid4())}
    assert client.post(URL, content=body, headers=headers).status_code == status


def test_sql_in_every_parameter_is_only_text(client: TestClient) -> None:
    """Each operation of the document, each of its parameters and fields, one at a time."""
    document = client.get("/openapi.json").json()
    tried = 0
    for path, item in document["paths"].items():
        if not path.startswith(URL):
            continue
        for method, operation in item.items():
            names = [(each["in"], each["name"]) for each in operation.get("parameters", [])]
            if "requestBody" in operation:
                names += [("body", name) for name in (*NEW, "public_id", "' OR 1=1 --")]
            for place, name in names:
                for text in SQL:
                    attack(client, method, path, place, name, text)
                    tried += 1
    assert tried > 300
    assert client.get(URL).status_code == 200


def attack(
    client: TestClient, method: str, path: str, place: str, name: str, text: str
) -> Response:
    """Send `text` as one parameter, and all others as they should be."""
    public_id = str(uuid4())
    if place == "path":
        public_id = "".join(f"%{byte:02x}" for byte in text.encode())
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
    if place == "header":
        headers[name] = text.encode().decode("latin-1").replace("\0", "\x01")
    body: dict[str, object] | None = dict(NEW) if method in {"post", "patch"} else None
    if place == "body":
        assert body is not None
        body[name] = text
    if path.endswith("restore"):
        body = None
    query = {name: text} if place == "query" else {}
    sent = {key.encode(): value.encode("latin-1") for key, value in headers.items()}
    return client.request(
        method,
        path.replace("{public_id}", public_id),
        params=query,
        json=body,
        headers=sent,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def port(database_url: str) -> Iterator[int]:
    """The service behind its real server, whose parser decides what gets through."""
    settings = Settings(database_url=SecretStr(database_url), environment="development")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(create_app(settings), log_level="critical", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        thread.join()


def say(port: int, request: bytes) -> bytes:
    """All that the server answers to these bytes before it hangs up, or falls silent."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(0.3)
        heard = b""
        try:
            connection.sendall(request)
            while chunk := connection.recv(65536):
                heard += chunk
        except (TimeoutError, ConnectionError):
            pass
        return heard


def lines(*extra: bytes, method: bytes = b"POST", body: bytes = b"", path: bytes = b"") -> bytes:
    head = [method + b" " + (path or URL.encode()) + b" HTTP/1.1", b"Host: x", *extra]
    return b"\r\n".join([*head, b"", b""]) + body


BODY = json.dumps(NEW).encode()
LENGTH = b"Content-Length: %d" % len(BODY)
TYPE = b"Content-Type: application/json"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
INNER = lines(method=b"GET", path=b"/api/v1/payments/smuggled")

SMUGGLED = [
    (LENGTH, LENGTH.replace(b": ", b": 1"), BODY),
    (LENGTH, b"Transfer-Encoding: chunked", CHUNKED + INNER),
    (b"Content-Length: 4", b"Transfer-Encoding: chunked", CHUNKED + INNER),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", CHUNKED),
    (b"Transfer-Encoding: xchunked", LENGTH, BODY),
    (b"Transfer-Encoding : chunked", LENGTH, BODY),
    (b"Transfer-Encoding:\x0bchunked", LENGTH, CHUNKED),
    (b"Transfer-Encoding: chunked", b"X: 1", b"5;a=\x01\r\nhello\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked", b"X: 1", b"ffffffffffffffffff\r\nx"),
    (b"Transfer-Encoding: chunked", b"X: 1", b"-5\r\nhello\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked", b"Trailer: Authorization", CHUNKED[:-2] + b"Authorization: Bearer x\r\n\r\n"),
    (b"Content-Length: +%d" % len(BODY), b"X: 1", BODY),
    (b"Content-Length: %d, %d" % (len(BODY), len(BODY)), b"X: 1", BODY),
    (b"Content-Length: 0x20", b"X: 1", BODY),
    (b"Content-Length: -1", b"X: 1", BODY),
    (b"Content-Length: 99999999999999999999999", b"X: 1", BODY),
    (LENGTH, b"X: a\nAuthorization: Bearer x", BODY),
    (LENGTH, b"X: a\rAuthorization: Bearer x", BODY),
    (LENGTH, b"X: a\x00b", BODY),
    (LENGTH, b"X: a\r\n b", BODY),
    (LENGTH, b"Authorization: Bearer key_nobody", BODY),
    (LENGTH, b"Idempotency-Key: another", BODY),
    (LENGTH, b"Content-Type: text/plain", BODY),
    (LENGTH, b"If-Match: \xff\xfe", BODY),
    (LENGTH, b"X-Request-ID: a\xffb", BODY),
    (LENGTH, b"Host: elsewhere.test", BODY),
    (LENGTH, b"X-Forwarded-For: 127.0.0.1", BODY),
    (LENGTH, b"X-HTTP-Method-Override: DELETE", BODY),
    (LENGTH, b"Connection: Authorization, close", BODY),
    (LENGTH, b"Expect: 100-continue", BODY),
    (LENGTH, b"Upgrade: h2c", BODY),
    (LENGTH, b"X: " + b"x" * 70_000, BODY),
    (LENGTH, b"\r\n".join(b"X-%d: 1" % n for n in range(2000)), BODY),
]  # fmt: skip


@pytest.mark.parametrize("first", [True, False], ids=["ours last", "ours first"])
def test_headers_that_two_parsers_would_read_in_two_ways(
    port: int, client: TestClient, victim: Victim, first: bool
) -> None:
    """Alone on its connection: answers are problems or creations, each in this account's name."""
    answered = 0
    for one, other, body in SMUGGLED:
        ours = [
            b"Authorization: " + client.headers["Authorization"].encode(),
            b"Idempotency-Key: " + str(uuid4()).encode(),
            TYPE,
        ]
        theirs = [one, other]
        heard = say(port, lines(*(theirs + ours if first else ours + theirs), body=body))
        said = heard.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        statuses = {line.split()[1] for line in said.splitlines() if line.startswith(b"HTTP/1.1 ")}
        answered += bool(statuses)
        assert not any(status.startswith(b"5") for status in statuses), (one, other, heard)
        assert str(SECRET).encode() not in heard
        assert b"Traceback" not in heard
    assert answered > len(SMUGGLED) / 2
    rest = client.get(URL, params={"limit": 100}).json()["items"]
    assert all(row["amount"] == NEW["amount"] for row in rest)


def test_odd_targets_lead_nowhere(port: int, client: TestClient) -> None:
    ours = b"Authorization: " + client.headers["Authorization"].encode()
    for target in (
        *(b"*", b"http://elsewhere.test/api/v1/payments", b"//api/v1/payments", b"/api/v1/%2e%2e/"),
        *(b"/api/v1/payments/../../../etc/passwd", b"/api/v1/payments\x00", b"/api/v1/payments%00"),
        *(b"/api/v1/payments?\xff=\xfe", b"/api/v1/payments;x=1", b"/" + b"x" * 70_000, b"\xff"),
        *(
            b"/api/v1/payments#x",
            b"/api/v1/payments?cursor=%ff%fe",
            b"/api/v1/payments?limit=%F0%9F",
        ),
    ):
        for method in (b"GET", b"POST", b"CONNECT", b"TRACE", b"PRI"):
            heard = say(port, lines(ours, b"Connection: close", method=method, path=target))
            assert not heard.startswith(b"HTTP/1.1 5"), (method, target, heard)
            assert str(SECRET).encode() not in heard
