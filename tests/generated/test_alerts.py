"""The alerts: Prometheus' own tool runs their tests, and no alert can be wrong unseen."""

import re
import subprocess
import sys
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
ALERTS = [
    "DatabasePoolSaturated",
    "ErrorBudgetBurnsFast",
    "ErrorBudgetBurnsSlowly",
    "LatencyAboveObjective",
    "NotReady",
    "OutboxBehind",
    "OutboxDead",
    "P95LatencyDoubled",
    "RateLimitStoreDown",
]


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


def test_every_decision_that_an_alert_looks_for_is_one_that_the_service_counts(
    service: Service,
) -> None:
    (limiter,) = service.texts("rate_limit/limiter.py").values()
    counted = set(
        re.findall(r'"(\w+)"', limiter[limiter.index("ALLOWED, ") : limiter.index("class ")])
    )
    assert {"allowed", "degraded", "closed"} <= counted
    for text in service.texts("ops/alerts*.yml").values():
        looked_for = re.findall(r'decision=~?"([\w|]+)"', text)
        assert looked_for
        assert {each for found in looked_for for each in found.split("|")} <= counted


def without_strings(expression: str) -> str:
    return re.sub(r'"[^"]*"', "", expression)


def test_the_alerts_and_their_tests_are_well_formed(service: Service, promtool: str) -> None:
    folder = service.folder / "ops"
    checked(promtool, "check", "rules", folder / "alerts.yml")
    tests = yaml.safe_load((folder / "alerts_test.yml").read_text("utf-8"))["tests"]
    expected = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in tests
        for case in test["alert_rule_test"]
    }
    assert expected == {(name, fires) for name in alerts(service) for fires in (True, False)}


def test_the_checklist_has_the_doubling_tried(service: Service, promtool: str) -> None:
    check = ["-m", "roadbed", "check", str(service.folder), "--select", "RB401", "--json"]
    done = subprocess.run([sys.executable, *check], capture_output=True, text=True, check=True)
    assert Path(promtool).name == "promtool"
    assert "promtool passes the tests of P95LatencyDoubled" in done.stdout


def checked(promtool: str, *arguments: str | Path) -> str:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ALERTS)
def test_a_mutant_of_an_alert_fails_its_tests(
    name: str, largest: Service, promtool: str, tmp_path: Path
) -> None:
    """All its mutants at once: each is an alert beside the true one, with the same tests."""
    true = alerts(largest)[name]
    breed = dict(mutants(largest, name))
    bred = [rule for made in breed.values() for rule in made]
    group = {"name": name, "rules": [*used(largest, true["expr"]), true, *bred]}
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": [group]}, sort_keys=False))

    tests = yaml.safe_load(largest.texts("alerts_test.yml")["ops/alerts_test.yml"])
    for test in tests["tests"]:
        cases = [case for case in test["alert_rule_test"] if case["alertname"] == name]
        test["alert_rule_test"] = [
            {**case, "alertname": each} for case in cases for each in (name, *breed)
        ]
    tests["tests"] = [test for test in tests["tests"] if test["alert_rule_test"]]
    (tmp_path / "alerts_test.yml").write_text(yaml.safe_dump(tests))
    command: list[str | Path] = [promtool, "test", "rules", tmp_path / "alerts_test.yml"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert set(re.findall(r"alertname: (.+?), time:", output)) == breed.keys()


def test_every_alert_has_mutants(largest: Service) -> None:
    assert sorted(alerts(largest)) == ALERTS
    assert all(len(dict(mutants(largest, name))) >= 3 for name in ALERTS)


def mutants(service: Service, name: str) -> Iterator[tuple[str, list[Rule]]]:
    """Every way to spoil an alert, by a name for it, with the rules that it takes."""
    true = alerts(service)[name]
    spoiled: list[tuple[str, Rule]] = [
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
        if old in together and (name, new) not in UNTRIED:
            mutant = f"{name}_record_{number}"
            copies = deepcopy([*records, true | {"alert": mutant}])
            for rule in copies:
                rule["expr"] = rule["expr"].replace(old, new)
                for record in records:
                    rule["expr"] = rule["expr"].replace(
                        f"{record['record']}{{", f"{record['record']}_{number}{{"
                    )
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
    (">= 0.1)", ">= 0.2)"),
    (">= 0.1)", ">= 0.05)"),
    (', status=~"5.."', ""),
    (', route!~"/livez|/readyz"', ""),
]


# It would take three days of too few requests.
UNTRIED = {("ErrorBudgetBurnsSlowly", ">= 0.05)")}


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
    """Twice and half of every threshold; each condition and each alternative left out."""
    thresholds = re.compile(r"(?<=> )[\d.]*[1-9][\d.]*")
    if thresholds.search(expression):
        yield thresholds.sub(lambda found: str(float(found[0]) * 2), expression)
        yield thresholds.sub(lambda found: str(float(found[0]) / 2), expression)
    lines = expression.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("and "):
            yield "\n".join(lines[:at] + lines[at + 1 :])
    if " or " in " ".join(lines):
        left, _, right = " ".join(lines).partition(" or ")
        yield left
        yield right
