"""The dashboard and the alerts speak of metrics that there are."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from .rendering import Service
from .test_alerts import alerts, rules

# What a service says at `/metrics`: names as Prometheus stores them, and their labels.
METRICS: Mapping[str, set[str]] = {
    "database_connections_in_use": set(),
    "database_connections_limit": set(),
    "database_connections_waiting": set(),
    "http_request_duration_seconds_bucket": {"method", "route", "le"},
    "http_request_duration_seconds_count": {"method", "route"},
    "http_requests_in_flight": set(),
    "http_requests_total": {"method", "route", "status"},
    "idempotency_outcomes_total": {"outcome"},
    "outgoing_requests_total": {"host", "outcome"},
    "rate_limit_decisions_total": {"policy", "decision"},
    "ready": set(),
    "service_info": {"service", "version", "template_version"},
}
OF_THE_OUTBOX: Mapping[str, set[str]] = {
    "outbox_dead": set(),
    "outbox_oldest_seconds": set(),
    "outbox_waiting": set(),
}
OF_THE_SCRAPE = {"instance", "job"}


def metrics(service: Service) -> dict[str, set[str]]:
    """What a service serves and what its own rules record, with their labels."""
    served = {**METRICS, **(OF_THE_OUTBOX if service.answers["outbox"] else {})}
    recorded = {rule["record"]: set[str]() for rule in rules(service) if "record" in rule}
    return served | recorded


def queries(service: Service) -> list[tuple[str, str]]:
    """The queries of the dashboard, each with its legend."""
    board = json.loads(service.texts("ops/dashboard.json")["ops/dashboard.json"])
    return [
        (target["legendFormat"], target["expr"])
        for panel in board["panels"]
        for target in panel["targets"]
    ]


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics that an expression reads, and the labels that it asks for."""
    return [
        (name, set(re.findall(r'(\w+)(?:=|!=|=~|!~)"', labels)))
        for name, labels in re.findall(r"([a-z][\w:]*)\{(.*?)\}", expression)
    ]


def test_every_metric_that_is_asked_for_is_there(service: Service) -> None:
    there = metrics(service)
    expressions = [expression for _, expression in queries(service)]
    expressions += [rule["expr"] for rule in rules(service)]
    for expression in expressions:
        assert selectors(expression)
        for name, labels in selectors(expression):
            assert name in there, expression
            assert labels <= there[name] | OF_THE_SCRAPE, expression
            assert f'{name}{{job="{service.answers["service_name"]}"' in expression


def test_every_legend_names_labels_that_the_query_keeps(service: Service) -> None:
    for legend, expression in queries(service):
        named = set(re.findall(r"\{\{(\w+)\}\}", legend))
        kept = re.findall(r"by \((.*?)\)", expression)
        assert named <= (set(re.split(", ", kept[0])) if kept else OF_THE_SCRAPE), legend


def test_every_metric_and_every_alert_is_on_the_dashboard(service: Service) -> None:
    """Whoever is paged sees there what the alert saw."""
    shown = {name for _, expression in queries(service) for name, _ in selectors(expression)}
    served = METRICS.keys() | (OF_THE_OUTBOX.keys() if service.answers["outbox"] else set())
    assert served - shown == {"http_request_duration_seconds_count"}
    for rule in alerts(service).values():
        for name, _ in selectors(rule["expr"]):
            of_the_histogram = name.startswith("job:http_request_duration_seconds:p95")
            of_the_failures = name.startswith("job:http_requests:error_ratio")
            assert name in shown or of_the_histogram or of_the_failures


def test_prometheus_understands_every_query(
    rendered: Callable[..., Service], promtool: str, tmp_path: Path
) -> None:
    asked = [expression for _, expression in queries(rendered(outbox=True))]
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(asked)
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert f"{len(asked)} rules found" in done.stdout, done.stderr


def test_panels_lie_side_by_side(service: Service) -> None:
    board = json.loads(service.texts("ops/dashboard.json")["ops/dashboard.json"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(places) + 1))


@pytest.mark.parametrize("panel", ["Requests", "Failures", "Slowest routes", "Calls to others"])
def test_the_runbook_names_panels_that_there_are(panel: str, default_service: Service) -> None:
    board = json.loads(default_service.texts("ops/dashboard.json")["ops/dashboard.json"])
    assert panel in [each["title"] for each in board["panels"]]
    assert f'"{panel}"' in default_service.texts("RUNBOOK.md")["RUNBOOK.md"]
