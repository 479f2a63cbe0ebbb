"""The rules that a service carries turn red at what breaks them, and at nothing else.

What can lie side by side is broken in one run: tables that break one rule each, then routes. The
service has to name each of them under its own rules and under no other.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .machine import run
from .mutants.tables import BROKEN, statements
from .rendering import Service

pytestmark = pytest.mark.xdist_group("rules")

MUTANTS = Path(__file__).with_name("mutants")

VERSIONED = "test_every_route_names_its_version"
SHOWN = "test_every_route_is_documented"
NUMBERS = "test_no_integer_id_leaves_or_enters"
BOUNDED = "test_every_list_is_bounded"
PROBLEMS = "test_every_operation_documents_its_problems"
CLOSED = "test_every_operation_is_closed_or_says_why_not"
LIMITED = "test_every_operation_has_a_limit_for_each_caller"
CAREFUL = "test_every_write_can_be_repeated_or_says_why"
PAGES = "test_every_list_takes_its_pages_from_an_index"

ONE_HEAD = "test_each_branch_has_one_head"
UP_AND_DOWN = "test_migrations_go_up_and_down_and_up"
ALEMBIC = "test_alembic_finds_nothing_to_do"
AGREE = "test_the_models_and_the_database_agree"
SAFE = "test_migrations_are_safe_on_a_busy_database"

# Route: the rules that have to name it.
ROUTES: dict[str, set[str]] = {
    "GET /api/v1/mutants/good": set(),
    "GET /api/v1/mutants/open": set(),
    "PATCH /api/v1/mutants/careful/{public_id}": set(),
    "POST /api/v1/mutants/once": set(),
    "POST /api/v1/mutants/settled": set(),
    "PUT /api/v1/mutants/set/{public_id}": set(),
    "GET /api/v1/mutants/numbered": {NUMBERS},
    "GET /api/v1/mutants/referring": {NUMBERS},
    "GET /api/v1/mutants/nested": {NUMBERS},
    "GET /api/v1/mutants/of-account/{account_id}": {NUMBERS},
    "GET /api/v1/mutants/asked": {NUMBERS},
    "GET /api/v1/mutants/bare": {BOUNDED},
    "GET /api/v1/mutants/huge": {BOUNDED, PAGES},
    "GET /api/v1/mutants/inside/{public_id}": {BOUNDED},
    "GET /api/v1/mutants/no-cursor": {BOUNDED},
    "GET /api/v1/mutants/silent/{public_id}": {PROBLEMS},
    "POST /api/v1/mutants/taking": {PROBLEMS},
    "POST /api/v1/mutants/twice": {CAREFUL},
    "POST /api/v1/mutants/silently": {CAREFUL},
    "PATCH /api/v1/mutants/blind/{public_id}": {CAREFUL},
    "GET /api/v1/mutants/exports": set(),
    "GET /api/v1/mutants/other-exports": {LIMITED},
    "GET /api/v1/mutants/skipping": {PAGES},
    "GET /api/v1/mutants/by-name": {PAGES},
    "GET /api/v1/mutants/whole": {PAGES},
    "GET /api/v1/mutants/of-everybody": {PAGES},
    "GET /api/v1/mutants/with-the-deleted": {PAGES},
    "GET /api/v1/mutants/past-the-deleted": {PAGES},
    "GET /api/v1/mutants/broken": {PAGES},
    "GET /api/status": {CLOSED, LIMITED},
    "GET /api/v1/free": {CLOSED, LIMITED},
    "/api/status": {VERSIONED},
    "/api/v1/hidden": {SHOWN},
    "/else": {VERSIONED, SHOWN},
}


@dataclass(frozen=True)
class Suite:
    """An installed service, whose rules can be asked again and again."""

    folder: Path
    env: Mapping[str, str]

    def red(self, *files: str) -> dict[str, str]:
        """What fails in these files of its rules: the rule, and what it says."""
        report = self.folder / ".report.xml"
        rules = [f"tests/rules/test_{file}.py" for file in files]
        done = subprocess.run(
            [".venv/bin/python", "-m", "pytest", "--quiet", f"--junitxml={report}", *rules],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        return {
            case.attrib["name"]: "".join(each.text or "" for each in bad)
            for case in ET.parse(report).iter("testcase")  # noqa: S314 (our own report)
            if (bad := [*case.iter("failure"), *case.iter("error")])
        }

    def write(self, path: str, text: str) -> None:
        """Add a file."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        """Change a file; what is replaced must be there."""
        text = (self.folder / path).read_text()
        assert old in text, f"{old!r} is not in {path}"
        (self.folder / path).write_text(text.replace(old, new))

    def migrate(
        self,
        name: str,
        up: Sequence[str],
        down: Sequence[str] = (),
        after: str = "service_0001",
        more: str = "",
    ) -> None:
        """Add a migration that runs these statements."""
        text = (
            f"from alembic import op\n\nrevision = {name!r}\ndown_revision = {after!r}\n"
            f"branch_labels = None\ndepends_on = None\n{more}\n\n"
            f"def upgrade():\n    for sql in {list(up)!r}:\n        op.execute(sql)\n\n\n"
            f"def downgrade():\n    for sql in {list(down)!r}:\n        op.execute(sql)\n"
        )
        self.write(f"migrations/service/{name}.py", text)


@pytest.fixture(scope="module")
def asked(installed: Callable[..., Service], env: Mapping[str, str]) -> Iterator[Suite]:
    """The default service, whose PostgreSQL runs all the while."""
    folder = installed().folder
    postgres = [".venv/bin/python", "-m", "dev.postgres", "cat"]
    with subprocess.Popen(postgres, cwd=folder, env=env, stdin=subprocess.PIPE) as running:
        yield Suite(folder, env)
        running.communicate()


@pytest.fixture(scope="module")
def whole(asked: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service's own files are before anybody breaks one."""
    kept = tmp_path_factory.mktemp("whole")
    for part in ("src", "migrations"):
        shutil.copytree(asked.folder / part, kept / part)
    return kept


@pytest.fixture
def suite(asked: Suite, whole: Path) -> Iterator[Suite]:
    """The installed service, free to be broken: it is whole again afterwards."""
    yield asked
    for part in ("src", "migrations"):
        shutil.rmtree(asked.folder / part)
        shutil.copytree(whole / part, asked.folder / part)


def test_a_service_that_nobody_broke_keeps_all_rules(suite: Suite) -> None:
    assert suite.red("tables", "routes", "lists", "migrations") == {}


def test_a_draft_keeps_the_rules_and_passes_the_checks(suite: Suite) -> None:
    """A table's triggers and its paired CHECK are drafted: Alembic alone would forget both."""
    suite.write("src/orders/modules/mutants/__init__.py", "")
    suite.write("src/orders/modules/mutants/models.py", (MUTANTS / "models.py").read_text())
    for kind in ("expand", "backfill"):
        name = f"name=add mutants to {kind}"
        run("make", "migration", name, f"kind={kind}", cwd=suite.folder, env=suite.env)
    ruff = (".venv/bin/ruff", "check", "--quiet", "migrations")
    run(*ruff, cwd=suite.folder, env=suite.env)
    run(*ruff[:1], "format", "--check", "migrations", cwd=suite.folder, env=suite.env)
    (backfill,) = suite.folder.glob("migrations/service/*backfill.py")
    assert '    backfill("the_table", ' in backfill.read_text()
    backfill.unlink()
    assert suite.red("tables", "migrations").keys() == {UP_AND_DOWN}  # there are no rows


def naming(red: Mapping[str, str], name: str) -> set[str]:
    """The rules that name a table or a route at the head of a line."""
    head = re.compile(f"^{re.escape(name)}", re.MULTILINE)
    return {rule for rule, said in red.items() if head.search(said)}


def test_each_table_is_named_under_the_rules_that_it_breaks(suite: Suite) -> None:
    suite.migrate("tables", statements())
    red = suite.red("tables")
    assert {name: naming(red, f"{name}: ") for name in BROKEN} == {
        name: rules for name, (_, _, rules) in BROKEN.items()
    }
    assert all("How to mend it: " in said for said in red.values())


def test_each_route_is_named_under_the_rules_that_it_breaks(suite: Suite) -> None:
    for file in ("models", "routes"):
        text = (MUTANTS / f"{file}.py").read_text()
        suite.write(f"src/orders/modules/mutants/{file}.py", text)
    suite.write("src/orders/modules/mutants/__init__.py", "")
    suite.write("migrations/service/0002.py", (MUTANTS / "migration.py").read_text())
    suite.replace(
        "src/orders/main.py", "\n    return app\n", (MUTANTS / "application.txt").read_text()
    )
    red = suite.red("routes", "lists")
    assert {name: naming(red, name) for name in ROUTES} == ROUTES
    assert all("How to mend it: " in said for said in red.values())


def test_what_the_models_do_not_say_is_named(suite: Suite) -> None:
    """Alembic sees the column only."""
    suite.replace(
        "src/orders/modules/payments/models.py",
        "    currency: Mapped[str]\n",
        "    currency: Mapped[str]\n    note: Mapped[str | None]\n",
    )
    suite.migrate(
        "quiet",
        [
            "DROP INDEX ix_payments_page",
            "CREATE INDEX ix_payments_page ON payments (account_id, created_at, public_id)",
            "ALTER TABLE payments DROP CONSTRAINT ck_payments_amount",
            "ALTER TABLE payments ADD CONSTRAINT ck_payments_amount CHECK (amount >= 0)",
            "ALTER TABLE payments DROP CONSTRAINT fk_payments_account_id",
            "ALTER TABLE payments ADD CONSTRAINT fk_payments_account_id FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE RESTRICT",
            "SELECT audit_table('payments')",
        ],
        more="accepted_risks = {'ban-drop-constraint': 'nobody minds'}",
    )
    red = suite.red("migrations")
    assert red.keys() == {ALEMBIC, AGREE, SAFE, UP_AND_DOWN}  # nor can a row be made
    assert "Column('note'" in red[ALEMBIC]
    for name in ("column note", "index ix_payments_page"):
        assert f"payments: the {name}" in red[AGREE]
    for name in ("ck_payments_amount", "fk_payments_account_id"):
        assert f"payments: the constraint {name}" in red[AGREE]
    for risk in ("require-concurrent-index-creation", "constraint-missing-not-valid"):
        assert f"quiet: {risk}: " in red[SAFE]
    assert "ban-drop-constraint" not in red[SAFE]


def test_two_heads_are_named(suite: Suite) -> None:
    for name in ("mine", "yours"):
        suite.migrate(name, ["SELECT 1"])
    red = suite.red("migrations")
    assert red.keys() == {ONE_HEAD, UP_AND_DOWN}
    for name in ("mine", "yours"):
        assert f"{name} is one of 2 heads of the branch service" in red[ONE_HEAD]


def test_a_downgrade_that_leaves_something_behind_is_named(suite: Suite) -> None:
    suite.migrate("colours", ["CREATE TYPE colour AS ENUM ('red')"])
    red = suite.red("migrations")
    assert red.keys() == {UP_AND_DOWN}
    assert "the type colour is still there" in red[UP_AND_DOWN]


def test_a_migration_that_bears_no_rows_is_named(suite: Suite) -> None:
    """It passes on an empty table, in every test and on every fresh machine."""
    suite.replace(
        "src/orders/modules/payments/models.py",
        "    currency: Mapped[str]\n",
        '    currency: Mapped[str]\n    note: Mapped[str] = mapped_column(default="")\n',
    )
    suite.migrate(
        "notes",
        ["ALTER TABLE payments ADD COLUMN note text NOT NULL"],
        ["ALTER TABLE payments DROP COLUMN note"],
    )
    red = suite.red("migrations")
    assert red.keys() == {UP_AND_DOWN, SAFE}
    assert "notes (" in red[UP_AND_DOWN]
    assert "contains null values" in red[UP_AND_DOWN]
    assert "notes: adding-required-field" in red[SAFE]


def test_a_table_that_nothing_fills_is_named(suite: Suite) -> None:
    suite.write("src/orders/modules/mutants/__init__.py", "")
    text = (MUTANTS / "models.py").read_text()
    suite.write("src/orders/modules/mutants/models.py", text)
    suite.write("migrations/service/0002.py", (MUTANTS / "migration.py").read_text())
    red = suite.red("migrations")
    assert red.keys() == {UP_AND_DOWN}
    assert "mutants: has no row, no POST makes one" in red[UP_AND_DOWN]
