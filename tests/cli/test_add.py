"""`roadbed add`, on services of this repository's own template; nothing of them is run."""

from __future__ import annotations

import ast
import json
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from histories import git, made
from typer.testing import CliRunner, Result

from roadbed.cli import app

if TYPE_CHECKING:
    from pathlib import Path

INVOICE = ("invoice", "amount:int", "currency:str(3)", "due_on:date?", "status:enum(draft,sent)")


@pytest.fixture(scope="module")
def fresh(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service that nobody touches."""
    return made(snapshot, tmp_path_factory.mktemp("fresh") / "orders", "v9.9.9")


@pytest.fixture
def service(fresh: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(fresh, tmp_path / "orders")


def add(service: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["add", *arguments, "--in", str(service)])


def document(result: Result) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def everything(service: Path) -> dict[str, bytes]:
    return {
        path.relative_to(service).as_posix(): path.read_bytes()
        for path in service.rglob("*")
        if path.is_file() and "index" not in path.name
    }


def test_a_resource_is_seven_files_a_migration_and_nothing_that_stood_is_touched(
    service: Path,
) -> None:
    before = everything(service)
    told = document(add(service / "src", "resource", *INVOICE, "--json"))
    assert told["written"] is True
    assert told["template"]["version"] == "v9.9.9"
    after = everything(service)
    assert {path: after[path] for path in before} == before
    new = {each["path"] for each in told["files"]}
    assert after.keys() - before.keys() == new
    module = {"__init__", "models", "repository", "routes", "schemas", "service"}
    assert {path for path in new if path.startswith("src/")} == {
        f"src/orders/modules/invoices/{name}.py" for name in module
    }
    (migration,) = (path for path in new if path.startswith("migrations/"))
    assert 'down_revision = "service_0001"' in (service / migration).read_text()
    for path in new:
        ast.parse(after[path])


def test_the_next_migration_follows_the_one_before(service: Path) -> None:
    add(service, "resource", "customer", "name:str:20")
    told = document(add(service, "resource", "invoice", "customer:ref", "amount:int?", "--json"))
    first = next((service / "migrations/service").glob("*_customers.py"))
    second = service / next(f["path"] for f in told["files"] if f["path"].startswith("migr"))
    assert f'down_revision = "{first.name.partition("_")[0]}"' in second.read_text()
    models = (service / "src/orders/modules/invoices/models.py").read_text()
    assert 'ForeignKey("customers.id")' in models


def test_the_first_module_comes_from_the_same_files(service: Path) -> None:
    """What the first module has is found in an added one of the same kind."""
    add(service, "resource", "refund", "amount:bigint", "currency:text")
    modules = service / "src/orders/modules"
    for file in ("__init__", "repository", "routes", "service"):
        first = (modules / "payments" / f"{file}.py").read_text()
        words = first.replace("payment", "refund").replace("Payment", "Refund")
        assert (modules / "refunds" / f"{file}.py").read_text() == words


def test_a_dry_run_shows_the_patch_that_would_be_made(service: Path) -> None:
    before = everything(service)
    shown = add(service, "resource", *INVOICE, "--dry-run")
    assert everything(service) == before
    told = document(add(service, "resource", *INVOICE, "--dry-run", "--json"))
    assert told["written"] is False
    assert told["diff"] == shown.stdout
    subprocess.run(["git", "apply", "-"], cwd=service, input=shown.stdout, text=True, check=True)
    applied = everything(service)
    git(service, "clean", "-fdq")
    add(service, "resource", *INVOICE)
    assert everything(service) == applied


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["invoice"], "would keep nothing"),
        (["payment", "amount:int"], "a module payments already"),
        (["payments", "amount:int"], "a module payments already"),
        (["invoices", "amount:int"], "looks like a plural"),
        (["account", "name:text"], "“account” won't do as a resource"),
        (["class", "name:text"], "won't do as a resource"),
        (["{{noun}}", "name:text"], "won't do as a resource"),
        (["reference", "name:text"], "SQL reserves"),
        (["invoice", "customer:ref"], "there is no module customers"),
        (["invoice", "account:ref"], "there is no module accounts"),
        (["invoice", "amount"], "is no field"),
        (["invoice", "amount:float"], "no type “float”"),
        (["invoice", "id:int"], "of its own"),
        (["invoice", "order:int"], "SQL reserves"),
        (["invoice", "amount:int", "amount:int"], "two fields"),
    ],
)
def test_bad_input_is_two_sentences_and_changes_nothing(
    service: Path, arguments: list[str], why: str
) -> None:
    result = add(service, "resource", *arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert result.stdout == ""
    assert git(service, "status", "--porcelain") == ""


def test_what_is_there_is_not_overwritten(service: Path) -> None:
    taken = service / "tests/modules/invoices/test_invoices.py"
    taken.parent.mkdir()
    taken.write_text("mine\n")
    result = add(service, "resource", *INVOICE)
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert taken.read_text() == "mine\n"
    assert git(service, "status", "--porcelain") == "?? tests/modules/invoices/"


def test_two_heads_are_a_sentence(service: Path) -> None:
    folder = service / "migrations/service"
    for name in "ab":
        (folder / f"{name}.py").write_text(f'revision = "{name}"\ndown_revision = "service_0001"\n')
    result = add(service, "resource", *INVOICE)
    assert result.exit_code == 2
    assert "2 heads: a, b" in result.stderr


def test_an_older_template_says_that_it_can_not(tmp_path: Path, small: Path) -> None:
    service = made(small, tmp_path / "old")
    (service / "src/old/modules").mkdir(parents=True)
    (service / "src/old/modules/__init__.py").write_text("")
    result = add(service, "resource", *INVOICE)
    assert result.exit_code == 2
    assert "v1.0.0, which this service is from, has no way yet" in result.stderr
    assert "roadbed update" in result.stderr


def test_a_signal_leaves_nothing(service: Path) -> None:
    """At whatever moment it comes; SIGTERM, since Ctrl-C may be ignored where this suite runs."""
    before = git(service, "status", "--porcelain")
    for wait in (0.05, 0.4, 0.8):
        adding = subprocess.Popen(
            [sys.executable, "-m", "roadbed", "add", "resource", *INVOICE],
            cwd=service,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(wait)
        adding.send_signal(signal.SIGTERM)
        if adding.wait() == 0:
            break
        assert git(service, "status", "--porcelain") == before


def test_what_is_added_after_a_kill_follows_what_is_whole(service: Path) -> None:
    """The killed one's migration is gone before the next one looks for the last."""
    script = (
        "import os, sys; from roadbed.adding import writing; from roadbed.cli import app\n"
        "put, seen = writing._put, []\n"
        "def dying(file, change):\n"
        "    if len(seen) == 3: os.kill(os.getpid(), 9)\n"
        "    seen.append(put(file, change))\n"
        "writing._put = dying\n"
        "app()"
    )
    words = [sys.executable, "-c", script, "add", "resource", *INVOICE]
    assert subprocess.run(words, cwd=service, check=False).returncode == -signal.SIGKILL
    looked = add(service, "resource", *INVOICE, "--dry-run")
    assert looked.exit_code == 2
    assert "was killed half-way" in looked.stderr
    told = document(add(service, "resource", "customer", "name:text", "--json"))
    migration = next(f["path"] for f in told["files"] if f["path"].startswith("migrations/"))
    assert 'down_revision = "service_0001"' in (service / migration).read_text()
    assert add(service, "resource", *INVOICE).exit_code == 0


def test_of_two_at_once_the_second_follows_the_first_or_is_refused(service: Path) -> None:
    words = [sys.executable, "-m", "roadbed", "add", "resource"]
    both = [
        subprocess.Popen([*words, noun, "name:text"], cwd=service, stderr=subprocess.PIPE)
        for noun in ("apple", "berry")
    ]
    for each in both:
        _, said = each.communicate()
        assert each.returncode == 0 or b"Another `roadbed add`" in said
    assert add(service, "resource", "cherry", "name:text").exit_code == 0  # there is one head


class TestVersion:
    def test_a_version_begins_as_the_team_has_the_one_before(self, service: Path) -> None:
        module = service / "src/orders/modules/payments"
        routes = (module / "routes.py").read_text()
        (module / "routes.py").write_text(f"{routes}\n\n# The team's own words.\n")
        before = everything(service)
        told = document(add(service, "version", "v2", "--json"))
        after = everything(service)
        assert {path: after[path] for path in before} == before
        assert {each["path"] for each in told["files"]} == {
            "src/orders/modules/payments/routes_v2.py",
            "src/orders/modules/payments/schemas_v2.py",
            "tests/modules/payments/test_payments_v2.py",
        }
        new = (module / "routes_v2.py").read_text()
        assert new.endswith("# The team's own words.\n")
        assert "schemas_v2.PaymentReadV2" in new
        assert "schemas.Payment" not in new
        assert "from . import schemas_v2, service" in new
        schemas = (module / "schemas_v2.py").read_text()
        assert "class PaymentReadV2(PaymentRead):" in schemas
        assert "/api/v2/payments" in (service / told["files"][2]["path"]).read_text()

    def test_the_third_follows_the_second(self, service: Path) -> None:
        add(service, "resource", "customer", "name:text")
        add(service, "version", "v2", "--resource", "payments")
        assert add(service, "version", "v3").exit_code == 0
        modules = service / "src/orders/modules"
        assert "(PaymentReadV2)" in (modules / "payments/schemas_v3.py").read_text()
        assert "class PaymentReadV3" in (modules / "payments/schemas_v3.py").read_text()
        assert "schemas_v2" not in (modules / "payments/routes_v3.py").read_text()
        assert "(CustomerRead)" in (modules / "customers/schemas_v3.py").read_text()

    def test_bodies_that_are_imported_by_name_are_renamed_too(self, service: Path) -> None:
        routes = service / "src/orders/modules/payments/routes.py"
        text = routes.read_text().replace(
            "from . import schemas, service\nfrom .models import Payment\n",
            "from . import service\nfrom .models import Payment\n"
            "from .schemas import Amount, PaymentChange, PaymentCreate, PaymentRead as Read\n",
        )
        text = text.replace("schemas.PaymentRead", "Read").replace("schemas.Payment", "Payment")
        routes.write_text(f"{text}\n\nSMALLEST: Amount = 1\n")
        assert add(service, "version", "v2").exit_code == 0
        new = routes.with_name("routes_v2.py").read_text()
        assert "from .schemas import Amount\n" in new
        assert "PaymentReadV2 as Read" in new
        assert "PaymentCreateV2 as PaymentCreate" in new
        ast.parse(new)

    def test_a_deprecation_is_a_setting(self, service: Path) -> None:
        settings = service / "src/orders/settings.py"
        settings.write_text(f"{settings.read_text()}\n    refund_days: int = 30  # ours\n")
        days = ("--deprecate", "2027-01-31", "--sunset", "2027-07-31")
        assert add(service, "version", "v2", *days).exit_code == 0
        text = settings.read_text()
        assert "    refund_days: int = 30  # ours\n" in text
        assert "since=date(2027, 1, 31), sunset=date(2027, 7, 31)" in text
        result = add(service, "version", "v3", *days)
        assert result.exit_code == 2
        assert "speaks of api_deprecated already" in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["v1"], "does not follow v1"),
            (["v3"], "does not follow v1"),
            (["2"], "is no version"),
            (["v02"], "is no version"),
            (["v2", "--resource", "invoices"], "no resource “invoices”"),
            (["v2", "--resource", "../payments"], "no resource"),
            (["v2", "--deprecate", "soon"], "is no day"),
            (["v2", "--sunset", "2027-01-31"], "the end of a deprecation"),
            (["v2", "--deprecate", "2027-01-31", "--sunset", "2027-01-01"], "before"),
        ],
    )
    def test_bad_input_changes_nothing(self, service: Path, arguments: list[str], why: str) -> None:
        result = add(service, "version", *arguments)
        assert result.exit_code == 2
        assert why in result.stderr
        assert git(service, "status", "--porcelain") == ""

    def test_a_version_that_a_resource_has_is_not_overwritten(self, service: Path) -> None:
        add(service, "version", "v2")
        for arguments in (["v2"], ["v2", "--resource", "payments"]):
            assert add(service, "version", *arguments).exit_code == 2
