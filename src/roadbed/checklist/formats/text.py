"""A report for a terminal: the article's items, their rules, and the evidence of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadbed.checklist.evidence import Evidence, State
from roadbed.checklist.rule import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadbed.checklist.checking import Report, Result

    Paint = Callable[[str, State], str]

SHOWN = 10  # findings of a rule, unless all are asked for

MARKS = {
    State.PASS: "✓",
    State.FAIL: "✗",
    State.WARN: "!",
    State.UNKNOWN: "?",
    State.NA: "-",
    State.WAIVED: "~",
}
COLOURS = {
    State.PASS: "green",
    State.FAIL: "red",
    State.WARN: "yellow",
    State.UNKNOWN: "magenta",
    State.WAIVED: "cyan",
    State.NA: "bright_black",
}


def write(report: Report, *, verbose: bool, paint: Paint = lambda text, state: text) -> str:
    """The report in words; `paint` colours a mark by its state."""
    return "\n".join(_lines(report, verbose, paint))


def _lines(report: Report, verbose: bool, paint: Paint) -> Iterator[str]:
    yield f"{report.root.name or report.root}"
    states = report.items()
    for item, state in states.items():
        yield ""
        yield f"{paint(MARKS[state], state)} {item.value}"
        for result in report.of(item):
            yield from _result(result, verbose, paint)
    own = [
        each
        for each in report.of(Item.ITSELF)
        if verbose or each.state not in {State.PASS, State.NA}
    ]
    if own:
        yield ""
        yield Item.ITSELF.value
        for result in own:
            yield from _result(result, verbose, paint)
    yield ""
    yield report.summary()


def _result(result: Result, verbose: bool, paint: Paint) -> Iterator[str]:
    rule, state = result.rule, result.state
    yield f"  {paint(MARKS[state], state)} {rule.name} ({rule.code})"
    telling = result.evidence if verbose else _telling(result)
    shown = telling if verbose else telling[:SHOWN]
    for evidence in shown:
        yield f"      {_line(evidence, paint)}"
    if len(telling) > len(shown):
        yield f"      … and {len(telling) - len(shown)} more: --verbose shows them"


def _telling(result: Result) -> list[Evidence]:
    """What a reader has to know: what is not kept; the first piece of evidence where all is well."""
    loud = result.of(State.FAIL, State.UNKNOWN, State.WARN, State.WAIVED)
    if loud:
        return loud
    kept = result.of(State.PASS)
    return (kept or list(result.evidence))[:1]


def _line(evidence: Evidence, paint: Paint) -> str:
    words = evidence.message
    if evidence.state is State.WAIVED:
        words = f"{words} (waived: {evidence.reason})"
    where = f"{place(evidence)}  " if evidence.place else ""
    return f"{paint(MARKS[evidence.state], evidence.state)} {where}{words}"


def place(evidence: Evidence) -> str:
    """`path:line`, which an editor opens."""
    if evidence.place is None:
        return ""
    return (
        f"{evidence.place.path}:{evidence.place.line}"
        if evidence.place.line
        else evidence.place.path
    )
