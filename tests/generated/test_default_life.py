"""A day with the default service; its neighbours, its accidents, its databases, its changes."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import foreign
from .everyday import Everyday, Home
from .machine import is_alive, make_run, postgres_of, run
from .rendering import Service


class TestTheDefaultService(Everyday):
    @pytest.fixture
    def home(self, default_home: Home) -> Home:
        return default_home


def test_two_services_start_at_once_with_a_port_and_a_database_each(
    default_home: Home, town: Callable[..., Service]
) -> None:
    billing = town(service_name="billing", module="invoice")
    env = default_home.env
    run("make", "migrate", cwd=billing.folder, env=env)  # as much as the other has behind it
    folders = [default_home.folder, billing.folder]
    with ExitStack() as stack:
        # Both have started before either is waited for.
        started = [stack.enter_context(make_run(folder, env, wait=False)) for folder in folders]
        orders, second = started
        for running in started:
            running.wait()
        assert orders.address != second.address
        assert "/api/v1/payments" in orders.call("/openapi.json")[1]
        assert "/api/v1/invoices" in second.call("/openapi.json")[1]
        orders.is_the_last_to_use(postgres_of(default_home.folder))
        assert second.call("/readyz")[0] == 200
        second.is_the_last_to_use(postgres_of(billing.folder))


def test_after_a_kill_the_next_run_takes_the_database_over(default_home: Home) -> None:
    with make_run(default_home.folder, default_home.env) as killed:
        left_behind = postgres_of(default_home.folder)
        killed.kill()
    assert is_alive(left_behind)
    with make_run(default_home.folder, default_home.env) as following:
        assert postgres_of(default_home.folder) == left_behind
        following.is_the_last_to_use(left_behind)


def test_four_at_once_on_a_new_database_share_it(default_home: Home) -> None:
    shutil.rmtree(default_home.folder / ".postgres", ignore_errors=True)
    python = [".venv/bin/python", "-m", "dev.postgres", "true"]
    with ExitStack() as stack:
        four = [
            stack.enter_context(
                subprocess.Popen(
                    python,
                    cwd=default_home.folder,
                    env=default_home.env,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(4)
        ]
        for one in four:
            assert one.communicate()[1] == ""
            assert one.returncode == 0


def test_with_a_database_of_the_team_nothing_is_started_and_nothing_in_it_is_touched(
    default_home: Home,
) -> None:
    databases = "SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database"
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    theirs = default_home.folder.with_name("postgres")
    shutil.rmtree(default_home.folder / ".postgres", ignore_errors=True)
    with foreign.server(default_home, theirs) as maintenance:
        foreign.ask(
            default_home,
            maintenance,
            "CREATE DATABASE mine",
            "ALTER SYSTEM SET log_statement = 'ddl'",
            "SELECT pg_reload_conf()",
        )
        mine = maintenance.replace("/postgres?", "/mine?")
        assert mine != maintenance
        before = foreign.ask(default_home, mine, databases, tables)

        # The suite makes a database of its own there, and drops it.
        assert " passed in " in default_home.make("test", DATABASE_URL=mine)
        assert foreign.ask(default_home, mine, databases, tables) == before
        log = (theirs / "log").read_text()
        made = re.findall(r'CREATE DATABASE "(orders_test_\w+)"', log)
        assert made
        assert all(f'DROP DATABASE "{name}"' in log for name in made)

        # The service itself does use what it was given.
        with make_run(default_home.folder, default_home.env | {"DATABASE_URL": mine}) as running:
            assert running.call("/readyz")[0] == 200
            assert "payments" in " ".join(foreign.ask(default_home, mine, tables))
            running.interrupt()
    assert not (default_home.folder / ".postgres").exists()


@pytest.fixture
def changed(default_home: Home) -> Iterator[Home]:
    """The default service with one more column; it is the old one again afterwards."""
    (models,) = default_home.folder.glob("src/*/modules/*/models.py")
    with models.open("a", encoding="utf-8") as file:
        file.write("    note: Mapped[str | None]\n")
    yield default_home
    run("git", "checkout", "--quiet", ".", cwd=default_home.folder, env=default_home.env)
    run(
        "git",
        "clean",
        "--quiet",
        "-fd",
        "migrations",
        cwd=default_home.folder,
        env=default_home.env,
    )
    shutil.rmtree(default_home.folder / ".postgres")


def revisions(home: Home) -> set[Path]:
    return set(home.folder.glob("migrations/*/*.py"))


def test_a_changed_model_becomes_a_migration_that_applies(changed: Home) -> None:
    before = revisions(changed)
    changed.make("migration", "name=add a note")
    (drafted,) = revisions(changed) - before
    assert drafted.parent == changed.folder / "migrations" / "service"
    text = drafted.read_text("utf-8")
    assert text.startswith('"""Add a note.\n')
    assert 'op.add_column("payments", sa.Column("note"' in text
    assert 'down_revision = "service_0001"' in text

    assert "Add a note." in changed.make("migrate")
    changed.make("documents")
    # Formatted, linted, typed, documented; and the models hold nothing that the tables do not.
    assert " passed in " in changed.make("check")
    assert " passed in " in changed.make("test")
