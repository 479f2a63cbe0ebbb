"""The launch checklist of generated services: what holds, and what turns red when it is broken.

The check reads files and runs none of them, so that a rendering is enough.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from checked import TODAY, red

from roadbed.checklist import catalogue, checking, configuration
from roadbed.checklist.facts.openapi import Document
from roadbed.creation import _unanswered

from .checklist.contract import CONTRACT
from .checklist.verdict import check
from .rendering import Service
from .test_workflow import steps

PEOPLE = {"unowned-module", "nobody-to-page"}  # what no template can answer


def test_new_says_which_rules_need_a_person() -> None:
    warnings = "\n".join(_unanswered({"team": "", "paging": ""}))
    assert {rule.name for rule in catalogue.RULES if rule.name in warnings} == PEOPLE
    assert _unanswered({"team": "@acme/pay", "paging": "+49"}) == []


def test_the_services_own_rules_go_by_the_names_of_the_checklist(default_service: Service) -> None:
    """What `tests/rules/` proves on the running service, `pytest -m rule`."""
    tests = "".join(file.read_text() for file in default_service.folder.glob("tests/rules/*.py"))
    marked = set(re.findall(r'@pytest\.mark\.rule\("(.+)"\)', tests))
    assert marked <= {rule.name for rule in catalogue.RULES}
    assert {"mutation-not-idempotent", "table-without-audit-columns", "hard-delete"} <= marked


@pytest.fixture(scope="session")
def complete(rendered: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service with everything, and somebody to page: the contract that `make setup` makes is added."""
    people = {"team": "@acme/ledger", "paging": "https://pager.invalid/ledger"}
    service = rendered(oidc=True, outbox=True, **people)
    folder = tmp_path_factory.mktemp("complete") / "orders"
    shutil.copytree(service.folder, folder)
    (folder / "openapi").mkdir()
    (folder / "openapi" / "v1.json").write_text(CONTRACT, encoding="utf-8")
    return replace(service, folder=folder)


def test_a_complete_service_passes_everything(complete: Service) -> None:
    report = check(complete.folder)
    assert red(report) == set()
    assert report.summary() == "13 of 13 items hold (1 by a waiver)."


@pytest.mark.parametrize("outbox", [False, True])
def test_the_pools_add_up_as_the_service_itself_adds_them(
    rendered: Callable[..., Service], outbox: bool
) -> None:
    service = rendered(outbox=outbox)
    kit = service.folder / "src" / service.package / "kit"
    (jobs,) = re.findall(r"^JOBS = (\d+)", (kit / "capacity.py").read_text(), re.MULTILINE)
    limits = (kit / "rate_limit/postgres.py").read_text()
    (beside,) = re.findall(r"^CONNECTIONS = (\d+)", limits, re.MULTILINE)
    (sum_,) = (
        each.message
        for result in check(service.folder).results
        if result.rule.name == "pool-exceeds-database"
        for each in result.evidence
        if each.subject == "peak"
    )
    assert f" + {beside}) + {jobs} jobs" in sum_


@dataclass(frozen=True)
class Mutant:
    """One change of one file, and the one rule that it breaks.

    Attributes:
        old: a pattern that stands in the file; None to delete the file.
        new: what takes the place of its first match; of every match if `all`.
    """

    rule: str
    path: str
    old: str | None
    new: str = ""
    all: bool = False


KIT = "src/orders/kit"
MODULE = "src/orders/modules/payments"

MUTANTS = {
    "the limit has no maximum": Mutant(
        "unbounded-list-response", "openapi/v1.json", r'"maximum": 100(\.0)?,?', '"default": 20'
    ),
    "pages are counted": Mutant(
        "offset-pagination",
        f"{MODULE}/repository.py",
        r"\Z",
        "\nfrom sqlalchemy import select\n\nPAGE = select(Payment.id).offset(10_000)\n",
    ),
    "a POST has no key": Mutant(
        "mutation-not-idempotent", "openapi/v1.json", '"Idempotency-Key"', '"Request-Id"'
    ),
    "a path has no version": Mutant(
        "unversioned-route", "openapi/v1.json", '"/api/v1/payments"', '"/api/payments"'
    ),
    "calls out have no limit": Mutant(
        "call-without-timeout",
        f"{KIT}/http_client.py",
        r"read=settings\.\w+",
        "read=None",
    ),
    "the database is waited for": Mutant(
        "call-without-timeout", f"{KIT}/database.py", "timeout=CONNECT_TIMEOUT, ", ""
    ),
    "everything is selected": Mutant(
        "select-star", f"{KIT}/auth.py", r"SELECT api_keys\.id, .*?FROM", "SELECT * FROM"
    ),
    "nobody says who deleted": Mutant(
        "table-without-audit-columns", f"{KIT}/audit.py", "deleted_by: Mapped", "removed_by: Mapped"
    ),
    "rows are removed": Mutant(
        "hard-delete",
        f"{MODULE}/service.py",
        r"\Z",
        "\n\nasync def forget(session: WriteSession, row: Payment) -> None:\n"
        "    await session.delete(row)\n",
    ),
    "integers are shown": Mutant(
        "public-integer-id",
        "openapi/v1.json",
        r'"public_id": \{\s*"type": "string",\s*"format": "uuid"',
        '"id": {"type": "integer"',
    ),
    "the database is small": Mutant(
        "pool-exceeds-database",
        f"{KIT}/settings.py",
        r"database_max_connections: int = Field\(default=100",
        "database_max_connections: int = Field(default=30",
    ),
    "the pool is large": Mutant(
        "pool-exceeds-database",
        f"{KIT}/settings.py",
        r"database_pool_size: int = Field\(default=5",
        "database_pool_size: int = Field(default=50",
    ),
    "the alert is gone": Mutant(
        "no-latency-alert",
        "ops/alerts.yml",
        "(?s)(      - alert: P95LatencyDoubled.*?)(?=      - |\\Z)",
    ),
    "the alert takes its time": Mutant(
        "no-latency-alert", "ops/alerts.yml", r"(P95LatencyDoubled(?s:.*?)for: )5m", r"\g<1>15m"
    ),
    "the alert is late": Mutant("no-latency-alert", "ops/alerts.yml", r"> 2 \*", "> 4 *"),
    "the buckets are coarse": Mutant(
        "coarse-histogram", f"{KIT}/metrics.py", r"0\.016, 0\.024, ", ""
    ),
    "whom to page is open": Mutant(
        "nobody-to-page", "RUNBOOK.md", "https://pager.invalid/ledger", "TODO"
    ),
    "the anchor moved": Mutant(
        "dead-runbook-link", "RUNBOOK.md", "### P95LatencyDoubled", "### Slow answers"
    ),
    "a document is gone": Mutant("missing-document", "ARCHITECTURE.md", None),
    "a document is open": Mutant(
        "missing-document", "README.md", r"## Use it\n", "## Use it\n\nTBD\n"
    ),
    "a target is gone": Mutant("runbook-command-broken", "Makefile", r"^setup:", "prepare:"),
    "nobody owns the module": Mutant(
        "unowned-module", ".github/CODEOWNERS", "@acme/ledger", "", all=True
    ),
    "the contracts are gone": Mutant(
        "no-module-boundary", "pyproject.toml", r"tool\.importlinter", "tool.imports", all=True
    ),
    "a file is cut": Mutant("unreadable-file", f"{KIT}/headers.py", r"\Z", "\nx = (\n"),
    "a waiver has no reason": Mutant(
        "broken-waiver", f"{KIT}/headers.py", r"\Z", "\n# checklist: allow[hard-delete]\n"
    ),
    "a waiver is not needed": Mutant(
        "stale-waiver", f"{KIT}/headers.py", r"\Z", "\n# checklist: allow[hard-delete] why\n"
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_item_turns_red_and_nothing_else_does(
    complete: Service, tmp_path: Path, name: str
) -> None:
    mutant = MUTANTS[name]
    folder = tmp_path / "orders"
    shutil.copytree(complete.folder, folder)
    file = folder / mutant.path
    if mutant.old is None:
        file.unlink()
    else:
        text = file.read_text(encoding="utf-8")
        count = 0 if mutant.all else 1
        flags = re.MULTILINE | (re.DOTALL if mutant.rule == "select-star" else 0)
        broken, changes = re.subn(mutant.old, mutant.new, text, count=count, flags=flags)
        assert changes, f"{mutant.path} has no {mutant.old}"
        file.write_text(broken, encoding="utf-8")
    assert red(check(folder)) == {mutant.rule}


def test_every_rule_has_a_mutant() -> None:
    covered = {mutant.rule for mutant in MUTANTS.values()} | {"openapi-drift"}
    assert covered == {rule.name for rule in catalogue.RULES}


def test_a_contract_that_is_not_served_turns_red(complete: Service) -> None:
    promised = json.loads((complete.folder / "openapi/v1.json").read_text(encoding="utf-8"))
    for served, expected in [
        (promised, set()),
        (promised | {"paths": {}}, {"openapi-drift"}),
    ]:
        report = checking.check(
            complete.folder,
            list(catalogue.RULES),
            configuration.read(complete.folder),
            TODAY,
            Document("orders.main:create_app", served),
        )
        assert red(report) == expected


@pytest.mark.parametrize(
    ("target", "args"), [("checklist", "--select RB5"), ("roadbed", "check --select RB5")]
)
def test_make_runs_the_roadbed_that_is_there(
    default_service: Service, env: dict[str, str], tmp_path: Path, target: str, args: str
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "roadbed").symlink_to(Path(sys.executable).with_name("roadbed"))
    found = subprocess.run(
        ["make", target, f"args={args}"],
        cwd=default_service.folder,
        env=env | {"PATH": f"{tools}:{env['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "✗ nobody-to-page (RB501)" in found.stdout, found.stderr
    assert found.returncode == 2  # make's own word for a command that said no


def test_the_workflow_is_green_on_the_first_day_and_asks_for_people_on_mondays(
    rendered: Callable[..., Service], env: dict[str, str], tmp_path: Path
) -> None:
    """Of a service that nobody has answered anything about."""
    service = rendered()
    (service.folder / "openapi").mkdir()
    (service.folder / "openapi" / "v1.json").write_text(CONTRACT, encoding="utf-8")
    (step,) = [each for each in steps(service) if "checklist" in each.get("run", "")]
    _, left_out, everything = re.findall(r"'([^']*)'", step["env"]["LEFT_OUT"])
    (tmp_path / "roadbed").symlink_to(Path(sys.executable).with_name("roadbed"))

    def run(ignored: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-euc", step["run"]],
            cwd=service.folder,
            env=env | {"PATH": f"{tmp_path}:{env['PATH']}", "LEFT_OUT": ignored},
            capture_output=True,
            text=True,
            check=False,
        )

    pushed, monday = run(left_out), run(everything)
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    assert monday.returncode == 2
    assert set(re.findall(r"✗ ([\w-]+) \(", monday.stdout)) == PEOPLE
    (service.folder / "ops" / "alerts.yml").unlink()
    assert run(left_out).returncode == 2


def test_a_template_on_another_machine_does_not_stop_a_workflow(
    default_service: Service, env: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(default_service.folder / "Makefile", tmp_path)
    (tmp_path / ".copier-answers.yml").write_text("_commit: 1.2.0\n_src_path: /no/where\n")
    for ci, code in {"": 2, "true": 0}.items():
        done = subprocess.run(
            ["make", "checklist"],
            cwd=tmp_path,
            env=env | {"CI": ci},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert "was not verified: its template is in /no/where" in done.stderr


@pytest.mark.parametrize(
    ("recorded", "address"),
    [
        ("/srv/roadbed", "git+file:///srv/roadbed@1.2.0"),
        ("https://git.invalid/acme/roadbed.git", "git+https://git.invalid/acme/roadbed.git@1.2.0"),
        ("ssh://git@git.invalid/roadbed", "git+ssh://git@git.invalid/roadbed@1.2.0"),
        ("git@git.invalid:acme/roadbed.git", "git+ssh://git@git.invalid/acme/roadbed.git@1.2.0"),
    ],
)
def test_make_checklist_else_takes_the_one_that_made_the_service(
    default_service: Service, env: dict[str, str], tmp_path: Path, recorded: str, address: str
) -> None:
    shutil.copy(default_service.folder / "Makefile", tmp_path)
    (tmp_path / ".copier-answers.yml").write_text(f"# x\n_commit: 1.2.0\n_src_path: {recorded}\n")
    said = subprocess.check_output(
        ["make", "--dry-run", "checklist"], cwd=tmp_path, env=env, text=True
    )
    assert f"tool run --quiet --from '{address}' roadbed check --fail-on unknown" in said
