"""Deleting and restoring through the API and the command line, and changing with If-Match."""

# ruff: noqa: S608 (no statement here is made of what anybody sends)

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from .conftest import Done, Headers, Sql

PAYMENTS, CUSTOMERS = "/api/v1/payments", "/api/v1/customers"
NEW = {"amount": 9900, "currency": "USD"}


def customer(client: TestClient, name: str) -> str:
    """The URL of a new customer."""
    created = client.post(CUSTOMERS, json={"name": name})
    assert created.status_code == 201, created.text
    return f"{CUSTOMERS}/{created.json()['public_id']}"


def row(sql: Sql, url: str) -> dict[str, object]:
    """The stored row of a URL's resource."""
    _, _, _, table, public_id = url.split("/")
    return dict(sql.row(f"SELECT * FROM {table} WHERE public_id = $1", UUID(public_id)))


def test_deleting_twice_changes_nothing(client: TestClient, sql: Sql) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    assert client.delete(url).status_code == 204
    once = row(sql, url)
    assert client.delete(url).status_code == 204
    assert row(sql, url) == once


def test_a_deletion_is_signed_dated_and_counted(client: TestClient, me: Headers, sql: Sql) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    client.delete(url)
    stored = row(sql, url)
    assert stored["deleted_by"] == me["Authorization"].removeprefix("Bearer ")[:16]
    assert stored["deleted_at"] >= stored["created_at"]  # type: ignore[operator]
    assert stored["version"] == 2


def test_support_that_deletes_for_an_account_signs_with_its_own_name(
    client: TestClient, new_caller: Callable[..., Headers], sql: Sql
) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    support = new_caller("*", "support")
    assert client.delete(url, headers=support).status_code == 204
    assert str(row(sql, url)["deleted_by"]) in support["Authorization"]


@pytest.mark.parametrize(
    "field", ["id", "account_id", "created_at", "updated_at", "deleted_at", "deleted_by", "version"]
)
def test_no_body_can_set_what_the_database_keeps(client: TestClient, field: str) -> None:
    answer = client.post(PAYMENTS, json=NEW | {field: "2026-01-01T00:00:00Z"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"
    created = client.post(PAYMENTS, json=NEW)
    read = {"If-Match": created.headers["ETag"]}
    patched = client.patch(created.headers["Location"], json={field: "mallory"}, headers=read)
    assert patched.status_code == 422


def test_a_change_cannot_move_the_public_id(client: TestClient) -> None:
    created = client.post(PAYMENTS, json=NEW)
    read = {"If-Match": created.headers["ETag"]}
    body = {"public_id": str(uuid4())}
    assert client.patch(created.headers["Location"], json=body, headers=read).status_code == 422


def test_a_deleted_row_answers_404_to_everything_but_its_restoration(client: TestClient) -> None:
    created = client.post(PAYMENTS, json=NEW)
    url, read = created.headers["Location"], {"If-Match": created.headers["ETag"]}
    client.delete(url)
    assert client.get(url).status_code == 404
    assert client.patch(url, json={"amount": 1}, headers=read).status_code == 404
    assert client.get(PAYMENTS).json()["items"] == []
    assert client.post(f"{url}/restore").status_code == 200
    assert client.get(url).status_code == 200


def test_restoring_clears_who_deleted_and_restoring_again_changes_nothing(
    client: TestClient, sql: Sql
) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    client.delete(url)
    restored = client.post(f"{url}/restore")
    stored = row(sql, url)
    assert (stored["deleted_at"], stored["deleted_by"], stored["version"]) == (None, None, 3)
    assert restored.headers["ETag"] == '"3"'
    again = client.post(f"{url}/restore")
    assert (again.status_code, again.json()) == (200, restored.json())
    assert row(sql, url) == stored


def test_what_never_was_can_be_neither_deleted_nor_restored(client: TestClient) -> None:
    url = f"{PAYMENTS}/{uuid4()}"
    assert client.delete(url).status_code == 404
    assert client.post(f"{url}/restore").status_code == 404


def test_a_unique_value_is_free_again_after_a_deletion(client: TestClient) -> None:
    url = customer(client, "Ada")
    assert client.post(CUSTOMERS, json={"name": "Ada"}).status_code == 409
    client.delete(url)
    assert client.post(CUSTOMERS, json={"name": "Ada"}).status_code == 201


def test_a_unique_value_is_each_accounts_own(
    client: TestClient, new_caller: Callable[..., Headers]
) -> None:
    customer(client, "Ada")
    other = client.post(CUSTOMERS, json={"name": "Ada"}, headers=new_caller())
    assert other.status_code == 201


def test_a_row_whose_place_is_taken_cannot_be_restored(client: TestClient) -> None:
    url = customer(client, "Ada")
    client.delete(url)
    heir = customer(client, "Ada")
    assert client.post(f"{url}/restore").status_code == 409
    client.delete(heir)
    assert client.post(f"{url}/restore").status_code == 200


def test_a_child_cannot_be_restored_under_a_deleted_parent(client: TestClient, sql: Sql) -> None:
    parent = customer(client, "Ada")
    invoice = client.post(f"{parent}/invoices", json={"number": 1}).json()["public_id"]
    child = f"{CUSTOMERS}/invoices/{invoice}"
    assert client.delete(parent).status_code == 409  # it has a live child
    assert client.delete(child).status_code == 204
    assert client.delete(parent).status_code == 204
    assert client.post(f"{child}/restore").status_code == 409
    assert client.post(f"{parent}/restore").status_code == 200
    assert client.post(f"{child}/restore").status_code == 200


def test_many_who_delete_and_create_the_same_name_leave_one_of_it(
    client: TestClient, me: Headers, sql: Sql
) -> None:
    customer(client, "Ada")

    def replace(_: int) -> list[Response]:
        live = client.get(CUSTOMERS).json()["items"]
        gone = [client.delete(f"{CUSTOMERS}/{found['public_id']}") for found in live]
        return [*gone, client.post(CUSTOMERS, json={"name": "Ada"})]

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for each in pool.map(replace, range(12)) for answer in each]
    assert {answer.status_code for answer in answers} <= {204, 201, 409}
    assert 201 in {answer.status_code for answer in answers}
    live = "SELECT count(*) FROM customers WHERE account_id = $1 AND deleted_at IS NULL"
    assert sql.value(live, sql.account_of(me)) == 1


def test_a_row_created_offline_keeps_its_id_and_a_taken_one_conflicts(
    client: TestClient, new_caller: Callable[..., Headers]
) -> None:
    chosen = NEW | {"public_id": str(uuid4())}
    created = client.post(PAYMENTS, json=chosen)
    assert created.headers["Location"] == f"{PAYMENTS}/{chosen['public_id']}"
    assert client.post(PAYMENTS, json=chosen).status_code == 409
    assert client.post(PAYMENTS, json=chosen, headers=new_caller()).status_code == 409
    client.delete(created.headers["Location"])
    assert client.post(PAYMENTS, json=chosen).status_code == 409


def test_the_time_of_creation_is_read_as_it_was_stored(client: TestClient, sql: Sql) -> None:
    """To the microsecond, with an offset, and whatever time zone the server is in."""
    sql.execute("ALTER ROLE CURRENT_USER SET timezone = 'Asia/Kolkata'")
    try:
        created = client.post(PAYMENTS, json=NEW)
        stored = row(sql, created.headers["Location"])["created_at"]
    finally:
        sql.execute("ALTER ROLE CURRENT_USER RESET timezone")
    assert created.json()["created_at"] == stored.isoformat().replace("+00:00", "Z")  # type: ignore[attr-defined]


def test_another_accounts_row_is_not_there(
    client: TestClient, new_caller: Callable[..., Headers], sql: Sql
) -> None:
    created = client.post(PAYMENTS, json=NEW)
    url, read = created.headers["Location"], {"If-Match": created.headers["ETag"]}
    before = row(sql, url)
    other = new_caller()
    assert client.get(url, headers=other).status_code == 404
    assert client.patch(url, json={"amount": 1}, headers=other | read).status_code == 404
    assert client.delete(url, headers=other).status_code == 404
    assert client.post(f"{url}/restore", headers=other).status_code == 404
    assert row(sql, url) == before


# --- changing -----------------------------------------------------------------------------------


@pytest.fixture
def payment(client: TestClient) -> Response:
    """A payment in its second version."""
    created = client.post(PAYMENTS, json=NEW)
    read = {"If-Match": created.headers["ETag"]}
    client.patch(created.headers["Location"], json={"amount": 1}, headers=read)
    return created


def change(client: TestClient, payment: Response, *tags: str, amount: int = 5) -> Response:
    headers = [*client.headers.multi_items(), *(("If-Match", tag) for tag in tags)]
    return client.patch(payment.headers["Location"], json={"amount": amount}, headers=headers)


def test_a_change_moves_the_version_and_says_so(client: TestClient, payment: Response) -> None:
    changed = change(client, payment, '"2"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"3"')
    assert client.get(payment.headers["Location"]).headers["ETag"] == '"3"'
    assert changed.json()["updated_at"] > payment.json()["updated_at"]


def test_a_change_that_changes_nothing_moves_nothing(client: TestClient, payment: Response) -> None:
    before = client.get(payment.headers["Location"])
    changed = change(client, payment, '"2"', amount=1)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json() == before.json()


def test_a_change_without_if_match_is_428(client: TestClient, payment: Response) -> None:
    assert change(client, payment).status_code == 428


@pytest.mark.parametrize("tag", ['"1"', '"3"', '"0"', '"-2"', '"99999999999999999999"'])
def test_a_version_that_is_not_the_present_one_is_412(
    client: TestClient, payment: Response, tag: str
) -> None:
    assert change(client, payment, tag).status_code == 412


@pytest.mark.parametrize("tag", ['W/"2"', "w/2", 'w/"2"'])
def test_a_weak_tag_never_matches(client: TestClient, payment: Response, tag: str) -> None:
    """RFC 9110, 13.1.1: If-Match compares strongly."""
    assert change(client, payment, tag).status_code == 412


@pytest.mark.parametrize("tag", ["", '"', '""', '"two"', '"2', '2"', "2", '"2" 3', "\x00", ","])
def test_what_is_no_tag_is_412(client: TestClient, payment: Response, tag: str) -> None:
    assert change(client, payment, tag).status_code == 412


def test_a_star_matches_whatever_is_there(client: TestClient, payment: Response) -> None:
    assert change(client, payment, "*").status_code == 200
    client.delete(payment.headers["Location"])
    assert change(client, payment, "*").status_code == 404


@pytest.mark.parametrize("tags", [('"1", "2"',), ('"2","9"',), ('"1"', '"2"'), ('W/"2", "2"',)])
def test_a_list_matches_if_one_of_it_does(
    client: TestClient, payment: Response, tags: tuple[str, ...]
) -> None:
    assert change(client, payment, *tags).status_code == 200


def test_a_list_of_other_versions_is_412(client: TestClient, payment: Response) -> None:
    assert change(client, payment, '"1", "3", W/"2"').status_code == 412


def test_of_many_changes_to_one_version_one_wins(client: TestClient, payment: Response) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: change(client, payment, '"2"', amount=n), range(10, 16)))
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 5]
    (won,) = [answer for answer in answers if answer.status_code == 200]
    assert client.get(payment.headers["Location"]).json() == won.json()


def test_a_lost_update_of_careless_code_is_412(client: TestClient, payment: Response) -> None:
    """A handler that reads without a lock: the statement names the version that was read."""
    public_id = payment.json()["public_id"]
    url = f"/api/v1/trouble/{public_id}/careless?amount="
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(client.patch, [f"{url}11&seconds=0.3", f"{url}12&seconds=0.3"]))
    assert sorted(answer.status_code for answer in answers) == [200, 412]


def test_every_attribute_can_be_read_after_a_change(client: TestClient, payment: Response) -> None:
    public_id = payment.json()["public_id"]
    answer = client.patch(f"/api/v1/trouble/{public_id}/attributes?amount=77")
    assert (answer.status_code, answer.json()["amount"], answer.json()["version"]) == (
        200,
        "77",
        "3",
    )


# --- the command line ---------------------------------------------------------------------------


def test_support_restores_from_the_command_line(
    client: TestClient, command: Callable[..., Done]
) -> None:
    url = client.post(PAYMENTS, json=NEW).headers["Location"]
    public_id = url.rpartition("/")[2]
    client.delete(url)
    done = command("restore", "payments", public_id)
    assert (done.code, done.output) == (0, f"restored {public_id}\n"), done.errors
    assert client.get(url).status_code == 200


def test_a_restoration_that_cannot_be_says_why(
    client: TestClient, command: Callable[..., Done]
) -> None:
    url = customer(client, "Ada")
    client.delete(url)
    customer(client, "Ada")
    taken = command("restore", "customers", url.rpartition("/")[2])
    unknown = command("restore", "payments", str(uuid4()))
    table = command("restore", "alembic_version", str(uuid4()))
    wrong = command("restore", "payments", "1")
    assert [done.code for done in (taken, unknown, table, wrong)] == [1, 1, 1, 2]
    for done in (taken, unknown, table, wrong):
        assert not done.output
        assert done.errors.strip()
