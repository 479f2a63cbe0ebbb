"""Reports as one JSON document, with a versioned schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadbed.checklist.checking import Report, Result
    from roadbed.checklist.evidence import Evidence

SCHEMA = 1


def write(reports: Sequence[Report]) -> str:
    """The JSON document of several services' reports."""
    return json.dumps(
        {"schema": SCHEMA, "services": [_service(each) for each in reports]}, indent=2
    )


def _service(report: Report) -> dict[str, Any]:
    return {
        "path": str(report.root),
        "summary": report.summary(),
        "items": [{"item": item.value, "state": state} for item, state in report.items().items()],
        "rules": [_rule(each) for each in report.results],
    }


def _rule(result: Result) -> dict[str, Any]:
    rule = result.rule
    return {
        "code": rule.code,
        "name": rule.name,
        "item": rule.item.value,
        "state": result.state,
        "evidence": [_evidence(each) for each in result.evidence],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    place = evidence.place
    return {
        "state": evidence.state,
        "message": evidence.message,
        "path": place.path if place else None,
        "line": (place.line or None) if place else None,
        "subject": evidence.subject or None,
        "reason": evidence.reason or None,
    }
