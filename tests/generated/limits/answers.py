"""What a client sees: the headers of every answer, and what it is told when it asks too often."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from httpx2 import Response
from orders.kit.rate_limit import HEADERS, RateLimitMiddleware
from orders.kit.rate_limit.address import address
from orders.kit.settings import UnsafeSettings
from orders.main import create_app
from orders.settings import Settings
from pydantic import SecretStr
from starlette.testclient import TestClient
from tests.limits.conftest import URL, Sql, Start

Caller = Callable[..., dict[str, str]]
ONE = {"amount": 1, "currency": "USD"}


def left(answer: Response) -> tuple[str, int]:
    """The policy that an answer names, and what remains of it."""
    found = re.fullmatch(r'"([a-z]+)";r=([0-9]+);t=([0-9]+)', answer.headers["RateLimit"])
    assert found is not None
    name, remaining, wait = found.groups()
    assert answer.headers["X-RateLimit-Remaining"] == remaining
    limit = answer.headers["X-RateLimit-Limit"]
    assert answer.headers["RateLimit-Policy"].startswith(f'"{name}";q={limit};w=')
    assert -1 <= int(answer.headers["X-RateLimit-Reset"]) - time.time() - int(wait) <= 1
    assert int(wait) >= 1
    return name, int(remaining)


def refused(answer: Response, policy: str) -> int:
    """The seconds that a refused client is told to wait."""
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:problem:too-many-requests"
    assert problem["status"] == 429
    assert problem["violated-policies"] == [policy]
    assert left(answer)[0] == policy
    wait = int(answer.headers["Retry-After"])
    assert answer.headers["RateLimit"].endswith(f";t={wait}")
    return wait


def test_a_caller_gets_its_limit_and_then_429(
    application: Start, caller_in: Caller, store: str, named: Callable[[str], SecretStr]
) -> None:
    with application(rate_limit_store=named(store), rate_limit_caller=5) as client:
        me, somebody = caller_in(client), caller_in(client)
        answers = [client.get(URL, headers=me) for _ in range(5)]
        assert [(each.status_code, left(each)) for each in answers] == [
            (200, ("default", remaining)) for remaining in (4, 3, 2, 1, 0)
        ]
        assert 11 <= refused(client.get(URL, headers=me), "default") <= 12
        assert client.get(URL, headers=somebody).status_code == 200


def test_whoever_sleeps_as_told_is_served(application: Start, caller_in: Caller) -> None:
    with application() as client:
        me = caller_in(client)
        while (answer := client.get(f"{URL}/quick", headers=me)).status_code == 200:
            assert left(answer)[0] == "quick"
        time.sleep(refused(answer, "quick"))
        assert client.get(f"{URL}/quick", headers=me).status_code == 200


def test_an_account_has_one_limit_whatever_keys_it_has(
    application: Start, caller_in: Caller, sql: Sql
) -> None:
    with application() as client:
        me, mine = caller_in(client), caller_in(client)
        prefixes = [each["Authorization"].removeprefix("Bearer ")[:16] for each in (mine, me)]
        sql.execute("ALTER TABLE api_keys DISABLE TRIGGER USER")
        sql.execute(
            "UPDATE api_keys SET account_id = (SELECT account_id FROM api_keys WHERE prefix = $2)"
            " WHERE prefix = $1",
            *prefixes,
        )
        sql.execute("ALTER TABLE api_keys ENABLE TRIGGER USER")
        assert left(client.get(f"{URL}/hourly", headers=me)) == ("hourly", 49)
        assert left(client.get(f"{URL}/hourly", headers=mine)) == ("hourly", 48)


JSON = {"Content-Type": "application/json"}
NEW = {"Idempotency-Key": "a"}
PAYMENTS = "/api/v1/payments"

# What is answered, the policy that it counts against, and what was asked, by whom.
ANSWERS = [
    (401, "address", "GET", URL, "nobody", {}, ""),
    (401, "address", "GET", URL, "stranger", {}, ""),
    (404, "address", "GET", "/api/v1/nothing", "me", {}, ""),
    (405, "address", "DELETE", URL, "me", {}, ""),
    (400, "address", "POST", PAYMENTS, "me", JSON | NEW, "{"),
    (406, "address", "GET", URL, "me", {"Accept": "text/html"}, ""),
    (413, "address", "POST", PAYMENTS, "me", JSON | NEW, " " * 2000),
    (415, "address", "POST", PAYMENTS, "me", NEW, "a"),
    (403, "default", "POST", PAYMENTS, "reader", JSON | NEW, '{"amount": 1, "currency": "USD"}'),
    (404, "default", "GET", f"{PAYMENTS}/{uuid4()}", "me", {}, ""),
    (422, "default", "POST", PAYMENTS, "me", JSON | NEW, "{}"),
    (422, "exports", "GET", f"{URL}/of/nobody", "me", {}, ""),
    (500, "default", "GET", f"{URL}/broken", "me", {}, ""),
]


@pytest.mark.parametrize(
    ("status", "policy", "method", "url", "who", "headers", "content"),
    ANSWERS,
    ids=[f"{status} {policy} {who}" for status, policy, _, _, who, *_ in ANSWERS],
)
def test_every_answer_says_how_it_stands_and_counts(
    status: int,
    policy: str,
    method: str,
    url: str,
    who: str,
    headers: dict[str, str],
    content: str,
    limited: TestClient,
    callers: dict[str, dict[str, str]],
) -> None:
    asked = {"headers": headers | callers[who], "content": content}
    first, second = (limited.request(method, url, **asked) for _ in range(2))  # type: ignore[arg-type]
    assert (first.status_code, second.status_code) == (status, status), first.text
    assert left(first)[0] == policy
    assert left(second) == (policy, left(first)[1] - 1)


@pytest.fixture(scope="module")
def limited(service: TestClient, database_url: str) -> Iterator[TestClient]:
    """A service with limits that refill too slowly to be seen."""
    chosen = Settings(
        database_url=SecretStr(database_url),
        environment="development",
        max_body_bytes=1000,
        rate_limit_store=SecretStr("memory"),
        rate_limit_caller=40,
        rate_limit_address=40,
    )
    with TestClient(create_app(chosen), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def callers(caller_in: Caller, service: TestClient) -> dict[str, dict[str, str]]:
    return {
        "nobody": {},
        "stranger": {"Authorization": "Bearer key_made_up"},
        "reader": caller_in(service, "payments:read"),
        "me": caller_in(service),
    }


def test_an_unknown_caller_is_counted_by_address(application: Start) -> None:
    with application(rate_limit_address=5, address="203.0.113.1") as client:
        statuses = [client.get(URL).status_code for _ in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        refused(client.get("/api/v1/nothing"), "address")
        assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
        assert "RateLimit" not in client.get("/readyz").headers


def test_a_route_that_is_open_is_limited_by_address(application: Start, sql: Sql) -> None:
    with application(rate_limit_caller=3, address="203.0.113.2") as client:
        sql.execute("DELETE FROM rate_limit WHERE key = 'default:203.0.113.2'")
        assert [client.get(f"{URL}/open").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_what_is_in_a_path_makes_no_bucket(application: Start, caller_in: Caller) -> None:
    with application() as client:
        me = caller_in(client)
        seen = [left(client.get(f"{URL}/of/{uuid4()}", headers=me)) for _ in range(3)]
        assert seen == [("exports", 9), ("exports", 8), ("exports", 7)]


def test_routes_of_one_policy_share_it_at_their_own_cost(
    application: Start, caller_in: Caller
) -> None:
    with application() as client:
        me = caller_in(client)
        assert left(client.get(f"{URL}/exports", headers=me)) == ("exports", 6)
        assert left(client.get(f"{URL}/exports", headers=me)) == ("exports", 2)
        assert refused(client.get(f"{URL}/exports", headers=me), "exports") > 360
        assert left(client.get(f"{URL}/of/{uuid4()}", headers=me)) == ("exports", 1)
        assert refused(client.get(f"{URL}/all-exports", headers=me), "exports") == 3600
        assert left(client.get(URL, headers=me))[0] == "default"


def test_who_was_refused_costs_no_look_up_until_then(
    application: Start, caller_in: Caller, sql: Sql
) -> None:
    """Neither of its key nor of its limit: the tables are not there."""
    with application(rate_limit_caller=60) as client:
        me = caller_in(client)
        while client.get(f"{URL}/quick", headers=me).status_code == 200:
            pass
        with sql.renamed("api_keys", "rate_limit"):
            assert refused(client.get(f"{URL}/quick", headers=me), "quick") == 1
        assert client.get(URL, headers=me).status_code == 200, "another policy is another matter"
        time.sleep(1)
        assert client.get(f"{URL}/quick", headers=me).status_code == 200


def test_a_flood_from_one_address_reaches_no_database(application: Start, sql: Sql) -> None:
    with application(rate_limit_address=2, address="203.0.113.3") as client:
        for _ in range(2):
            client.get(URL)
        with sql.renamed("api_keys", "rate_limit"):
            made_up = {"Authorization": "Bearer key_made_up"}
            assert [client.get(URL, headers=made_up).status_code for _ in range(3)] == [429] * 3


def test_a_replay_counts_and_a_refusal_is_not_kept(application: Start, caller_in: Caller) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    with application(rate_limit_caller=2) as client:
        me = caller_in(client)
        first = client.post("/api/v1/payments", json=ONE, headers=me | key)
        again = client.post("/api/v1/payments", json=ONE, headers=me | key)
        assert (first.status_code, left(first)[1]) == (201, 1)
        assert (again.status_code, left(again)[1]) == (201, 0)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(again.headers.get_list("RateLimit")) == 1
        late = {"Idempotency-Key": str(uuid4())}
        refused(client.post("/api/v1/payments", json=ONE, headers=me | late), "default")
    with application(rate_limit_caller=1000) as client:
        served = client.post("/api/v1/payments", json=ONE, headers=me | late)
        assert served.status_code == 201
        assert "Idempotent-Replayed" not in served.headers


def test_a_web_page_may_ask_first_and_may_read_the_headers(
    application: Start, caller_in: Caller
) -> None:
    page = {"Origin": "https://page.invalid"}
    asks = {"Access-Control-Request-Method": "GET"}
    with application(
        rate_limit_address=3, cors_origins=("https://page.invalid",), address="203.0.113.4"
    ) as client:
        me = caller_in(client)
        for _ in range(5):
            asked = client.options(URL, headers=page | asks)
            assert asked.status_code == 200
            assert "RateLimit" not in asked.headers
        answers = [client.get(URL, headers=me | page) for _ in range(4)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        for answer in answers:
            exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"Retry-After", *HEADERS} <= set(exposed)
            assert answer.headers["Access-Control-Allow-Origin"] == "https://page.invalid"


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_no_request_passes_untouched(kind: str, service: TestClient) -> None:
    seen: list[object] = []

    async def inner(*given: object) -> None:
        seen.extend(given)

    async def nothing(*_: object) -> None: ...

    app = service.app
    limiter = app.state.rate_limiter  # type: ignore[attr-defined]
    before = limiter.outcomes.copy()
    scope = {"type": kind, "path": URL}
    middleware = RateLimitMiddleware(inner, limiter=limiter, exempt=frozenset())  # type: ignore[arg-type]
    asyncio.run(middleware(scope, nothing, nothing))  # type: ignore[arg-type]
    assert seen == [scope, nothing, nothing]
    assert scope == {"type": kind, "path": URL}
    assert limiter.outcomes == before


def test_what_happened_is_counted(application: Start, caller_in: Caller) -> None:
    with application(rate_limit_caller=2) as client:
        me = caller_in(client)
        for _ in range(3):
            client.get(URL, headers=me)
        limiter = client.app.state.rate_limiter  # type: ignore[attr-defined]
        assert dict(limiter.outcomes) == {
            ("address", "allowed"): 3,
            ("default", "allowed"): 2,
            ("default", "refused"): 1,
        }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1:2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
    ],
)
def test_a_customer_has_one_address(one: str, other: str, *, same: bool) -> None:
    assert (address({"client": (one, 1)}) == address({"client": (other, 2)})) is same


@pytest.mark.parametrize("client", [None, ("made up, not an address", 0), ("", 0)])
def test_an_address_may_be_anything(client: object) -> None:
    """A socket in the file system has none, and a proxy may be told nonsense."""
    assert isinstance(address({"client": client}), str)


@contextmanager
def settings(**given: object) -> object:  # type: ignore[misc]
    safe = {"database_url": "postgresql://nobody@localhost/none", "api_key_pepper": "p" * 32}
    yield Settings(**(safe | given))  # type: ignore[arg-type]


@pytest.mark.parametrize("more", [{"replicas": 2}, {"web_concurrency": 2}])
def test_one_memory_for_many_processes_is_refused(more: dict[str, int]) -> None:
    with (
        settings(rate_limit_store="memory", **more) as chosen,
        pytest.raises(UnsafeSettings, match="there are 2"),
    ):
        create_app(chosen)


@pytest.mark.parametrize(
    "store", ["", "mysql", "postgres://localhost/other", "memcached://localhost"]
)
def test_a_store_that_there_is_not_is_refused(store: str) -> None:
    with (
        settings(rate_limit_store=store) as chosen,
        pytest.raises(UnsafeSettings, match="RATE_LIMIT_STORE is postgres"),
    ):
        create_app(chosen)


def test_everybody_as_a_proxy_is_refused() -> None:
    with (
        settings(forwarded_allow_ips="*") as chosen,
        pytest.raises(UnsafeSettings, match="FORWARDED_ALLOW_IPS"),
    ):
        create_app(chosen)


def test_the_connections_of_the_limits_are_in_the_budget() -> None:
    fits = {"database_pool_size": 4, "database_pool_overflow": 2, "database_max_connections": 26}
    with settings(**fits, rate_limit_store="memory") as chosen:
        create_app(chosen)
    with (
        settings(**fits, rate_limit_store="postgres") as chosen,
        pytest.raises(UnsafeSettings, match=r"2 replicas \(surge included\) x 1 workers x 8"),
    ):
        create_app(chosen)


def test_on_a_bad_night_nobody_is_limited(
    application: Start, caller_in: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with application(rate_limit_enabled=False, rate_limit_caller=1) as client:
        me = caller_in(client)
        answers = [client.get(URL, headers=me) for _ in range(3)]
        assert [each.status_code for each in answers] == [200] * 3
        assert not HEADERS.keys() & {name.title() for name in answers[0].headers}
        assert "RateLimit" not in answers[0].headers
    assert "RATE_LIMIT_ENABLED is off" in caplog.text


def test_the_first_gate_names_a_proxy_that_it_takes_for_a_client(
    application: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        application(rate_limit_address=1, address="203.0.113.5") as client,
        caplog.at_level(logging.WARNING),
    ):
        for _ in range(4):
            client.get(URL, headers={"X-Forwarded-For": "198.51.100.1"})
    (line,) = (each.message for each in caplog.records if "too many" in each.message)
    assert "203.0.113.5" in line
    assert "FORWARDED_ALLOW_IPS" in line


def test_the_document_tells_of_limits_at_every_operation(service: TestClient) -> None:
    paths = service.get("/openapi.json").json()["paths"]
    operations = [each for path in paths.values() for each in path.values()]
    assert len(operations) > 10
    for operation in operations:
        assert operation["responses"]["429"]["headers"].keys() == {"Retry-After", *HEADERS}


def test_full_buckets_are_purged(sql: Sql, database_url: str) -> None:
    import argparse

    from orders.kit import purge

    sql.execute(
        "INSERT INTO rate_limit SELECT 'old:' || n, now() - interval '1 s', true"
        " FROM generate_series(1, 2500) AS n"
    )
    sql.execute("INSERT INTO rate_limit VALUES ('new', now() + interval '1 hour', true)")
    chosen = Settings(database_url=SecretStr(database_url), environment="development")
    asyncio.run(purge.run(argparse.Namespace(), chosen))
    assert sql.value("SELECT count(*) FROM rate_limit WHERE full_at < now() - interval '1 s'") == 0
    assert sql.value("SELECT count(*) FROM rate_limit WHERE key = 'new'") == 1
    assert sql.value("SELECT relpersistence FROM pg_class WHERE relname = 'rate_limit'") == b"u"
