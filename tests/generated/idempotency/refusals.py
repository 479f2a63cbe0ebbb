"""What is kept of an answer that is no success, and what is not: cases 14 to 19, and 49."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import asyncpg
import pytest
from orders.kit.idempotency import Answer, Claim
from starlette.testclient import TestClient

from .conftest import URL, WRITING, Charging, Headers, Sql, eventually


def test_14_input_that_breaks_the_schema_may_be_mended_under_its_key(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    before = sql.keys()
    assert charge(operation, key, price="much").status_code == 422
    assert sql.keys() == before
    mended = charge(operation, key, price=1.0)
    assert mended.status_code == 201
    assert "Idempotent-Replayed" not in mended.headers
    assert sql.rows(operation) == 1


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"operation": "\xff"}', "application/json", 400),
        (b"operation=1", "application/x-www-form-urlencoded", 415),
        (b"--b\r\n\r\n\r\n--b--", "multipart/form-data; boundary=b", 415),
        (b'{"note": "' + b"x" * 2**20 + b'"}', "application/json", 413),
    ],
)
def test_14_a_body_that_is_no_json_or_too_large_leaves_no_key(
    charge: Charging,
    service: TestClient,
    sql: Sql,
    key: str,
    content: bytes,
    kind: str,
    status: int,
) -> None:
    before = sql.keys()
    headers = charge.caller | {"Idempotency-Key": key, "Content-Type": kind}
    assert service.post(URL, content=content, headers=headers).status_code == status
    assert sql.keys() == before


def test_14_json_of_any_depth_is_answered(charge: Charging, service: TestClient) -> None:
    """Somewhere in here Python gives up reading it, or writing it."""
    for depth in range(300, 1000, 7):
        headers = charge.caller | {
            "Idempotency-Key": f"{depth}",
            "Content-Type": "application/json",
        }
        content = b'{"note":' + b"[" * depth + b"]" * depth + b"}"
        answer = service.post(URL, content=content, headers=headers)
        assert answer.status_code in {400, 422}, f"at a depth of {depth}"


def test_14_a_query_in_any_bytes_is_answered(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    url = f"{URL}?note=%FF%00%ED%A0%80"
    assert charge(operation, key, url=url).status_code == 201
    assert charge(operation, key, url=url).headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


def test_15_a_caller_who_is_not_known_or_not_allowed_leaves_no_key(
    service: TestClient,
    sql: Sql,
    new_caller: Callable[..., Headers],
    operation: int,
    key: str,
) -> None:
    before = sql.keys()
    unknown = Charging(service, {"Authorization": "Bearer key_0123456789ab_no"})
    reader = Charging(service, new_caller("charges:read"))
    assert unknown(operation, key).status_code == 401
    assert reader(operation, key).status_code == 403
    assert sql.keys() == before
    assert sql.rows(operation) == 0


@pytest.mark.parametrize(
    ("then", "status"), [("refuse_401", 401), ("refuse_403", 403), ("too_many", 429)]
)
def test_16_a_refusal_that_says_nothing_of_the_request_is_not_kept(
    charge: Charging, sql: Sql, operation: int, key: str, then: str, status: int
) -> None:
    before = sql.keys()
    assert charge(operation, key, then).status_code == status
    assert (sql.keys(), sql.rows(operation)) == (before, 0)
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


@pytest.mark.parametrize(
    ("then", "status"), [("refuse_402", 402), ("refuse_404", 404), ("refuse_409", 409)]
)
def test_17_a_refusal_of_the_domain_undoes_the_write_and_is_replayed(
    charge: Charging, sql: Sql, operation: int, key: str, then: str, status: int
) -> None:
    refused = charge(operation, key, then)
    assert refused.status_code == status
    assert "Idempotent-Replayed" not in refused.headers
    again = charge(operation, key)  # it would succeed now
    assert (again.status_code, again.content) == (status, refused.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Content-Type"] == "application/problem+json"
    assert sql.rows(operation) == 0


@pytest.mark.parametrize("then", ["crash", "answer_500", "commit_then_crash"])
def test_18_a_failure_leaves_nothing_and_the_retry_is_done(
    charge: Charging, sql: Sql, operation: int, key: str, then: str
) -> None:
    before = sql.keys()
    assert charge(operation, key, then).status_code == 500
    assert (sql.keys(), sql.rows(operation)) == (before, 0)
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


def test_19_a_service_that_is_unavailable_leaves_nothing(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    assert charge(operation, key, "unavailable").status_code == 503
    assert sql.rows(operation) == 0
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


@dataclass
class Held:
    """A refusal whose transaction is over, and which is not kept yet."""

    reached: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Holds the first refusal back between its two transactions."""
    held = Held()
    keep = Claim.store_refusal

    async def hold(claim: Claim, connection: asyncpg.Connection, answer: Answer) -> Answer:
        if not held.reached.is_set():
            held.reached.set()
            await asyncio.to_thread(held.go_on.wait, 10)
        return await keep(claim, connection, answer)

    monkeypatch.setattr(Claim, "store_refusal", hold)
    yield held
    held.go_on.set()


def test_49_the_answer_of_a_retry_that_was_faster_than_the_refusal_counts(
    charge: Charging, sql: Sql, operation: int, key: str, held: Held
) -> None:
    with ThreadPoolExecutor() as pool:
        refused = pool.submit(charge, operation, key, "refuse_409")
        assert held.reached.wait(10)
        done = charge(operation, key)
        assert done.status_code == 201
        held.go_on.set()
        told = refused.result()
    assert (told.status_code, told.content) == (201, done.content)
    assert told.headers["Location"] == done.headers["Location"]
    later = charge(operation, key)
    assert (later.status_code, later.content) == (201, done.content)
    assert sql.rows(operation) == 1


def test_49_a_refusal_waits_for_the_answer_of_a_retry_that_is_running(
    charge: Charging, sql: Sql, operation: int, key: str, held: Held
) -> None:
    with ThreadPoolExecutor() as pool:
        refused = pool.submit(charge, operation, key, "refuse_409")
        assert held.reached.wait(10)
        retry = pool.submit(charge, operation, key, wait=0.5)
        eventually("the retry writes", lambda: sql.value(WRITING))
        held.go_on.set()
        told, done = refused.result(), retry.result()
    assert (told.status_code, told.content) == (201, done.content)
    assert charge(operation, key).content == done.content
    assert sql.rows(operation) == 1


def test_49_of_two_refusals_at_once_the_first_that_is_kept_counts(
    charge: Charging, operation: int, key: str, held: Held
) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(charge, operation, key, "refuse_409")
        assert held.reached.wait(10)
        second = charge(operation, key, "refuse_404")
        held.go_on.set()
    assert (second.status_code, first.result().status_code) == (404, 404)
    assert charge(operation, key).content == second.content == first.result().content


def test_49_a_refusal_gives_way_to_another_request_that_took_its_key(
    charge: Charging, sql: Sql, operation: int, key: str, held: Held
) -> None:
    """Nothing was acknowledged yet: the key belongs to whoever got an answer first."""
    with ThreadPoolExecutor() as pool:
        refused = pool.submit(charge, operation, key, "refuse_409")
        assert held.reached.wait(10)
        other = charge(operation, key, note="another request")
        held.go_on.set()
    assert other.status_code == 201
    assert refused.result().json()["type"] == "urn:problem:idempotency-key-reused"
    assert charge(operation, key, note="another request").content == other.content
    assert sql.rows(operation) == 1
