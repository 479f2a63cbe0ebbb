"""Small services for the checklist's tests, and what a rule finds in them."""

from __future__ import annotations

import json
from datetime import date
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from histories import build_file_tree

from roadbed.checklist import catalogue, checking, configuration
from roadbed.checklist.evidence import State

if TYPE_CHECKING:
    from pathlib import Path

    from roadbed.checklist.checking import Report, Result

TODAY = date(2026, 11, 22)


def check(root: Path, files: dict[str, str], *names: str, today: date = TODAY) -> Report:
    """What the rules of these names, or all of them, find in a service of these files."""
    build_file_tree(root, {path: dedent(text) for path, text in files.items()})
    rules = catalogue.select(list(names), [])
    return checking.check(root, rules, configuration.read(root), today)


def ask(root: Path, files: dict[str, str], name: str) -> Result:
    """What one rule finds. Its own defects are no findings."""
    (result,) = check(root, files, name).results
    assert not [each for each in result.evidence if "defect" in each.message]
    return result


def state(root: Path, files: dict[str, str], name: str) -> State:
    """How one rule stands."""
    return ask(root, files, name).state


def lines(result: Result, *states: State) -> list[str]:
    """Where its evidence is: `path:line`."""
    return [
        f"{each.place.path}:{each.place.line}"
        for each in result.of(*(states or (State.FAIL,)))
        if each.place
    ]


def red(report: Report) -> set[str]:
    """The rules that fail, warn or could not be verified."""
    loud = {State.FAIL, State.WARN, State.UNKNOWN}
    return {each.rule.name for each in report.results if each.state in loud}


def openapi(paths: dict[str, Any], **more: Any) -> str:
    """An OpenAPI document of these paths."""
    return json.dumps({"openapi": "3.1.0", "info": {}, "paths": paths, **more}, indent=2)


def answering(schema: Any, **operation: Any) -> dict[str, Any]:
    """An operation that answers this schema."""
    content = {"application/json": {"schema": schema}}
    return {"responses": {"200": {"description": "", "content": content}}, **operation}
