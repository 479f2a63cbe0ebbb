"""The dashboard and the alerts speak of metrics that there are."""

import json
import re
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias
from urllib.request import urlopen

import pytest
import yaml

from .machine import eventually
from .rendering import Service
from .shift import call, free_port, served
from .test_alerts import alerts, rules

OF_THE_SCRAPE = {"instance", "job"}
SAMPLE = re.compile(r"^(\w+)(?:{(.*)})? \S+$", re.MULTILINE)
ISSUER = "http://127.0.0.1:9"  # an identity provider that does not answer

Served: TypeAlias = Mapping[str, set[str]]  # metrics as Prometheus stores them, and their labels


@dataclass(frozen=True)
class Pages:
    """What a service and the worker of its outbox say at `/metrics`."""

    service: Served
    outbox: Served

    def of(self, service: Service) -> Served:
        """What one with other answers says."""
        return {**self.service, **(self.outbox if service.answers["outbox"] else {})}


@pytest.fixture(scope="session")
def pages(installed: Callable[..., Service], env: dict[str, str]) -> Pages:
    """Both pages, once requests have come and a call has gone out."""
    service = installed(outbox=True, oidc=True, deployment="none")
    ports = [free_port(), free_port()]
    settings = {"SHELL": "sh", "METRICS_PORT": ports[0], "DATABASE_MAX_CONNECTIONS": "200"}
    settings |= {"OIDC_ISSUER": ISSUER, "OIDC_AUDIENCE": "orders"}
    settings |= {"OUTBOX_URLS": '{"paid": "http://127.0.0.1:9/"}'}
    create = "python -m orders keys create --account acme --name test --scope '*' > key"
    worker = f"METRICS_PORT={ports[1]} python -m orders outbox &"
    lines = ["alembic upgrade heads", create, worker]
    serve = "python -m orders serve"
    with served(service, env | settings, serve, service.folder, *lines) as (address, _, _):
        key = (service.folder / "key").read_text().strip()
        body = '{"amount": 1, "currency": "EUR"}'
        assert call("POST", f"{address}/api/v1/payments", key, body).status == 201
        # Whose keys are asked for, in vain.
        token = ".".join(map(_part, ({"alg": "RS256", "kid": "k"}, {"iss": ISSUER}, {})))
        assert call("GET", f"{address}/api/v1/payments", token).status == 503
        both = [eventually(partial(_scraped, port), lambda: "metrics") for port in ports]
        return Pages(*both)


def _part(of_a_token: object) -> str:
    return urlsafe_b64encode(json.dumps(of_a_token).encode()).decode().rstrip("=")


def _scraped(port: str) -> Served | None:
    """A page, once the first look at the process is on it, without what the client library adds."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            text = page.read().decode()
    except OSError:
        return None
    samples = SAMPLE.findall(text)
    found = {name: set(re.findall(r'(\w+)="', labels)) for name, labels in samples}
    whole = {"outgoing_requests_total", "ready"} <= found.keys() or "outbox_waiting" in found
    ours = (name for name in found if not name.startswith(("python_", "process_")))
    return {name: found[name] for name in ours} if whole else None


def metrics(service: Service, pages: Pages) -> Served:
    """What a service serves and what its own rules record, with their labels."""
    recorded = {rule["record"]: set[str]() for rule in rules(service) if "record" in rule}
    return {**pages.of(service), **recorded}


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


def test_every_metric_that_is_asked_for_is_there(service: Service, pages: Pages) -> None:
    there = metrics(service, pages)
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


def test_every_metric_and_every_alert_is_on_the_dashboard(service: Service, pages: Pages) -> None:
    """Whoever is paged sees there what the alert saw."""
    shown = {name for _, expression in queries(service) for name, _ in selectors(expression)}
    there = {
        name for name in pages.of(service) if not name.endswith(("_count", "_sum", "_created"))
    }
    assert there - shown == set()
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


@pytest.mark.parametrize("panel", ["Requests", "Failures", "Slowest routes", "Time of calls"])
def test_the_runbook_names_panels_that_there_are(panel: str, default_service: Service) -> None:
    board = json.loads(default_service.texts("ops/dashboard.json")["ops/dashboard.json"])
    assert panel in [each["title"] for each in board["panels"]]
    assert f'"{panel}"' in default_service.texts("RUNBOOK.md")["RUNBOOK.md"]
