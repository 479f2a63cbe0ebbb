"""Prometheus rules: alerts, recording rules, and the tests of promtool."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roadbed.checklist.evidence import Place
from roadbed.checklist.facts.marked import NotYaml, load_all, mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.tree import Tree

_SHAPE = re.compile(r"(?m)^[ \t]*-?[ \t]*[\"']?(alert|record|rule_files)[\"']?\s*:")
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


@dataclass(frozen=True)
class Alert:
    """An alerting rule.

    Attributes:
        expression: PromQL, as written.
        wait: how long it must hold before it fires, in seconds.
        annotations, labels: as written.
        annotation_lines: where each annotation stands.
    """

    path: str
    line: int
    name: str
    expression: str
    wait: float
    labels: dict[str, str]
    annotations: dict[str, str]
    annotation_lines: dict[str, int]


@dataclass
class Alerts:
    """All rules of a service.

    Attributes:
        files: those that hold rules.
        records: the expressions of the recording rules, by their series.
        tests: files of `promtool test rules`.
    """

    files: list[str] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    records: dict[str, str] = field(default_factory=dict)
    tests: list[str] = field(default_factory=list)


def find(tree: Tree) -> Alerts:
    """The rules in the service's YAML files."""
    found = Alerts()
    for path in tree.matching(".yml", ".yaml", ".rules"):
        text = tree.text(path)
        if not _SHAPE.search(text):
            continue
        try:
            for document in load_all(text):
                _read(path, document, found)
        except NotYaml as error:
            tree.problem(Place(path, error.line), f"is no YAML: {error}")
    return found


def _read(path: str, document: Any, found: Alerts) -> None:
    content = mapping(document)
    if content.get("rule_files") and "tests" in content:
        found.tests.append(path)
        return
    groups = sequence(content.get("groups")) or sequence(mapping(content.get("spec")).get("groups"))
    for rule in (rule for group in groups for rule in sequence(mapping(group).get("rules"))):
        rule_content = mapping(rule)
        if path not in found.files:
            found.files.append(path)
        if "record" in rule_content:
            found.records[str(rule_content["record"])] = str(rule_content.get("expr", ""))
        elif "alert" in rule_content:
            found.alerts.append(_alert(path, rule_content))


def _alert(path: str, rule: dict[str, Any]) -> Alert:
    annotations = mapping(rule.get("annotations"))
    return Alert(
        path=path,
        line=getattr(rule, "line", 0),
        name=str(rule["alert"]),
        expression=str(rule.get("expr", "")),
        wait=seconds(str(rule.get("for", "0s"))),
        labels={str(key): str(value) for key, value in mapping(rule.get("labels")).items()},
        annotations={str(key): str(value) for key, value in annotations.items()},
        annotation_lines=getattr(annotations, "lines", {}),
    )


def seconds(duration: str) -> float:
    """A Prometheus duration, such as `1m30s`, in seconds."""
    return sum(int(count) * _SECONDS[unit] for count, unit in _DURATION.findall(duration))


def runbook_links(alerts: Alerts) -> Iterator[tuple[Alert, str, Place]]:
    """The alerts that name a page of the runbook, the link, and where it stands."""
    for alert in alerts.alerts:
        for name in ("runbook_url", "runbook"):
            if name in alert.annotations:
                line = alert.annotation_lines.get(name, alert.line)
                yield alert, alert.annotations[name], Place(alert.path, line)
