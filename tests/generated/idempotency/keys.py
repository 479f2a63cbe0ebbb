"""What a key is, and what it stands for: cases 1 to 13."""

from collections.abc import Callable

import httpx2
import pytest
from starlette.testclient import TestClient

from .conftest import URL, Charging, Headers, Sql
from .serving import Server


def test_01_a_first_request_is_done_once(charge: Charging, sql: Sql, operation: int) -> None:
    first = charge(operation, "once")
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    assert sql.rows(operation) == 1


def test_02_a_replay_is_the_first_answer_byte_for_byte(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    first = charge(operation, key)
    for _ in range(3):
        again = charge(operation, key)
        assert (again.status_code, again.content) == (201, first.content)
        for name in ("Location", "ETag", "Content-Type", "Content-Length"):
            assert again.headers[name] == first.headers[name]
        assert again.headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


def test_03_a_replay_has_only_the_headers_that_are_part_of_the_answer(
    server: Server, me: Headers, operation: int, key: str
) -> None:
    """On a real server: the test client reads no header that is not UTF-8."""
    told = me | {"Idempotency-Key": key, "X-Then": "answer_awkwardly"}
    url = f"http://127.0.0.1:{server.port}{URL}"
    first, again = (
        httpx2.post(url, json={"operation": operation}, headers=told, trust_env=False)
        for _ in range(2)
    )
    assert first.headers.get_list("Set-Cookie") == [
        "one=1; Path=/; SameSite=lax",
        "two=2; Path=/; SameSite=lax",
    ]
    assert "Set-Cookie" not in again.headers
    assert "the-first" not in again.headers.get_list("X-Request-ID")
    assert "Idempotent-Replayed" in again.headers
    assert again.text == "grün"
    for name in ("Location", "Link", "Content-Language", "ETag", "Content-Type"):
        values = [
            value for each, value in first.headers.raw if each.lower() == name.lower().encode()
        ]
        assert values
        assert values == [
            v for each, v in again.headers.raw if each.lower() == name.lower().encode()
        ]
    # What stands outside of the unit of work is fresh, and there once.
    for name in ("Date", "Server", "X-Content-Type-Options", "X-Request-ID"):
        assert len(again.headers.get_list(name)) == 1


def test_03_the_headers_of_a_plain_answer_are_not_replayed_either(
    charge: Charging, operation: int, key: str
) -> None:
    assert "X-Seen-By" in charge(operation, key).headers
    assert "X-Seen-By" not in charge(operation, key).headers


@pytest.mark.parametrize(
    "spelling",
    [
        '{"note":"a","operation":%d,"price":1.5}',
        '\n{ "price" : 1.5,\t"operation" : %d, "note" : "\\u0061" }  ',
    ],
)
def test_04_the_same_json_in_another_spelling_is_the_same_request(
    charge: Charging, service: TestClient, operation: int, key: str, spelling: str
) -> None:
    first = charge(operation, key, price=1.5, note="a")
    headers = charge.caller | {"Idempotency-Key": key, "Content-Type": "application/json"}
    again = service.post(URL, content=spelling % operation, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)


@pytest.mark.parametrize(
    "change", [{"price": 1.25}, {"note": "b"}, {"price": 1.50001}, {"note": "1.5"}]
)
def test_05_a_changed_value_is_another_request(
    charge: Charging, sql: Sql, operation: int, key: str, change: dict[str, object]
) -> None:
    charge(operation, key, price=1.5, note="a")
    refused = charge(operation, key, **{"price": 1.5, "note": "a"} | change)
    assert refused.status_code == 422
    assert refused.json()["type"] == "urn:problem:idempotency-key-reused"
    assert sql.rows(operation) == 1


def test_05_a_number_and_the_same_digits_in_a_string_differ(
    charge: Charging, service: TestClient, operation: int, key: str
) -> None:
    """Both are valid input: pydantic would take the string for the number."""
    headers = charge.caller | {"Idempotency-Key": key, "Content-Type": "application/json"}
    first, second = (
        service.post(URL, content=f'{{"operation":{operation},"price":{price}}}', headers=headers)
        for price in ("1.5", '"1.5"')
    )
    assert first.status_code == 201
    assert second.status_code == 422


def test_06_a_key_on_another_path_is_another_request(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    assert charge(operation, key).status_code == 201
    assert charge(operation, key, url=f"{URL}/again").status_code == 422
    assert sql.rows(operation) == 1


def test_07_a_changed_query_is_another_request(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    assert charge(operation, key, url=f"{URL}?a=1").status_code == 201
    assert charge(operation, key, url=f"{URL}?a=2").status_code == 422
    assert charge(operation, key, url=URL).status_code == 422
    assert charge(operation, key, url=f"{URL}?a=1").headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


def test_08_another_callers_key_is_another_key(
    charge: Charging,
    sql: Sql,
    new_caller: Callable[..., Headers],
    operation: int,
    key: str,
) -> None:
    mine = charge(operation, key)
    theirs = Charging(charge.client, new_caller())(operation, key)
    assert theirs.status_code == 201
    assert "Idempotent-Replayed" not in theirs.headers
    assert theirs.content != mine.content
    assert sql.rows(operation) == 2


def test_09_a_refreshed_token_is_the_same_caller(
    charge: Charging,
    sql: Sql,
    another_key_of_the_account: Callable[[Headers], Headers],
    operation: int,
    key: str,
) -> None:
    first = charge(operation, key)
    refreshed = another_key_of_the_account(charge.caller)
    again = Charging(charge.client, refreshed)(operation, key)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert sql.rows(operation) == 1


def test_10_a_post_without_a_key_is_refused(
    charge: Charging, service: TestClient, sql: Sql, operation: int
) -> None:
    refused = service.post(URL, json={"operation": operation}, headers=charge.caller)
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:problem:idempotency-key-missing"
    assert sql.rows(operation) == 0


def test_10_a_patch_takes_a_key_or_the_version_that_was_read(
    service: TestClient, me: Headers, key: str
) -> None:
    new = {"amount": 7, "currency": "EUR"}
    headers = me | {"Idempotency-Key": f"{key}-create"}
    created = service.post("/api/v1/payments", json=new, headers=headers)
    location, version = created.headers["Location"], created.headers["ETag"]

    def patch(amount: int, **headers: str) -> tuple[int, str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = service.patch(location, json={"amount": amount}, headers=me | named)
        replayed = answer.headers.get("Idempotent-Replayed", "")
        return answer.status_code, answer.headers.get("ETag", ""), replayed

    assert patch(1) == (428, "", "")
    assert patch(1, If_Match=version) == (200, '"2"', "")
    assert patch(2, Idempotency_Key=key) == (200, '"3"', "")
    assert patch(2, Idempotency_Key=key) == (200, '"3"', "true")
    # With both, the key answers a retry whose version has gone by: by the retry's own doing.
    both = {"If_Match": '"3"', "Idempotency_Key": f"{key}-both"}
    assert patch(3, **both) == (200, '"4"', "")
    assert patch(3, **both) == (200, '"4"', "true")
    # And a stale version is refused for good, whatever the resource becomes.
    stale = {"If_Match": '"3"', "Idempotency_Key": f"{key}-stale"}
    assert patch(4, **stale) == (412, "", "")
    assert patch(4, **stale) == (412, "", "true")
    assert service.get(location, headers=me).headers["ETag"] == '"4"'


def test_10_what_is_idempotent_by_nature_ignores_the_header(
    service: TestClient, me: Headers, sql: Sql, key: str
) -> None:
    new = {"amount": 7, "currency": "EUR"}
    headers = me | {"Idempotency-Key": key}
    location = service.post("/api/v1/payments", json=new, headers=headers).headers["Location"]
    kept = sql.keys()
    for _ in range(2):
        assert service.get(location, headers=headers).status_code == 200
        assert service.head(location, headers=headers).status_code == 405
        assert service.delete(location, headers=headers).status_code == 204
        assert service.post(f"{location}/restore", headers=headers).status_code == 200
    assert sql.keys() == kept


def test_11_a_quoted_and_a_bare_key_are_one_key(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    first = charge(operation, key)
    for spelling in (f'"{key}"', f"  {key} "):
        assert charge(operation, spelling).content == first.content
    assert sql.rows(operation) == 1


def test_11_a_quoted_key_may_hold_what_a_bare_one_may_not(
    charge: Charging, operation: int, key: str
) -> None:
    spelling = f'"{key} \\"x\\" \\\\;=,"'
    assert charge(operation, spelling).status_code == 201
    assert charge(operation, spelling).headers["Idempotent-Replayed"] == "true"
    assert charge(operation, f'"{key} x"').status_code == 201  # another key


@pytest.mark.parametrize("spelling", ["k" * 255, '"' + "q" * 255 + '"', '"' + '\\"' * 255 + '"'])
def test_12_a_key_has_up_to_255_characters(charge: Charging, operation: int, spelling: str) -> None:
    assert charge(operation, spelling).status_code == 201
    assert charge(operation, spelling).headers["Idempotent-Replayed"] == "true"


MALFORMED = {
    "nothing": b"",
    "spaces": b"  ",
    "nothing-in-quotes": b'""',
    "one-quote": b'"abc',
    "a-quote-inside": b'"a"b"',
    "a-lone-backslash": b'"a\\b"',
    "a-space-inside": b"a b",
    "a-tab-inside": b"a\tb",
    "a-tab-in-quotes": b'"a\tb"',
    "256-characters": b"k" * 256,
    "256-in-quotes": b'"' + b"k" * 256 + b'"',
    "a-parameter": b'"abc";p=1',
    "a-list": b"abc, def",
    "latin-1": b"gr\xfcn",
    "latin-1-in-quotes": b'"gr\xfcn"',
    "utf-8": "grün".encode(),
    "a-byte-sequence": b":YWJj:" + b"*",
    "brackets": b"(abc)",
}


@pytest.mark.parametrize("spelling", MALFORMED.values(), ids=MALFORMED)
def test_12_a_malformed_key_is_refused(
    charge: Charging, service: TestClient, sql: Sql, operation: int, spelling: bytes
) -> None:
    headers: list[tuple[bytes, bytes]] = [(b"idempotency-key", spelling)]
    headers += [(name.encode(), value.encode()) for name, value in charge.caller.items()]
    refused = service.post(URL, json={"operation": operation}, headers=headers)
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:problem:idempotency-key-malformed"
    assert sql.rows(operation) == 0


@pytest.mark.parametrize("second", ["same", "other"])
def test_13_two_keys_in_one_request_are_refused(
    charge: Charging, service: TestClient, sql: Sql, operation: int, second: str
) -> None:
    headers = [*charge.caller.items(), ("Idempotency-Key", "same"), ("Idempotency-Key", second)]
    refused = service.post(URL, json={"operation": operation}, headers=headers)
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:problem:idempotency-key-malformed"
    assert sql.rows(operation) == 0
