"""Answers of every kind, kept and sent once more: cases 44 and 45, and their neighbours."""

from collections.abc import Iterator

import pytest
from orders.kit.database import Database
from starlette.testclient import TestClient

from .conftest import Charging, Sql, Start, eventually

Seen = dict[int, tuple[int, str]]


@pytest.mark.parametrize("then", ["answer_hugely", "stream"])
def test_44_an_answer_that_cannot_be_kept_is_never_half_a_promise(
    charge: Charging, sql: Sql, operation: int, key: str, then: str
) -> None:
    before = sql.keys()
    refused = charge(operation, key, then)
    assert refused.status_code == 500
    assert refused.json()["type"] == "urn:problem:answer-not-storable"
    assert (sql.keys(), sql.rows(operation)) == (before, 0)
    assert charge(operation, key).status_code == 201
    assert sql.rows(operation) == 1


def test_44_an_answer_of_256_kib_is_kept(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    first, again = (charge(operation, key, "answer_to_the_limit") for _ in range(2))
    assert len(first.content) == 256 * 1024
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


@pytest.mark.parametrize(
    ("then", "status", "header"),
    [
        ("answer_204", 204, ("Content-Length", None)),
        ("answer_303", 303, ("Location", "/elsewhere")),
        ("answer_304", 304, ("ETag", '"7"')),
    ],
)
def test_44_an_answer_without_a_body_is_replayed_without_one(
    charge: Charging,
    sql: Sql,
    operation: int,
    key: str,
    then: str,
    status: int,
    header: tuple[str, str | None],
) -> None:
    charge.client.follow_redirects = False
    first, again = (charge(operation, key, then) for _ in range(2))
    for answer in (first, again):
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers.get(header[0]) == header[1]
        assert answer.headers.get("Content-Length") == first.headers.get("Content-Length")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


@pytest.fixture
def seen(service: TestClient, application: Start) -> Iterator[Seen]:
    """What background tasks saw, by operation: the rows, and how their own write ended."""
    app = service.app
    app.state.seen_in_background = {}  # type: ignore[attr-defined]
    app.state.looking = Database(app.state.settings, application_name="looking")  # type: ignore[attr-defined]
    yield app.state.seen_in_background  # type: ignore[attr-defined]
    assert service.portal is not None
    service.portal.call(app.state.looking.close)  # type: ignore[attr-defined]


def test_45_a_background_task_sees_the_row_and_cannot_add_to_it(
    charge: Charging, sql: Sql, operation: int, key: str, seen: Seen
) -> None:
    assert charge(operation, key, "look_in_background").status_code == 201
    eventually("the task has run", lambda: operation in seen)
    rows, ended = seen.pop(operation)
    assert rows == 1
    assert ended != "wrote"
    assert charge(operation, key, "look_in_background").status_code == 201
    assert seen == {}  # not for a replay
    assert sql.rows(operation) == 1


def test_45_a_background_task_does_not_run_when_the_commit_failed(
    charge: Charging, sql: Sql, operation: int, key: str, seen: Seen
) -> None:
    then = "look_in_background_after_a_failed_commit"
    assert charge(operation, key, then).status_code == 409
    assert seen == {}
    assert sql.rows(operation) == 0


def test_45_a_background_task_does_not_run_when_the_answer_cannot_be_kept(
    charge: Charging, sql: Sql, operation: int, key: str, seen: Seen
) -> None:
    assert charge(operation, key, "look_in_background_and_answer_hugely").status_code == 500
    assert seen == {}
    assert sql.rows(operation) == 0
