"""A day with the default service; its neighbours, its accidents, its databases, its changes."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError

import pytest

from . import foreign
from .everyday import Everyday, Home
from .machine import eventually, is_alive, make_run, postgres_of, run
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
def lent(default_home: Home) -> Iterator[Home]:
    """The default service, to be changed; it is the old one again afterwards."""
    yield default_home
    run("git", "checkout", "--quiet", ".", cwd=default_home.folder, env=default_home.env)
    run(
        "git",
        "clean",
        "--quiet",
        "-fd",
        "migrations",
        "src",
        cwd=default_home.folder,
        env=default_home.env,
    )
    shutil.rmtree(default_home.folder / ".postgres")


@pytest.fixture
def changed(lent: Home) -> Home:
    """The default service with one more column."""
    add_a_note(lent)
    return lent


def add_a_note(home: Home) -> None:
    with (home.folder / "src/orders/modules/payments/models.py").open(
        "a", encoding="utf-8"
    ) as file:
        file.write("    note: Mapped[str | None]\n")


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


def test_an_empty_draft_is_said_to_be_empty(lent: Home) -> None:
    said = "No model has changed: the draft is empty."
    assert said in lent.make("migration", "name=nothing")
    assert said not in lent.make("migration", "name=fill", "kind=backfill")


GREETINGS = """
from fastapi import APIRouter

router = APIRouter(prefix="/greetings")


@router.get("")
async def greet() -> str:
    return "hello"
"""


def test_new_code_is_served_and_code_that_does_not_start_leaves_nobody_waiting(lent: Home) -> None:
    with make_run(lent.folder, lent.env) as running:

        def answers(path: str, status: int) -> None:
            def asked() -> bool:
                try:
                    return running.call(path)[0] == status
                except HTTPError as error:
                    return error.code == status
                except OSError:  # while one process takes the other's place
                    return False

            eventually(asked, lambda: f"{status} at {path} after {running.output}")

        answers("/api/v1/greetings", 404)
        greetings = lent.folder / "src/orders/modules/greetings"
        greetings.mkdir()
        (greetings / "__init__.py").touch()
        (greetings / "routes.py").write_text(GREETINGS, encoding="utf-8")
        answers("/api/v1/greetings", 200)

        add_a_note(lent)
        answers("/livez", 503)
        assert "the schema lacks payments.note" in running.output
        lent.make("migration", "name=add a note")  # a draft: it is not applied before it is read
        answers("/livez", 503)
        lent.make("migrate")
        answers("/livez", 200)
        running.interrupt()


def test_a_database_of_another_branch_is_refused_and_can_be_left(lent: Home) -> None:
    other = lent.folder / "migrations/service/0002_other.py"
    lines = [
        "revision, down_revision = 'other', 'service_0001'",
        "branch_labels = depends_on = None",
    ]
    lines += ["def upgrade(): pass", "def downgrade(): pass", ""]
    other.write_text("\n".join(lines), encoding="utf-8")
    lent.make("migrate")
    other.unlink()
    for target in ("run", "migrate"):
        said = refused(lent, target)
        assert "it is at revision other, which is not here). Go back to it" in said
        assert "Traceback" not in said

    python = [str(lent.folder / ".venv/bin/python"), "-m", "dev.postgres"]
    with subprocess.Popen(
        [*python, "sh", "-c", "echo there; exec sleep 60"],
        cwd=lent.folder,
        env=lent.env,
        stdout=subprocess.PIPE,
    ) as user:
        assert user.stdout
        assert user.stdout.readline() == b"there\n"
        orphaned = postgres_of(lent.folder)
        shutil.rmtree(lent.folder / ".postgres")  # under a server that runs
        assert "Running upgrade" in lent.make("migrate")
        assert not is_alive(orphaned)
        user.terminate()


def refused(home: Home, *args: str, **variables: str) -> str:
    """What `make` says, which may not do it; nobody reads more than a few lines."""
    done = subprocess.run(
        ["make", *args],
        cwd=home.folder,
        env=home.env | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 2  # make's own word for a command that said no
    assert done.stdout.count("\n") < 8, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("args", "variables", "sentence"),
    [
        (["run", "PORT=abc"], {}, "PORT is a number from 1 to 65535, not 'abc'"),
        (["run", "PORT=99999"], {}, "not '99999'"),
        (["run", "PORT="], {}, "not ''"),
        (["run"], {"DATABASE_URL": "postgresql://a:b@localhost:1/c"}, "database does not answer"),
        (["migration"], {}, "A migration needs a name: make migration name='add due date'"),
        (["migration", "name= "], {}, "A migration needs a name"),
        (["migration", "name=x", "kind=foo"], {}, "kind is expand, backfill or contract"),
    ],
)
def test_what_is_mistyped_is_answered_by_a_sentence(
    default_home: Home, args: list[str], variables: dict[str, str], sentence: str
) -> None:
    assert sentence in refused(default_home, *args, **variables)
