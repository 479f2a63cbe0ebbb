"""The alerts: Prometheus' own tool runs their tests, and no alert can be wrong unseen."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from .rendering import Service
from .test_rendered_documents import anchors

Rule = dict[str, Any]

SEVERITIES = {"page", "ticket"}


@pytest.fixture(scope="module")
def promtool() -> str:
    """Where promtool is. CI has it; elsewhere these tests are left out, and say so."""
    found = shutil.which("promtool")
    if found is None:
        how = "promtool is missing: apt install prometheus"
        pytest.fail(how) if os.environ.get("CI") else pytest.skip(how)
    return found


@pytest.fixture(scope="module")
def largest(rendered: Callable[..., Service]) -> Service:
    """The service with the most alerts."""
    return rendered(service_name="customer-invoice-api", outbox=True, deployment="none")


def rules(service: Service) -> list[Rule]:
    """Everything that `ops/alerts.yml` records and warns of, in order."""
    read = yaml.safe_load(service.texts("ops/alerts.yml")["ops/alerts.yml"])
    (group,) = read["groups"]
    return list(group["rules"])


def alerts(service: Service) -> dict[str, Rule]:
    return {rule["alert"]: rule for rule in rules(service) if "alert" in rule}


def test_every_alert_leads_to_its_own_section_of_the_runbook(service: Service) -> None:
    there = anchors(service.texts("RUNBOOK.md")["RUNBOOK.md"])
    for name, alert in alerts(service).items():
        document, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert (document, anchor) == ("RUNBOOK.md", name.lower())
        assert anchor in there
        assert alert["labels"]["severity"] in SEVERITIES


def test_every_alert_looks_at_this_service_alone(service: Service) -> None:
    """Prometheus watches other services too, which have metrics and records of the same names."""
    name = service.answers["service_name"]
    for rule in rules(service):
        words = re.findall(r"[a-z][\w:]*_[\w:]+(?!\w*\()|\bready\b", without_strings(rule["expr"]))
        selectors = re.findall(rf'[a-z][\w:]+{{job="{name}"', rule["expr"])
        functions = {"histogram_quantile", "quantile_over_time"}
        assert len([word for word in words if word not in functions]) == len(selectors)


def without_strings(expression: str) -> str:
    return re.sub(r'"[^"]*"', "", expression)


def test_the_tests_of_every_alert_pass_and_none_is_left_out(
    service: Service, promtool: str
) -> None:
    folder = service.folder / "ops"
    assert "SUCCESS" in checked(promtool, "check", "rules", folder / "alerts.yml")
    tests = yaml.safe_load((folder / "alerts_test.yml").read_text("utf-8"))["tests"]
    expected = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in tests
        for case in test["alert_rule_test"]
    }
    assert expected == {(name, fires) for name in alerts(service) for fires in (True, False)}


def checked(promtool: str, *arguments: str | Path) -> str:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_mutant_of_an_alert_fails_its_tests(
    largest: Service, promtool: str, tmp_path: Path
) -> None:
    """All mutants at once, each an alert of its own beside the true ones, with the same tests."""
    breeds = {name: dict(mutants(largest, name)) for name in alerts(largest)}
    bred = [rule for breed in breeds.values() for made in breed.values() for rule in made]
    group = {"name": "all", "rules": [*rules(largest), *bred]}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [group]}, sort_keys=False))

    tests = yaml.safe_load(largest.texts("alerts_test.yml")["ops/alerts_test.yml"])
    for test in tests["tests"]:
        test["alert_rule_test"] += [
            {**case, "alertname": mutant}
            for case in test["alert_rule_test"]
            for mutant in breeds[case["alertname"]]
        ]
    (tmp_path / "alerts_test.yml").write_text(yaml.safe_dump(tests))
    command = [promtool, "test", "rules", tmp_path / "alerts_test.yml"]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    failed = set(re.findall(r"alertname: (.+?), time:", output.stdout + output.stderr))
    assert all(len(breed) >= 5 for breed in breeds.values())
    assert failed == {mutant for breed in breeds.values() for mutant in breed}


def mutants(service: Service, name: str) -> Iterator[tuple[str, list[Rule]]]:
    """Every way to spoil an alert, by a name for it, with the rules that it takes."""
    true = alerts(service)[name]
    spoiled = [
        *((f"for {each}", {"for": each}) for each in other_times(true["for"])),
        *((f"expr {expr}", {"expr": expr}) for expr in other_expressions(true["expr"])),
        ("severity", {"labels": {"severity": "none"}}),
    ]
    if "keep_firing_for" in true:
        spoiled.append(("at once over", {"keep_firing_for": "0s"}))
    for number, (_, change) in enumerate(spoiled):
        mutant = f"{name}_{number}"
        yield mutant, [true | change | {"alert": mutant}]

    records = used(service, true["expr"])
    together = "".join(record["expr"] for record in records)
    for number, (old, new) in enumerate(SPOILED):
        if old in together:
            mutant = f"{name}_record_{number}"
            copies = deepcopy([*records, true | {"alert": mutant}])
            for rule in copies:
                rule["expr"] = rule["expr"].replace(old, new)
                for record in records:
                    rule["expr"] = rule["expr"].replace(f"{record['record']}{{", f"{record['record']}_{number}{{")
                if "record" in rule:
                    rule["record"] += f"_{number}"
            yield mutant, copies


# What is recorded, and how it could be wrong.
SPOILED = [
    ("histogram_quantile(0.95", "histogram_quantile(0.5"),
    ("[1m]", "[5m]"),
    (">= 1\n", ">= 2\n"),
    (">= 1\n", ">= 0.5\n"),
    (', route=~"/api/.+"', ""),
    ("quantile_over_time(0.5", "quantile_over_time(1"),
    (" offset 10m", ""),
    (">= 0.1)", ">= 0.2)"),
    (">= 0.1)", ">= 0.05)"),
    (', status=~"5.."', ""),
    (', route!~"/livez|/readyz"', ""),
]


def used(service: Service, expression: str) -> list[Rule]:
    """The records that an alert stands on, in order."""
    found: list[Rule] = []
    for rule in reversed(rules(service)):
        if "record" in rule and f"{rule['record']}{{" in expression:
            found.insert(0, rule)
            expression += rule["expr"]
    return found


def other_times(time: str) -> list[str]:
    """Twice as long and half as long."""
    number, unit = int(time[:-1]), {"s": 1, "m": 60, "h": 3600}[time[-1]]
    return [f"{number * unit * 2}s", f"{number * unit // 2}s"]


def other_expressions(expression: str) -> Iterator[str]:
    """Twice and half the first threshold; each condition and each alternative left out."""
    threshold = re.compile(r"(?<=> )[\d.]+")
    (first, *_) = [float(number) for number in threshold.findall(expression)] or [0.0]
    if first:
        yield threshold.sub(str(first * 2), expression, count=1)
        yield threshold.sub(str(first / 2), expression, count=1)
    lines = expression.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("and "):
            yield "\n".join(lines[:at] + lines[at + 1 :])
    if " or " in " ".join(lines):
        left, _, right = " ".join(lines).partition(" or ")
        yield left
        yield right
