"""What the unit tests of some alerts say: promtool runs them, where it is installed.

Those alerts with what they are made of, and their tests alone: simulated time is dear, and a whole
file goes through hours of it for alerts that are no matter of the checklist.
"""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatch
from pathlib import Path
from posixpath import dirname, join, normpath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from roadbed.checklist import programs
from roadbed.checklist.evidence import Place, failed, irrelevant, passed, unknown
from roadbed.checklist.facts.marked import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.alerts import Alerts
    from roadbed.checklist.service import Service

_NAME = re.compile(r"[a-zA-Z_:][\w:]*")


def trial(service: Service, alerts: Collection[str]) -> Iterator[Evidence]:
    """One piece of evidence for each file with tests of these alerts."""
    tool = shutil.which("promtool")
    for path, content in service.alerts.tests.items():
        tests = _about(alerts, content)
        if not tests:
            continue
        if tool is None:
            yield irrelevant("Its tests were not run: promtool is not installed", Place(path))
            continue
        with TemporaryDirectory(prefix="roadbed-alerts-") as folder:
            here = Path(folder)
            _write(here / "rules.yml", {"groups": _needed(service.alerts, path, alerts)})
            alone = {"rule_files": ["rules.yml"], "tests": tests, "group_eval_order": []}
            _write(here / "tests.yml", {**content, **alone})
            is_content, said = programs.run(tool, "test", "rules", "tests.yml", at=here)
        words = " ".join(said.split())[-300:]
        if is_content is None:
            yield unknown(f"promtool did not finish: {words}", Place(path))
        elif is_content:
            yield passed(f"promtool passes the tests of {' and '.join(alerts)}", Place(path))
        else:
            message = f"promtool fails the tests of {' and '.join(alerts)}: {words}"
            yield failed(message, Place(path), subject="promtool")


def _about(alerts: Collection[str], content: dict[str, Any]) -> list[dict[str, Any]]:
    """The tests in a file that are about these alerts, and nothing else of them."""
    found = []
    for test in map(mapping, sequence(content.get("tests"))):
        cases = sequence(test.get("alert_rule_test"))
        chosen = [case for case in cases if mapping(case).get("alertname") in alerts]
        if chosen:
            found.append({**test, "alert_rule_test": chosen, "promql_expr_test": []})
    return found


def _needed(rules: Alerts, path: str, alerts: Collection[str]) -> list[dict[str, Any]]:
    """The groups that a file of tests names, with these alerts and the records behind them."""
    patterns = sequence(rules.tests[path].get("rule_files"))
    wanted = [normpath(join(dirname(path), str(pattern))) for pattern in patterns]
    named = [file for file in rules.groups if any(fnmatch(file, each) for each in wanted)]
    groups = [group for file in named for group in rules.groups[file]]
    every = [mapping(rule) for group in groups for rule in sequence(group.get("rules"))]
    behind = _behind([rule for rule in every if rule.get("alert") in alerts], every)
    return [
        {**group, "name": str(number), "rules": kept}
        for number, group in enumerate(groups)
        if (kept := [rule for rule in sequence(group.get("rules")) if id(rule) in behind])
    ]


def _behind(rules: list[dict[str, Any]], every: list[dict[str, Any]]) -> set[int]:
    """The identities of rules, and of all records that they are made of."""
    found: dict[int, dict[str, Any]] = {}
    while rules:
        found |= {id(rule): rule for rule in rules}
        names = {name for rule in rules for name in _NAME.findall(str(rule.get("expr")))}
        rules = [each for each in every if each.get("record") in names and id(each) not in found]
    return set(found)


class _Dumper(yaml.SafeDumper):
    """Writes what was read, aliases as aliases."""


_Dumper.add_multi_representer(dict, yaml.SafeDumper.represent_dict)


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(yaml.dump(content, Dumper=_Dumper, sort_keys=False), "utf-8")
