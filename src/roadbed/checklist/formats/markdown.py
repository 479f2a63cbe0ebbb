"""A report to paste into a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import State
from roadbed.checklist.formats.text import place
from roadbed.checklist.rule import Item

if TYPE_CHECKING:
    from roadbed.checklist.checking import Report

_MARKS = {
    State.PASS: "✅",
    State.FAIL: "❌",
    State.WARN: "⚠️",
    State.UNKNOWN: "❔",
    State.NA: "n/a",
    State.WAIVED: "☑️",
}


def write(report: Report) -> str:
    """The report as Markdown: a table of the items, then what is not kept."""
    lines = [
        f"## Checklist of {_plain(report.root.name)}",
        "",
        report.summary(),
        "",
        "| | item | state |",
        "|---|---|---|",
    ]
    lines += [
        f"| {_MARKS[state]} | {item.value} | {state} |" for item, state in report.items().items()
    ]
    for item in [*report.items(), Item.ITSELF]:
        for result in report.of(item):
            loud = result.of(State.FAIL, State.UNKNOWN, State.WARN, State.WAIVED)
            if loud:
                lines += ["", f"### {result.rule.name} ({result.rule.code})", ""]
            for each in loud:
                where = f"`{place(each).replace('`', '')}`: " if each.place else ""
                reason = f" (waived: {_plain(each.reason)})" if each.reason else ""
                lines.append(f"- {_MARKS[each.state]} {where}{_plain(each.message)}{reason}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is; code spans stay."""
    return re.sub(r"([\\*_<>|\[\]])", r"\\\1", " ".join(text.split()))
