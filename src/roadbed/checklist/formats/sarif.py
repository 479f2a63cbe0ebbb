"""Reports as SARIF 2.1.0, which code hosts show beside the lines.

Source: the OASIS standard. Fingerprints go by rule, file and subject, so that a finding stays the
same finding when lines move; what is waived carries its reason as a suppression.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from roadbed.checklist.checking import fingerprints
from roadbed.checklist.evidence import Evidence, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadbed.checklist.checking import Report, Result
    from roadbed.checklist.rule import Rule

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {State.FAIL: "error", State.WARN: "warning", State.WAIVED: "error"}


def write(reports: Sequence[Report], version: str) -> str:
    """The SARIF log: a run for each service. `version` is Roadbed's."""
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [_run(each, version) for each in reports],
    }
    return json.dumps(log, indent=2)


def _run(report: Report, version: str) -> dict[str, Any]:
    driver = {
        "name": "Roadbed",
        "semanticVersion": version,
        "rules": [_rule(each.rule) for each in report.results],
    }
    results = [
        _result(result, place, evidence, name)
        for place, result in enumerate(report.results)
        for evidence, name in zip(result.evidence, fingerprints(result), strict=True)
        if evidence.state not in {State.PASS, State.NA}
    ]
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"roadbed-check/{report.root.name}/"},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    words = f"{rule.promise}\n\n{rule.why}\n\nTo mend it: {rule.mend}"
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.promise},
        "fullDescription": {"text": rule.why},
        "help": {"text": words, "markdown": words},
        "defaultConfiguration": {"level": "error"},
    }


def _result(result: Result, index: int, evidence: Evidence, name: str) -> dict[str, Any]:
    failing = evidence.state is not State.UNKNOWN
    sarif: dict[str, Any] = {
        "ruleId": result.rule.code,
        "ruleIndex": index,
        "kind": "fail" if failing else "open",
        "level": _LEVELS.get(evidence.state, "none"),
        "message": {"text": evidence.message},
        "locations": [_location(evidence)],
        "partialFingerprints": {"roadbed/v1": name},
    }
    if evidence.state is State.WAIVED:
        sarif["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": evidence.reason}
        ]
    return sarif


def _location(evidence: Evidence) -> dict[str, Any]:
    """Where it is; what is about no file in particular stands at the README, which readers open."""
    path = evidence.place.path if evidence.place else "README.md"
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(os.fsencode(path))}}
    if evidence.place and evidence.place.line:
        physical["region"] = {"startLine": evidence.place.line}
    return {"physicalLocation": physical}
