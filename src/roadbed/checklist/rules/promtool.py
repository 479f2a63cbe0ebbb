"""What the unit tests of some alerts say: promtool runs them, where it is installed.

Those alerts with what they are made of, and their tests alone: simulated time is dear, and a whole
file goes through hours of it for alerts that are no matter of the checklist. YAML is cut as nodes, so
that promtool reads what was written.
"""

from __future__ import annotations

import re
import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from posixpath import dirname, join, normpath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

import yaml

from roadbed.checklist import programs
from roadbed.checklist.evidence import Place, failed, irrelevant, passed, unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.service import Service

Node: TypeAlias = yaml.Node | None

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_TEXT, _LIST, _MAPPING = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


def trial(service: Service, alerts: Collection[str]) -> Iterator[Evidence]:
    """One piece of evidence for each file with tests of these alerts."""
    tool = shutil.which("promtool")
    names = " and ".join(alerts)
    for path in service.alerts.tests:
        file = next((each for each in _documents(service, path) if _get(each, "tests")), None)
        tests = _about(alerts, file)
        if not tests:
            continue
        if tool is None:
            yield irrelevant("Its tests were not run: promtool is not installed", Place(path))
            continue
        with TemporaryDirectory(prefix="roadbed-alerts-") as folder:
            kept = _write(_groups(service, path, file), alerts, Path(folder))
            order = [each for each in _items(_get(file, "group_eval_order")) if _text(each) in kept]
            rules = [_scalar(each.name) for each in sorted(Path(folder).iterdir())]
            alone = _with(file, rule_files=rules, tests=tests, group_eval_order=order)
            Path(folder, "tests.yml").write_text(yaml.serialize(alone), "utf-8")
            is_content, said = programs.run(tool, "test", "rules", "tests.yml", at=Path(folder))
        words = " ".join(said.split())[-300:]
        if is_content is None:
            yield unknown(f"promtool did not finish: {words}", Place(path))
        elif is_content:
            yield passed(f"promtool passes the tests of {names}", Place(path))
        else:
            message = f"promtool fails the tests of {names}: {words}"
            yield failed(message, Place(path), subject="promtool")


def _about(alerts: Collection[str], file: Node) -> list[yaml.Node]:
    """The tests in a file that are about these alerts, and nothing else of them."""
    found = []
    for test in _items(_get(file, "tests")):
        cases = _items(_get(test, "alert_rule_test"))
        chosen = [case for case in cases if _text(_get(case, "alertname")) in alerts]
        if chosen:
            found.append(_with(test, alert_rule_test=chosen, promql_expr_test=[]))
    return found


def _groups(service: Service, path: str, file: Node) -> list[list[yaml.Node]]:
    """The groups of each file that a file of tests names."""
    patterns = [
        normpath(join(dirname(path), _text(each))) for each in _items(_get(file, "rule_files"))
    ]
    return [
        [
            group
            for each in _documents(service, named)
            for group in _items(_get(each, "groups") or _get(_get(each, "spec"), "groups"))
        ]
        for named in service.alerts.files
        if any(_matches(named, pattern) for pattern in patterns)
    ]


def _matches(path: str, pattern: str) -> bool:
    """Whether a pattern of promtool's names a file: `*` ends at a slash."""
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)


def _write(files: list[list[yaml.Node]], alerts: Collection[str], folder: Path) -> set[str]:
    """Write these alerts and the records behind them, file by file; the names of their groups."""
    every = [rule for groups in files for group in groups for rule in _items(_get(group, "rules"))]
    needed = _needed(every, alerts)
    names = set()
    for number, groups in enumerate(files):
        kept = []
        for group in groups:
            rules = [rule for rule in _items(_get(group, "rules")) if id(rule) in needed]
            if rules:
                kept.append(_with(group, rules=rules))
                names.add(_text(_get(group, "name")))
        if kept:
            content = _with(yaml.MappingNode(_MAPPING, []), groups=kept)
            (folder / f"rules-{number:04}.yml").write_text(yaml.serialize(content), "utf-8")
    return names


def _needed(every: list[yaml.Node], alerts: Collection[str]) -> set[int]:
    """The identities of the rules of these alerts, and of all records that they are made of."""
    records: dict[str, list[yaml.Node]] = {}
    for rule in every:
        records.setdefault(_text(_get(rule, "record")), []).append(rule)
    waiting = [rule for rule in every if _text(_get(rule, "alert")) in alerts]
    found = set()
    while waiting:
        rule = waiting.pop()
        found.add(id(rule))
        for name in _NAME.findall(_text(_get(rule, "expr"))):
            waiting += records.pop(name, ())
    return found


def _documents(service: Service, path: str) -> list[yaml.Node]:
    """The documents of a YAML file, none where it can't be read: that is found elsewhere."""
    try:
        return list(yaml.compose_all(service.tree.text(path), Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return []


def _get(node: Node, key: str) -> Node:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _items(node: Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _text(node: Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _scalar(text: str) -> yaml.Node:
    return yaml.ScalarNode(_TEXT, text)


def _with(node: Node, **lists: Iterable[yaml.Node]) -> yaml.Node:
    """A mapping with these lists in place of what stands there under their names."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    kept = [pair for pair in pairs if _text(pair[0]) not in lists]
    added = [(_scalar(name), yaml.SequenceNode(_LIST, list(each))) for name, each in lists.items()]
    return yaml.MappingNode(_MAPPING, [*kept, *added])
