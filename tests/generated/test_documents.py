"""Every command of a service's documents is typed here, or named with the reason why not.

A person at 3 a.m. copies what stands there. What stands in capitals is theirs to fill in, and
nothing else is changed here; the RUNBOOK's commands run where it says that they do on a developer's
machine: in `make shell`.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import commit
from .rendering import Service
from .shift import Shift, served, told
from .toolbox import Toolbox

PAYMENTS = "/api/v1/payments"
MIGRATE, SERVE = ".venv/bin/alembic upgrade heads", ".venv/bin/python -m orders serve"

# By the beginning of a command: the test below that types it.
RUN = {
    "make shell": "every task of the runbook",
    "make install": "deploy",
    MIGRATE: "deploy",
    SERVE: "deploy",
    "curl http://127.0.0.1:8000/readyz": "deploy",
    "curl --fail http://127.0.0.1:PORT/readyz": "roll back",
    "kill -TERM PID": "roll back",
    "git log --oneline -10": "roll back",
    "git worktree add ../orders-rollback GOOD_COMMIT": "roll back",
    "make -C ../orders-rollback install": "roll back",
    'psql "$DATABASE_URL" -c \'SELECT public_id, deleted_at': "restore a row",
    "python -m orders restore payments PUBLIC_ID": "restore a row",
    "python -m orders keys create": "rotate a key",
    "python -m orders keys list": "rotate a key",
    "python -m orders keys revoke KEY_PREFIX": "rotate a key",
    "grep -F '\"ID\"' LOG": "slow request",
    "grep -E '\"ms\":[0-9]{4}' LOG": "slow request",
    'grep -F \'"event":"slow query\' LOG': "slow request",
    'psql "$DATABASE_URL" -c "SELECT pid, now() - query_start': "runaway query",
    'psql "$DATABASE_URL" -c \'SELECT pid, pg_blocking_pids(pid)': "runaway query",
    "psql \"$DATABASE_URL\" -c 'SELECT pg_cancel_backend(PID)'": "runaway query",
    "psql \"$DATABASE_URL\" -c 'SELECT 1'": "first looks",
    "psql \"$DATABASE_URL\" -c 'ANALYZE'": "first looks",
    "psql \"$DATABASE_URL\" -c 'SELECT count(*) FROM rate_limit'": "first looks",
    'psql "$DATABASE_URL" -c \'SELECT key, full_at': "first looks",
    'psql "$DATABASE_URL" -c \'SELECT application_name': "first looks",
    'psql "$DATABASE_URL" -c "SELECT state, wait_event_type': "first looks",
    'psql "$DATABASE_URL" -c "SELECT topic, last_error': "first looks",
    "python -m orders outbox --lag": "first looks",
    "pg_dump --format custom": "backup",
    "psql \"$DATABASE_URL\" -c 'CREATE DATABASE orders_restored'": "backup",
    "pg_restore --no-owner": "backup",
}
# By the beginning of a command: why nobody types it here.
LEFT = {
    "kubectl ": "needs a cluster; test_deployment.py holds the manifests against Kubernetes' schemas",
    "docker ": "needs Docker; test_deployment.py holds what is built against the same commands' files",
    "redis-cli ": "comes with Redis, which need not be on this machine",
    "psql \"$DATABASE_URL\" -c '\\password'": "asks at a terminal",
    "python -m orders outbox": "delivers until it is ended: tests/generated/outbox/",
    "alembic downgrade outbox@base": "takes a table away for good: tests/generated/test_migrator.py",
    "alembic upgrade heads": "names what `make migrate` does: tests/generated/everyday.py",
    "python -m orders outbox --retry-dead": "tests/generated/outbox/deliveries.py",
    "python -m orders purge": "tests/generated/acceptance/purge.py",
    "APP_ROLE_PASSWORD=… python -m orders roles": "tests/generated/acceptance/roles.py",
    "make run": "tests/generated/everyday.py",
    "curl -X": "the client guide: tests/generated/everyday.py",
    "curl --include": "the client guide: tests/generated/everyday.py",
    "curl 'http": "the client guide: tests/generated/everyday.py",
    "make setup": "tests/generated/everyday.py",
    "make test": "tests/generated/everyday.py",
    "make check": "tests/generated/everyday.py",
    "make documents": "tests/generated/everyday.py",
    "make contract": "tests/generated/everyday.py",
    "make migration": "tests/generated/test_default_life.py",
    "make alerts": "tests/generated/test_alerts.py",
    "make checklist": "tests/generated/test_checklist.py",
    "make migrate": "tests/generated/everyday.py",
    "make roadbed ": "tests/generated/test_checklist.py",
    "rm -rf .postgres": "tests/generated/test_default_life.py",
    "python -m bench capacity": "a command of the template's own repository",
    "roadbed add": "tests/generated/test_add.py",
    "roadbed status": "tests/update/",
    "roadbed update": "tests/update/",
    "roadbed incident": "tests/cli/test_incident.py",
    "uv lock --upgrade": "moves what the lock pins",
    "git init && git add . && git commit": "a new repository around the one that is here",
}


@pytest.mark.parametrize(
    "answers",
    [
        {"deployment": "kubernetes"},
        {"deployment": "none", "outbox": True},
        {"deployment": "compose", "outbox": True, "oidc": True, "redis": True},
    ],
    ids=lambda answers: str(answers["deployment"]),
)
def test_every_command_is_typed_or_left_out_for_a_reason(
    answers: Mapping[str, str | bool], rendered: Callable[..., Service]
) -> None:
    all_of_them = told(rendered(**answers))
    unknown = [each for each in all_of_them if not each.startswith((*RUN, *LEFT))]
    assert unknown == []
    if answers["deployment"] == "none":  # the one whose commands are typed below
        stale = [start for start in RUN if not any(each.startswith(start) for each in all_of_them)]
        assert stale == []


PARTS = {"settings": "RUNBOOK.md", "data-model": "ARCHITECTURE.md"}


def part(service: Service, mark: str) -> str:
    """What stands between two marks."""
    text = service.texts(PARTS[mark])[PARTS[mark]]
    (found,) = re.findall(rf"<!-- {mark}:start -->\n(.*)<!-- {mark}:end -->\n", text, re.DOTALL)
    return str(found)


@dataclass(frozen=True)
class Documents:
    """A service with every answer, and its `python -m dev.documents`."""

    service: Service
    toolbox: Toolbox

    def write(self, *options: str, succeeds: bool = True) -> str:
        done = subprocess.run(
            [self.toolbox.folder / ".venv/bin/python", "-m", "dev.documents", *options],
            cwd=self.service.folder,
            env=self.toolbox.env | {"PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == succeeds, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def documents(rendered: Callable[..., Service], toolbox: Toolbox) -> Documents:
    return Documents(rendered(outbox=True, oidc=True, redis=True), toolbox)


def test_settings_and_data_model_are_those_of_the_code(documents: Documents) -> None:
    """Of a team that added a setting and a column, on a machine whose lines end otherwise."""
    service = documents.service
    settings = service.folder / "src/orders/settings.py"
    with settings.open("a") as file:
        file.write("\n    greeting: str = 'a | b'\n")
    with (service.folder / "src/orders/modules/payments/models.py").open("a") as file:
        file.write("    note: Mapped[str | None]\n")
    runbook = service.folder / "RUNBOOK.md"
    runbook.write_bytes(runbook.read_bytes().replace(b"\n", b"\r\n"))
    documents.write()
    assert b"| `GREETING` | `a \\| b` |  |\r\n" in runbook.read_bytes()
    runbook.write_bytes(runbook.read_bytes().replace(b"\r\n", b"\n"))

    table = re.findall(r"^\| `([A-Z_]+)` \| .+ \|.*\|$", part(service, "settings"), re.MULTILINE)
    example = re.findall(
        r"^#([A-Z_]+)=", service.texts(".env.example")[".env.example"], re.MULTILINE
    )
    assert set(table) == {*example, "FORWARDED_ALLOW_IPS", "GREETING"}
    model = part(service, "data-model")
    made = re.findall(
        r'create_table\(\s*"(\w+)"', "".join(service.texts("migrations/**/*.py").values())
    )
    assert made
    drawn = re.findall(r"^    (\w+) \{$", model, re.MULTILINE)
    assert set(drawn) == set(made)
    assert "accounts ||--o{ payments : account_id" in model
    assert "bigint account_id FK" in model
    assert 'text note "may be null"' in model

    settings.write_text(settings.read_text().replace("greeting", "farewell"))
    said = documents.write("--check", succeeds=False)
    assert said == (
        "RUNBOOK.md, settings: the code says something else\n"
        "How to mend it: make documents, then commit.\n"
    )


def test_as_many_workers_fit_the_database_as_the_document_says(
    rendered: Callable[..., Service], toolbox: Toolbox
) -> None:
    service = rendered(redis=True, outbox=True)
    fitting = {"redis://x": _workers(service), "postgres": _workers(rendered(outbox=True))}
    script = (
        "from orders.kit import capacity; from orders.settings import Settings\n"
        f"for store, workers in {fitting}.items():\n"
        "  for replicas in (workers, workers + 1):\n"
        "    try: capacity.check(Settings(_env_file=None, database_url='postgresql://x/y',"
        " rate_limit_store=store, replicas=replicas))\n"
        "    except ValueError: print('does not fit')\n"
        "    else: print('fits')"
    )
    said = subprocess.run(
        [toolbox.folder / ".venv/bin/python", "-c", script],
        env=toolbox.env | {"PYTHONPATH": str(service.folder / "src")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert said.stdout == 2 * "fits\ndoes not fit\n"


def _workers(service: Service) -> int:
    text = service.texts("ARCHITECTURE.md")["ARCHITECTURE.md"]
    (workers,) = re.findall(r"(\d+) workers of one replica each fit", text)
    return int(workers)


def test_a_document_without_its_marks_is_left_as_it_is(documents: Documents) -> None:
    runbook = documents.service.folder / "RUNBOOK.md"
    runbook.write_text(runbook.read_text().replace("<!-- settings:end -->", ""))
    before = runbook.read_text()
    assert "<!-- settings:end -->" in documents.write(succeeds=False)
    assert runbook.read_text() == before


@pytest.fixture(scope="module")
def shift(installed: Callable[..., Service], env: dict[str, str]) -> Iterator[Shift]:
    """A release, deployed as the RUNBOOK says, and under watch."""
    service = installed(deployment="none", outbox=True)
    commit(service.folder, env)
    production = env | {
        "SHELL": "sh",
        "ENVIRONMENT": "production",
        "API_KEY_PEPPER": "p" * 32,
        "DATABASE_MAX_CONNECTIONS": "200",
        "DRAIN_SECONDS": "0.5",
        "RATE_LIMIT_CALLER": "6000",
    }
    steps = Shift(service, production, "", Path(), "")
    install, migrate = steps.command("make install"), steps.command(MIGRATE)
    create = steps.command("python -m orders keys create")
    key = steps.shell(install, migrate, create).split()[-1]
    with served(service, production, steps.command(SERVE), service.folder) as (address, _, log):
        yield Shift(service, production, address, log, key)


def test_a_deleted_row_is_restored(shift: Shift) -> None:
    created = shift.call("POST", PAYMENTS, body='{"amount": 1, "currency": "EUR"}')
    row = f"{PAYMENTS}/{created.public_id}"
    assert shift.call("DELETE", row).status == 204
    assert shift.call("GET", row).status == 404
    said = shift.shell(
        shift.command('psql "$DATABASE_URL" -c \'SELECT public_id, deleted_at'),
        shift.command("python -m orders restore", PUBLIC_ID=created.public_id),
    )
    assert said.count(created.public_id) == 2
    assert f"restored {created.public_id}" in said
    assert shift.call("GET", row).status == 200


def test_a_key_is_rotated(shift: Shift) -> None:
    create = shift.command("python -m orders keys create")
    listing = shift.command("python -m orders keys list")
    old, new, *lines = shift.shell(create, create, listing).splitlines()
    assert shift.call("GET", PAYMENTS, key=old).status == 200
    assert shift.call("GET", PAYMENTS, key=new).status == 200
    (leaked,) = [line.split()[0] for line in lines if line.split()[0] in old]
    revoke = shift.command("python -m orders keys revoke", KEY_PREFIX=leaked)
    left = shift.shell(revoke, listing).splitlines()
    assert {line.split()[0] for line in lines} - {line.split()[0] for line in left} == {leaked}
    assert shift.call("GET", PAYMENTS, key=old).status == 401
    assert shift.call("GET", PAYMENTS, key=new).status == 200


def test_a_slow_request_is_found_by_its_id(shift: Shift) -> None:
    name = "night-42"
    body = '{"amount": 2, "currency": "EUR"}'
    locks = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    shift.shell(
        # Somebody has the table for themselves, for longer than a second and less than two.
        "psql \"$DATABASE_URL\" -qc 'BEGIN; LOCK TABLE payments; SELECT pg_sleep(1.3); COMMIT' &",
        f'until psql "$DATABASE_URL" -Atc "{locks}" | grep -q 1; do sleep 0.05; done',
        f"curl --fail --silent -X POST {shift.address}{PAYMENTS} -H 'X-Request-ID: {name}'"
        f" -H 'Idempotency-Key: slow' -H 'Authorization: Bearer {shift.key}'"
        f" -H 'Content-Type: application/json' -d '{body}'",
        "wait",
    )
    log = str(shift.log)
    lines = shift.shell(shift.command("grep -F '\"ID\"'", ID=name, LOG=log)).splitlines()
    assert any('"event":"request"' in line and '"ms":1' in line for line in lines)
    assert any('"event":"slow query' in line and "INSERT INTO" in line for line in lines)
    assert len(lines) == 2
    assert name in shift.shell(shift.command('grep -E \'"ms"', LOG=log))
    assert name in shift.shell(shift.command('grep -F \'"event"', LOG=log))


def test_a_runaway_query_is_ended(shift: Shift) -> None:
    look = shift.command('psql "$DATABASE_URL" -c "SELECT pid, now() - query_start')
    end = shift.command('psql "$DATABASE_URL" -c \'SELECT pg_cancel_backend', PID="'$PID'")
    said = shift.shell(
        "PGAPPNAME=orders psql \"$DATABASE_URL\" -qc 'SELECT pg_sleep(600)' &",
        f"until {look} | grep pg_sleep > seen; do sleep 0.05; done",
        "PID=$(cut -d '|' -f 1 seen | tr -d ' ')",
        shift.command('psql "$DATABASE_URL" -c \'SELECT pid, pg_blocking_pids(pid)'),
        end,
        "wait",
    )
    assert "canceling statement due to user request" in said
    assert re.search(r"pg_cancel_backend\s+-+\s+t", said)


def test_first_looks_are_possible(shift: Shift) -> None:
    starts = [start for start, task in RUN.items() if task == "first looks"]
    said = shift.shell(
        f"curl --fail {shift.address}/readyz", *[shift.command(start) for start in starts]
    )
    assert "ERROR" not in said
    assert "orders" in said


def test_a_backup_is_restored_beside_what_there_is(shift: Shift) -> None:
    said = shift.shell(
        shift.command("pg_dump"),
        shift.command('psql "$DATABASE_URL" -c \'CREATE DATABASE'),
        "export RESTORED_URL=$(echo \"$DATABASE_URL\" | sed 's|/orders?|/orders_restored?|')",
        shift.command("pg_restore"),
        'for url in "$DATABASE_URL" "$RESTORED_URL"; do',
        "  psql \"$url\" -Atc 'SELECT count(*) FROM payments'",
        "done",
        "rm orders.dump",
    )
    *_, here, restored = said.split()
    assert int(here) == int(restored) > 0


def test_a_release_is_rolled_back(shift: Shift) -> None:
    """The new one brought a column along and a bug; the old one serves again, on the newer schema."""
    folder = shift.service.folder
    kept = shift.call("POST", PAYMENTS, body='{"amount": 3, "currency": "EUR"}')
    with (folder / "src/orders/modules/payments/service.py").open("a") as file:
        file.write('\n\nasync def get(*_: object) -> None:\n    raise RuntimeError("a bug")\n')
    (folder / "migrations/service/0002_note.py").write_text(MIGRATION)
    commit(folder, shift.env)
    serve = shift.command(SERVE)
    shift.shell(shift.command(MIGRATE))
    with served(shift.service, shift.env, serve, folder) as (bad, pid, _):
        row = f"{PAYMENTS}/{kept.public_id}"
        assert shift.call("GET", row, at=bad).status == 500
        history = shift.shell(shift.command("git log --oneline -10"))
        good = history.splitlines()[1].split()[0]
        shift.shell(
            shift.command("git worktree add", GOOD_COMMIT=good),
            shift.command("make -C ../orders-rollback install"),
        )
        rollback = folder.with_name("orders-rollback")
        with served(shift.service, shift.env, serve, rollback) as (back, _, _):
            ready = shift.command("curl --fail http://127.0.0.1:PORT/readyz")
            shift.shell(
                ready.replace("PORT", back.rpartition(":")[2]),
                shift.command("kill -TERM", PID=str(pid)),
            )
            assert shift.call("GET", row, at=back).public_id == kept.public_id
            created = shift.call("POST", PAYMENTS, at=back, body='{"amount": 4, "currency": "EUR"}')
            assert created.status == 201


MIGRATION = '''"""A note."""

import sqlalchemy as sa
from alembic import op

revision = "service_0002"
down_revision = "service_0001"


def upgrade() -> None:
    op.add_column("payments", sa.Column("note", sa.Text))
'''
