"""`roadbed check`: arguments in, words and exit codes out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from histories import build_file_tree
from typer.testing import CliRunner, Result

from roadbed.checklist import catalogue
from roadbed.checklist.facts import python
from roadbed.cli import app

SERVICE = {
    "pyproject.toml": "[project]\nname = 'orders'\n",
    "src/orders/__init__.py": "",
    "src/orders/calls.py": "import requests\nrequests.get(url)\n",
}


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


@pytest.fixture(autouse=True)
def service() -> None:
    build_file_tree(Path("orders"), SERVICE)


def test_findings_are_the_answer_no() -> None:
    result = check("orders")
    assert result.exit_code == 1
    assert result.stdout.startswith("orders\n")
    assert "✗ src/orders/calls.py:2  requests.get(…) waits for ever" in result.stdout
    assert "could not be verified" in result.stdout.splitlines()[-1]
    assert result.stderr == ""


def test_no_finding_is_the_answer_yes() -> None:
    assert check("orders", "--select", "select-star").exit_code == 0


@pytest.mark.parametrize(
    ("rule", "fail_on", "code"),
    [
        ("RB501", [], 0),  # unknown: there is no runbook
        ("RB501", ["unknown"], 1),
        ("RB501", ["warn"], 0),
        ("RB501", ["warn", "unknown"], 1),
        ("RB201", ["fail"], 1),
        ("RB402", ["unknown", "warn"], 0),  # does not apply
    ],
)
def test_what_is_red_is_for_the_caller_to_say(rule: str, fail_on: list[str], code: int) -> None:
    options = [option for each in fail_on for option in ("--fail-on", each)]
    assert check("orders", "--select", rule, *options).exit_code == code


def test_the_service_is_found_upwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("orders/src/orders")
    assert "src/orders/calls.py:2" in check("--select", "RB201").stdout
    assert "calls.py:2" in check(".", "--select", "RB201").stdout


def test_many_services_are_checked_at_once() -> None:
    build_file_tree(Path("invoices"), {"a.py": "x = 1\n"})
    result = check("orders", "invoices", "--select", "RB201", "--quiet")
    assert result.exit_code == 1
    assert result.stdout == (
        "orders: 0 of 1 items hold, 1 fails.\ninvoices: 0 of 0 items hold, 1 does not apply.\n"
    )
    as_json = json.loads(check("orders", "invoices", "--json").stdout)
    assert [Path(each["path"]).name for each in as_json["services"]] == ["orders", "invoices"]


def test_each_format_is_alone_on_standard_output() -> None:
    assert json.loads(check("orders", "--format", "json").stdout)["schema"] == 1
    assert json.loads(check("orders", "--format", "sarif").stdout)["version"] == "2.1.0"
    assert check("orders", "--format", "markdown").stdout.startswith("## Checklist of orders\n")
    assert check("orders", "--json").stdout == check("orders", "--format", "json").stdout


def test_all_rules_are_listed() -> None:
    listed = check("--list").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [[r.code, r.name] for r in catalogue.RULES]


@pytest.mark.parametrize("name", ["select-star", "RB301"])
def test_a_rule_is_explained(name: str) -> None:
    said = check("--explain", name).stdout
    assert said.startswith("select-star (RB301)\n")
    heads = ["What", "Why", "How it is found", "Known mistakes", "How to mend it", "Sources"]
    assert [line[:-1] for line in said.splitlines() if line.endswith(":")][:6] == heads
    assert "# checklist: allow[select-star] the reason" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "nowhere is not there."),
        (["orders/pyproject.toml"], "orders/pyproject.toml is no folder."),
        (["orders", "--select", "select-stars"], "Did you mean “select-star”?"),
        (["orders", "--ignore", "RB9"], "“RB9” is no rule."),
        (["orders", "--select", "RB301", "--ignore", "RB3"], "No rule is left to check."),
        (["--explain", "RB3"], "“RB3” is no rule."),
        (["orders", "--fail-on", "pass"], "Invalid value for '--fail-on'"),
        (["orders", "--format", "html"], "Invalid value for '--format'"),
        (["orders", ".", "--import-app", "a:b"], "--import-app is about one service."),
        (["orders", "--import-app", "a"], "“a” names no application."),
        (["orders", "--import-app", "orders.calls:app"], "gave no OpenAPI document"),
        (["broken"], "[tool.roadbed.check] in pyproject.toml is broken"),
        (["orders", "--no-such-option"], "No such option"),
    ],
)
def test_bad_input_is_a_sentence(arguments: list[str], sentence: str) -> None:
    build_file_tree(Path("broken"), {"pyproject.toml": "[tool.roadbed.check]\nx = 1\n"})
    result = check(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roadbed", "check", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_heavy_libraries_are_imported_only_when_needed() -> None:
    probe = "import sys; from roadbed.cli import app; app(sys.argv[1:], standalone_mode=False)"
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", probe, "check", "orders"],
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    imported = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    assert "roadbed.checklist.checking" in imported
    for heavy in ("copier", "sqlglot", "promql_parser", "rich.live", "markdown_it", "pydantic"):
        assert heavy not in imported


def test_a_large_service_is_read_by_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    call = "import requests\nrequests.get(x)\n"
    build_file_tree(Path("large"), {f"src/app/m{n}.py": call for n in range(50)})
    build_file_tree(Path("large"), {"src/app/odd.py": "x = (\n"})
    alone = check("large", "--json").stdout
    monkeypatch.setattr(python, "WORTH_A_PROCESS", 0)
    assert check("large", "--json").stdout == alone


@pytest.mark.usefixtures("interruptible")
def test_a_check_can_be_stopped() -> None:
    """Ctrl-C reaches every process of the group; one sentence comes back."""
    source = "\n".join(f"def f{n}(x):\n    return [x + {n} for x in range(x)]" for n in range(1000))
    build_file_tree(Path("large"), {f"src/app/m{n}.py": source for n in range(80)})
    command = [sys.executable, "-m", "roadbed", "check", "large"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        for _ in range(600):  # until its workers are there: it is reading then
            if len(children.read_text().split()) > 1:
                break
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said == "Stopped.\n"


def test_colours_are_for_terminals() -> None:
    assert "\x1b[" not in process("orders", TERM="xterm").stdout
