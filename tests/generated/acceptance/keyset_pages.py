"""Keyset pages: every row once, in order, whatever happens meanwhile and whatever is sent."""

# ruff: noqa: S608 (no statement here is made of what anybody sends)

import json
import re
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from orders.kit import pagination
from orders.kit.pagination import Keyset
from orders.modules.customers.models import Invoice
from sqlalchemy import event
from starlette.testclient import TestClient

from .conftest import Headers, Sql, engine_of

URL = "/api/v1/payments"
NEW = {"amount": 9900, "currency": "USD"}

# Seven rows share each moment, moments are a microsecond apart, every third row is deleted.
MIXED = """
    INSERT INTO payments (account_id, amount, currency, created_at, deleted_at, deleted_by)
    SELECT $1, n, 'EUR', timestamptz '2026-01-01 12:00:00.999990Z' + n / 7 * interval '1 us',
           CASE WHEN n % 3 = 0 THEN now() END, CASE WHEN n % 3 = 0 THEN 'test' END
    FROM generate_series(1, $2::int) n
"""
LIVE = """
    SELECT public_id::text FROM payments WHERE account_id = $1 AND deleted_at IS NULL
    ORDER BY created_at DESC, public_id DESC
"""


@dataclass
class Ledger:
    """An account with rows in it, and their public ids, the newest first."""

    headers: Headers
    account: int
    live: list[str]


def filled(sql: Sql, headers: Headers, rows: int) -> Ledger:
    account = sql.account_of(headers)
    sql.execute(MIXED, account, rows)
    return Ledger(headers, account, [row[0] for row in sql.rows(LIVE, account)])


@pytest.fixture(scope="module")
def ledgers(sql: Sql, new_caller: Callable[..., Headers]) -> dict[int, Ledger]:
    """For each page size an account with several pages; tests leave them alone."""
    small, large = (filled(sql, new_caller(), rows) for rows in (29, 160))
    return {1: small, 2: small, 3: small, 7: small, 37: large, 100: large}


@pytest.fixture
def mine(sql: Sql, client: TestClient, me: Headers) -> Ledger:
    """20 rows of the client's own account, 13 of them live."""
    return filled(sql, me, 20)


def get(client: TestClient, headers: Headers | None = None, **params: Any) -> dict[str, Any]:
    answer = client.get(URL, params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def ids(page: dict[str, Any]) -> list[str]:
    return [item["public_id"] for item in page["items"]]


def pages(
    client: TestClient, headers: Headers | None = None, way: str = "next", **params: Any
) -> Iterator[dict[str, Any]]:
    """The pages of a walk, to its end."""
    page = get(client, headers, **params)
    yield page
    left = 500
    while cursor := page["page"][way]:
        left -= 1
        assert left, "a walk without an end"
        page = get(client, headers, **params | {"cursor": cursor})
        yield page


def refused(client: TestClient, cursor: str, url: str = URL, **params: Any) -> bool:
    """Whether a cursor is answered with the one problem that there is for it."""
    answer = client.get(url, params=params | {"cursor": cursor})
    return (answer.status_code, answer.json()["type"]) == (400, "urn:problem:invalid-cursor")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 37, 100])
@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
def test_a_walk_meets_every_live_row_once_and_in_order(
    service: TestClient, ledgers: dict[int, Ledger], limit: int, sort: str
) -> None:
    ledger = ledgers[limit]
    walked = list(pages(service, ledger.headers, limit=limit, sort=sort))
    live = ledger.live if sort == "-created_at" else ledger.live[::-1]
    assert [public_id for page in walked for public_id in ids(page)] == live
    assert {len(page["items"]) for page in walked[:-1]} <= {limit}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 37, 100])
def test_a_walk_back_from_the_last_page_is_the_reverse(
    service: TestClient, ledgers: dict[int, Ledger], limit: int
) -> None:
    ledger = ledgers[limit]
    there = list(pages(service, ledger.headers, limit=limit))
    last = there[-1]
    back = [last]
    if cursor := last["page"]["previous"]:
        back += pages(service, ledger.headers, "previous", limit=limit, cursor=cursor)
    assert [public_id for page in back for public_id in ids(page)[::-1]] == ledger.live[::-1]


def test_the_page_before_the_second_is_the_first(client: TestClient, mine: Ledger) -> None:
    first = get(client, limit=7)
    second = get(client, limit=7, cursor=first["page"]["next"])
    assert get(client, limit=7, cursor=second["page"]["previous"]) == first


def test_the_first_page_has_none_before_it(client: TestClient, mine: Ledger) -> None:
    assert get(client, limit=7)["page"]["previous"] is None
    second = get(client, limit=7, cursor=get(client, limit=7)["page"]["next"])
    assert get(client, limit=7, cursor=second["page"]["previous"])["page"]["previous"] is None


def test_the_last_page_has_none_after_it_even_when_it_is_full(
    client: TestClient, mine: Ledger
) -> None:
    size = len(mine.live)
    assert get(client, limit=size)["page"]["next"] is None
    assert get(client, limit=size - 1)["page"]["next"] is not None


def test_a_list_without_rows_is_one_empty_page(client: TestClient) -> None:
    page = {"items": [], "page": {"limit": 20, "next": None, "previous": None}}
    assert get(client) == page


@pytest.mark.parametrize("limit", ["0", "-1", "101", "abc", "", "1.5", "9" * 30])
def test_a_limit_outside_1_to_100_is_refused(client: TestClient, limit: str) -> None:
    answer = client.get(URL, params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/limit"


def test_a_sort_that_is_not_offered_is_refused(client: TestClient) -> None:
    answer = client.get(URL, params={"sort": "amount"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/sort"


def test_rows_that_arrive_during_a_walk_do_not_disturb_it(client: TestClient, mine: Ledger) -> None:
    seen = []
    for page in pages(client, limit=3):
        seen += ids(page)
        client.post(URL, json=NEW)
    assert seen == mine.live


def test_the_row_under_the_cursor_may_be_deleted(client: TestClient, mine: Ledger) -> None:
    first = get(client, limit=4)
    client.delete(f"{URL}/{ids(first)[-1]}")
    rest = pages(client, limit=4, cursor=first["page"]["next"])
    assert [public_id for page in rest for public_id in ids(page)] == mine.live[4:]


def test_a_row_that_is_deleted_ahead_of_the_walk_is_not_met(
    client: TestClient, mine: Ledger
) -> None:
    first = get(client, limit=4)
    client.delete(f"{URL}/{mine.live[6]}")
    rest = pages(client, limit=4, cursor=first["page"]["next"])
    met = [public_id for page in rest for public_id in ids(page)]
    assert met == [*mine.live[4:6], *mine.live[7:]]


def test_rows_that_are_inserted_by_others_during_a_walk_cost_none_of_the_old_ones(
    client: TestClient, mine: Ledger, sql: Sql
) -> None:
    with ThreadPoolExecutor(8) as others:
        inserted = [others.submit(client.post, URL, json=NEW) for _ in range(100)]
        walks = []
        while not all(each.done() for each in inserted):
            walks.append([i for page in pages(client, limit=5) for i in ids(page)])
    assert {each.result().status_code for each in inserted} == {201}
    assert any(len(mine.live) < len(walk) < len(mine.live) + 100 for walk in walks)
    for walk in walks:
        assert len(set(walk)) == len(walk)
        assert [public_id for public_id in walk if public_id in set(mine.live)] == mine.live


def test_microseconds_survive(client: TestClient, mine: Ledger, sql: Sql) -> None:
    """Milliseconds in a cursor would put the rows of one millisecond on two pages, or on none."""
    stored = {
        str(row[0]): row[1]
        for row in sql.rows(
            "SELECT public_id, created_at FROM payments WHERE account_id = $1", mine.account
        )
    }
    shown = {item["public_id"]: item["created_at"] for item in get(client, limit=100)["items"]}
    assert len(set(shown.values())) == 3
    for public_id, text in shown.items():
        assert text == stored[public_id].isoformat().replace("+00:00", "Z")


ALPHABET = string.ascii_letters + string.digits + "-_"


def test_no_character_of_a_cursor_can_be_changed(client: TestClient, mine: Ledger) -> None:
    cursor = get(client, limit=4)["page"]["next"]
    for at, character in enumerate(cursor):
        other = ALPHABET[ALPHABET.index(character) - 1]
        assert refused(client, cursor[:at] + other + cursor[at + 1 :], limit=4)
    # The last one has bits to spare: more than one spelling of the same bytes.
    for other in set(ALPHABET) - {cursor[-1]}:
        assert refused(client, cursor[:-1] + other, limit=4)


def test_a_cursor_cannot_be_shortened_or_lengthened(client: TestClient, mine: Ledger) -> None:
    cursor = get(client, limit=4)["page"]["next"]
    for length in range(len(cursor)):
        assert refused(client, cursor[:length])
    for more in ("A", "=", "==", "\n", " ", "\0", cursor, "A" * 4, "A" * 50_000):
        assert refused(client, cursor + more)
    assert refused(client, f" {cursor}")


@pytest.mark.parametrize(
    "cursor",
    ["", "null", "0", "½", "支払い", "é" * 62, "\ud83d", "%00", "../../etc", "' OR 1=1 --", "A" * 62,
     "_" * 62, "-" * 62, "AA==", '{"at": 1}', "\x7f"],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(client: TestClient, cursor: str) -> None:
    raw = cursor.encode("utf-8", "surrogatepass")
    answer = client.get(f"{URL}?cursor=" + "".join(f"%{byte:02x}" for byte in raw))
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:problem:invalid-cursor")


def test_a_cursor_of_another_endpoint_is_refused(client: TestClient, mine: Ledger) -> None:
    cursor = get(client, limit=4)["page"]["next"]
    assert refused(client, cursor, "/api/v1/customers", limit=4)


def test_a_cursor_of_another_filter_is_refused(client: TestClient, mine: Ledger) -> None:
    cursor = get(client, limit=4)["page"]["next"]
    assert refused(client, cursor, currency="EUR")
    filtered = get(client, limit=4, currency="EUR", tag=["a", "b"])["page"]["next"]
    assert refused(client, filtered)
    assert refused(client, filtered, currency="EUR", tag="a")
    assert ids(get(client, limit=4, tag=["b", "a"], currency="EUR", cursor=filtered))


def test_a_cursor_of_another_account_is_refused(
    client: TestClient, mine: Ledger, ledgers: dict[int, Ledger]
) -> None:
    cursor = get(client, ledgers[7].headers, limit=4)["page"]["next"]
    assert refused(client, cursor, limit=4)


def test_a_cursor_of_another_order_is_refused(client: TestClient, mine: Ledger) -> None:
    cursor = get(client, limit=4)["page"]["next"]
    assert refused(client, cursor, sort="created_at")


def test_a_cursor_of_another_version_of_the_service_is_refused(
    client: TestClient, mine: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "_VERSION", 2)
    cursor = get(client, limit=4)["page"]["next"]
    assert ids(get(client, limit=4, cursor=cursor)) == mine.live[4:8]
    monkeypatch.undo()
    assert refused(client, cursor, limit=4)


def test_another_limit_goes_on_with_the_same_cursor(client: TestClient, mine: Ledger) -> None:
    cursor = get(client, limit=4)["page"]["next"]
    assert ids(get(client, limit=2, cursor=cursor)) == mine.live[4:6]


def test_a_parameter_that_is_sent_twice_is_answered(client: TestClient, mine: Ledger) -> None:
    cursor = get(client, limit=4)["page"]["next"]
    for query in ("limit=2&limit=3", f"cursor={cursor}&cursor={cursor}", "sort=created_at&sort="):
        assert client.get(f"{URL}?{query}").status_code in {200, 422}
    assert client.get(f"{URL}?cursor={cursor}&cursor=x").status_code == 400


def test_links_are_absolute_and_keep_the_filters(client: TestClient, mine: Ledger) -> None:
    def links(url: str) -> dict[str, str]:
        found = client.get(url).links.values()
        return {str(link["rel"]): str(link["url"]) for link in found}

    first = links(f"{URL}?limit=5&currency=EUR&tag=a%26b&tag=%C3%BC")
    assert first.keys() == {"first", "next"}
    second = links(first["next"])
    assert second.keys() == {"first", "next", "prev"}
    assert links(second["next"]).keys() == {"first", "prev"}
    for link in [*first.values(), *second.values()]:
        assert link.startswith(f"http://testserver{URL}?")
        assert "limit=5&currency=EUR&tag=a%26b&tag=%C3%BC" in link
    body = client.get(second["prev"]).json()
    assert ids(body) == mine.live[:5]
    assert ids(client.get(second["first"]).json()) == mine.live[:5]


@pytest.mark.parametrize("host", ["[", "a b", "x:notaport", "[::1", "]", "é", "a/b?c#d", ""])
def test_a_strange_host_header_does_no_harm(client: TestClient, mine: Ledger, host: str) -> None:
    answer = client.get(URL, params={"limit": 4}, headers={b"Host": host.encode()})
    assert answer.status_code < 500


def test_a_sort_key_that_may_be_null_is_refused_when_the_code_is_imported() -> None:
    with pytest.raises(TypeError, match="may be null"):
        Keyset(Invoice.paid_at, Invoice.public_id)  # type: ignore[arg-type]


# Half of the 200,000 rows are newer than the cursor, which so stands 100,000 rows deep; a thousand
# share each moment, and three of ten are deleted.
MANY = """
    SET session_replication_role = replica;
    INSERT INTO payments (account_id, amount, currency, created_at, deleted_at, deleted_by)
    SELECT {account}, 1, 'EUR', timestamptz '2026-01-01Z' + n % 200 * interval '1 s',
           CASE WHEN n % 10 < 3 THEN now() END, CASE WHEN n % 10 < 3 THEN 'test' END
    FROM generate_series(1, 200000) n;
    SET session_replication_role = origin;
    ANALYZE payments;
"""


@pytest.fixture(scope="module")
def deep(
    service: TestClient, sql: Sql, new_caller: Callable[..., Headers]
) -> Iterator[tuple[Headers, str]]:
    """A caller with 200,000 rows and a cursor in the middle of them."""
    headers = new_caller()
    account = sql.account_of(headers)
    middle = "timestamptz '2026-01-01Z' + interval '100 s'"
    sql.execute(
        "INSERT INTO payments (account_id, amount, currency, created_at)"
        f" SELECT $1, 1, 'EUR', {middle} FROM generate_series(1, 40)",
        account,
    )
    cursor = get(service, headers)["page"]["next"]
    sql.execute(MANY.format(account=account))
    yield headers, cursor
    sql.execute(
        "SET session_replication_role = replica; TRUNCATE payments CASCADE;"
        "SET session_replication_role = origin"
    )


def explain(sql: Sql, statement: str, values: tuple[Any, ...]) -> dict[str, Any]:
    """The plan that a connection has for a statement that it has run a few times."""
    given = ", ".join(f"'{value}'" for value in values)
    sql.execute(f"PREPARE page AS {statement}")
    for _ in range(8):
        sql.execute(f"EXECUTE page({given})")
    text = sql.value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE page({given})")
    sql.execute("DEALLOCATE page")
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
def test_a_deep_page_is_a_few_steps_down_an_index(
    service: TestClient, sql: Sql, deep: tuple[Headers, str], sort: str
) -> None:
    headers, cursor = deep
    sent: list[tuple[str, tuple[Any, ...]]] = []

    def note(*args: Any) -> None:
        if "FROM payments" in args[2]:
            sent.append((args[2], args[3]))

    engine = engine_of(service.app).sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        if sort == "created_at":
            get(service, headers, sort=sort)  # its own cursor: page two of the other order
            cursor = get(service, headers, sort=sort)["page"]["next"]
        page = get(service, headers, sort=sort, cursor=cursor)
        assert len(page["items"]) == 20
        get(service, headers, sort=sort, cursor=page["page"]["previous"])
    finally:
        event.remove(engine, "before_cursor_execute", note)
    for statement, values in sent[-2:]:
        # What the index happens to give in order is asked for in order, too.
        assert re.search(r"ORDER BY payments.created_at (\w+), payments.public_id \1", statement)
        plan = explain(sql, statement, values)
        found = list(nodes(plan))
        assert not [node for node in found if "Sort" in node["Node Type"]]
        (scan,) = [node for node in found if "Scan" in node["Node Type"]]
        assert scan["Index Name"] == "ix_payments_page"
        assert "ROW(created_at, public_id)" in scan["Index Cond"]
        assert "Filter" not in scan
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 50
