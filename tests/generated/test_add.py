"""A service's second day: what `roadbed add` makes, tried by the service's own suite and checks."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from definitions import sampled
from histories import git, made
from typer.testing import CliRunner

from roadbed.adding.names import SQL_RESERVED
from roadbed.cli import app

from .machine import run
from .rendering import Service
from .toolbox import Toolbox

TEAM = {"team": "@acme/pay", "paging": "the bell"}
RESOURCES = (
    ["customer", "name:str(200)", "--unique", "email:str(320)"],
    [
        *("invoice", "customer:ref", "amount:int", "currency:str(3)", "due_on:date?"),
        *("notes:text?", "status:enum(draft,sent,paid)", "--unique", "number"),
    ],
    [
        *("line_item", "active:bool", "invoice:ref", "customer:ref?", "price:decimal(10,2)"),
        *("sent_at:datetime", "extra:json?", "reading:bigint?", "token:uuid"),
    ],
)
HAND_EDIT = "# The team's own words.\n"


@pytest.fixture(scope="module")
def second_day(snapshot: Path, toolbox: Toolbox) -> Iterator[Callable[..., Service]]:
    """Makes services from a template with a history, installed, where PostgreSQL can reach them."""
    with TemporaryDirectory(prefix="services-") as outside:
        Path(outside).chmod(0o755)

        @cache
        def make(name: str, **answers: str) -> Service:
            folder = made(snapshot, Path(outside, name, "orders"), "v9.9.9", **TEAM, **answers)
            service = Service(folder, {"service_name": "orders", **answers})
            toolbox.furnish(service)
            return service

        yield make


def add(service: Service, *arguments: str) -> None:
    done = CliRunner().invoke(app, ["add", *arguments, "--in", str(service.folder)])
    assert done.exit_code == 0, (arguments, done.output)


def suite(service: Service, env: Mapping[str, str], *arguments: str) -> None:
    python = service.folder / ".venv/bin/python"
    run(python, "-m", "pytest", "-q", *arguments, cwd=service.folder, env=env)


def is_clean(service: Service, toolbox: Toolbox) -> None:
    """Formatter, linter, import contracts, and the launch checklist."""
    toolbox.run(service, "ruff", "format", "--check", "--no-cache")
    toolbox.run(service, "ruff", "check", "--no-cache")
    checked = CliRunner().invoke(
        app, ["check", str(service.folder), "--fail-on", "unknown", "--format", "json"]
    )
    assert checked.exit_code == 0, checked.output


def promise(service: Service, env: Mapping[str, str]) -> None:
    """What `add` says that comes next, but for the suite."""
    run("make", "--silent", "contract", "accept=1", cwd=service.folder, env=env)
    run("make", "--silent", "documents", cwd=service.folder, env=env)


def test_three_resources_and_a_second_version(
    second_day: Callable[..., Service], toolbox: Toolbox, env: Mapping[str, str], types_cache: Path
) -> None:
    """The whole suite is run once all three are there, and again with the version."""
    service = second_day("day")
    promise(service, env)
    edited = service.folder / "src/orders/modules/customers/service.py"
    for resource in RESOURCES:
        add(service, "resource", *resource)
        promise(service, env)
        is_clean(service, toolbox)
        if not edited.read_text().endswith(HAND_EDIT):
            edited.write_text(f"{edited.read_text()}\n\n{HAND_EDIT}")
    suite(service, env)

    v1 = (service.folder / "openapi/v1.json").read_bytes()
    add(service, "version", "v2", "--resource", "invoices")
    promise(service, env)
    is_clean(service, toolbox)
    suite(service, env)
    toolbox.run(service, "mypy", "--cache-dir", types_cache)
    assert " 0 broken" in toolbox.run(service, "lint-imports", "--no-cache")
    assert (service.folder / "openapi/v1.json").read_bytes() == v1
    v2 = json.loads((service.folder / "openapi/v2.json").read_text())
    assert "/api/v2/customers" in v2["paths"]
    assert "InvoiceReadV2" in v2["components"]["schemas"]
    assert edited.read_text().endswith(HAND_EDIT)
    drawn = (service.folder / "ARCHITECTURE.md").read_text()
    assert "customers ||--o{ invoices : customer_id" in drawn
    assert git(service.folder, "diff", "--name-only", "HEAD").split() == [
        *("ARCHITECTURE.md", "RUNBOOK.md")
    ]


def test_whatever_is_defined_runs(
    second_day: Callable[..., Service], toolbox: Toolbox, env: Mapping[str, str]
) -> None:
    """A sample; `make bench only=add` goes on. Its rows go up and down all its migrations."""
    (resources,) = sampled(1, 4)
    service = second_day("defined", ownership="shared")
    for each in resources:
        add(service, "resource", each.noun, *each.words)
    promise(service, env)
    is_clean(service, toolbox)
    modules = map(str, service.folder.glob("tests/modules/*"))
    suite(service, env, "tests/rules/test_migrations.py", *modules)


def test_the_reserved_words_are_postgresqls(
    second_day: Callable[..., Service], env: Mapping[str, str]
) -> None:
    service = second_day("defined", ownership="shared")
    ask = (
        "import asyncio, asyncpg\n"
        "from dev.postgres import temporary_database\n"
        "async def words(url):\n"
        "    connection = await asyncpg.connect(url)\n"
        "    found = await connection.fetch(\"SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')\")\n"
        "    print(*[row['word'] for row in found])\n"
        "with temporary_database() as url:\n"
        "    asyncio.run(words(url))\n"
    )
    said = run(service.folder / ".venv/bin/python", "-c", ask, cwd=service.folder, env=env)
    assert set(said.split()) - {"the"} >= SQL_RESERVED
