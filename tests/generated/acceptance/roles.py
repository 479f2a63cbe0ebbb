"""With a second URL the service runs as a role that cannot delete, whatever it is made to say."""

# ruff: noqa: S106, S608 (the passwords open a test's database; the tables are named here)

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import asyncpg
import pytest
from alembic import command as alembic
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import make_url
from starlette.testclient import TestClient

from .conftest import TABLES, Done, Headers, Sql

PAYMENTS, CUSTOMERS = "/api/v1/payments", "/api/v1/customers"


@pytest.fixture
def roles(sql: Sql, command: Callable[..., Done]) -> Iterator[list[str]]:
    """The roles that the command makes: the application's and the purge's."""
    done = command("roles", APP_ROLE_PASSWORD='it\'s "quoted" \\ ü')
    assert done.code == 0, done.errors
    names = done.output.split()
    yield names
    for name in names:
        sql.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


@pytest.fixture
def app_url(roles: list[str], database_url: str) -> str:
    return make_url(database_url).set(username=roles[0], password="x").render_as_string(False)


@pytest.fixture
def as_app(sql: Sql, service: TestClient, app_url: str) -> Iterator[Sql]:
    """Statements typed by hand, in the application's role."""
    typed = Sql(service, app_url)
    typed.connect()
    yield typed
    typed.close()


def test_the_command_makes_two_roles_and_may_be_repeated(
    roles: list[str], sql: Sql, command: Callable[..., Done]
) -> None:
    database = sql.value("SELECT current_database()")
    assert roles == [f"{database}_app", f"{database}_purge"]
    assert command("roles", APP_ROLE_PASSWORD="again").output.split() == roles
    found = sql.rows(
        "SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolbypassrls FROM pg_roles"
        " WHERE rolname = ANY($1) ORDER BY rolname",
        roles,
    )
    assert [tuple(row) for row in found] == [
        (roles[0], True, False, False, False),
        (roles[1], False, False, False, False),
    ]


def test_the_command_wants_a_password(command: Callable[..., Done]) -> None:
    done = command("roles")
    assert done.code != 0
    assert "APP_ROLE_PASSWORD" in done.errors


@pytest.mark.parametrize("table", TABLES)
def test_the_application_can_delete_from_no_table(as_app: Sql, table: str) -> None:
    for statement in (
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"SET app.purge = 'on'; DELETE FROM {table}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            as_app.execute(statement)
    assert as_app.value(f"SELECT count(*) >= 0 FROM {table}")


def test_the_application_cannot_pretend_that_a_migration_ran(as_app: Sql) -> None:
    assert as_app.value("SELECT count(*) FROM alembic_version")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_app.execute("UPDATE alembic_version SET version_num = 'other'")


@pytest.mark.parametrize("trick", ["SET session_replication_role = replica", "SET ROLE {purge}"])
def test_the_application_cannot_step_out_of_its_role(
    as_app: Sql, roles: list[str], trick: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_app.execute(trick.format(purge=f'"{roles[1]}"'))


def test_a_table_that_was_added_by_hand_later_works_and_cannot_be_deleted_from(
    as_app: Sql, sql: Sql
) -> None:
    sql.execute("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, note text)")
    try:
        as_app.execute("INSERT INTO later (note) VALUES ('x')")
        as_app.execute("UPDATE later SET note = 'y'")
        assert as_app.value("SELECT note FROM later") == "y"
        for statement in ("DELETE FROM later", "TRUNCATE later"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                as_app.execute(statement)
    finally:
        sql.execute("DROP TABLE later")


def test_a_database_that_is_migrated_after_its_roles_were_made_grants_to_them(
    sql: Sql, service: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{sql.value('SELECT current_database()')}_other"
    sql.execute(f'CREATE ROLE "{name}_app" LOGIN')
    sql.execute(f'CREATE DATABASE "{name}"')
    url = make_url(database_url).set(database=name)
    try:
        monkeypatch.setenv("DATABASE_OWNER_URL", url.render_as_string(False))
        alembic.upgrade(Config("alembic.ini"), "heads")
        typed = Sql(service, url.set(username=f"{name}_app").render_as_string(False))
        typed.connect()
        assert typed.value("SELECT count(*) FROM payments") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            typed.execute("DELETE FROM payments")
        typed.close()
    finally:
        sql.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        sql.execute(f'DROP ROLE "{name}_app"')


def test_the_whole_service_works_in_the_applications_role(
    application: Callable[..., AbstractContextManager[TestClient]],
    new_caller: Callable[..., Headers],
    app_url: str,
    database_url: str,
) -> None:
    me = new_caller()
    with application(
        database_url=SecretStr(app_url), database_owner_url=SecretStr(database_url)
    ) as client:
        client.headers.update(me)
        created = client.post(PAYMENTS, json={"amount": 1, "currency": "EUR"})
        assert created.status_code == 201, created.text
        url, read = created.headers["Location"], {"If-Match": created.headers["ETag"]}
        assert client.get(url).json() == created.json()
        assert client.patch(url, json={"amount": 2}, headers=read).status_code == 200
        assert client.delete(url).status_code == 204
        assert client.post(f"{url}/restore").status_code == 200
        assert len(client.get(PAYMENTS).json()["items"]) == 1
        parent = client.post(CUSTOMERS, json={"name": "Ada"}).json()["public_id"]
        billed = client.post(f"{CUSTOMERS}/{parent}/invoices", json={"number": 70})
        assert billed.status_code == 201
        assert client.delete(f"{CUSTOMERS}/{parent}").status_code == 409
        assert client.get("/readyz").status_code == 200
