"""RB4: who learns that the service became slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roadbed.checklist.evidence import Place, failed, passed, unknown, warned
from roadbed.checklist.rule import Item, Rule
from roadbed.checklist.rules import promtool
from roadbed.checklist.rules.histograms import COARSE_HISTOGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.alerts import Alert
    from roadbed.checklist.service import Service

QUANTILE = 0.95
RATIO = 2.0
WAIT = 300.0  # seconds
_DEEPEST = 8  # recording rules that are made of each other

# RB401 ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Doubling:
    """What an alert compares.

    Attributes:
        ratio: how many times the baseline it takes.
        windows: of the rates in the present value, in seconds.
        guarded: it keeps quiet while there is hardly any traffic.
    """

    ratio: float
    windows: list[float]
    guarded: bool


def no_latency_alert(service: Service) -> Iterator[Evidence]:
    """An alert fires when p95 latency has doubled for 5 minutes."""
    rules = service.alerts
    if not rules.files:
        yield unknown(
            "There are no Prometheus rules here: where alerts live elsewhere, say so in a waiver"
        )
        return
    found: list[str] = []
    reader = _Expressions(rules.records)
    for alert in rules.alerts:
        try:
            doubling = reader.doubling(alert.expression)
        except ValueError:
            yield failed(f"The expression of {alert.name} is no PromQL", alert, subject=alert.name)
            continue
        if doubling is not None:
            found.append(alert.name)
            yield from _judged(alert, doubling)
    if not found:
        yield failed(
            f"None of {len(rules.alerts)} alerts compares the 95th percentile with twice its baseline",
            Place(rules.files[0]),
            subject="p95",
        )
    yield from promtool.trial(service, found)


def _judged(alert: Alert, doubling: _Doubling) -> Iterator[Evidence]:
    name = alert.name
    if doubling.ratio > RATIO or doubling.ratio <= 1:
        yield failed(
            f"{name} waits for {doubling.ratio:g} times the baseline, not {RATIO:g}",
            alert,
            subject=name,
        )
    elif alert.wait > WAIT:
        yield failed(f"{name} waits for {alert.wait / 60:g} minutes, not 5", alert, subject=name)
    elif alert.wait < WAIT:
        yield warned(
            f"{name} fires after {alert.wait / 60:g} minutes already, not 5", alert, subject=name
        )
    else:
        yield passed(
            f"{name} fires when p95 is {doubling.ratio:g} times its baseline for 5 minutes",
            alert,
            subject=name,
        )
    window = max(doubling.windows, default=0)
    if window > max(alert.wait, 1) / 3:
        yield warned(
            f"{name} looks at {window:g} s at once: a burst of a minute pages. Take {alert.wait / 3:g} s at most",
            alert,
            subject=f"{name} window",
        )
    if not doubling.guarded:
        yield warned(
            f"{name} has no traffic guard: a single slow request at night pages",
            alert,
            subject=f"{name} guard",
        )


class _Expressions:
    """Reads PromQL, with recording rules in place of their names."""

    def __init__(self, records: dict[str, str]) -> None:
        self._records = records

    def doubling(self, expression: str) -> _Doubling | None:
        """What an alert's expression compares, if that is p95 with its own baseline.

        Raises:
            ValueError: it can't be parsed.
        """
        parts = list(self._and(_parse(expression)))
        for part in parts:
            ratio, now = self._ratio(part)
            if now is not None:
                # The guard stands in the alert, or in the record of the p95: then it is no value.
                others = [
                    *(each for each in parts if each is not part),
                    *self._and(self._opened(now)),
                ]
                guarded = any(_is_comparison(each) and not self._quantiles(each) for each in others)
                return _Doubling(ratio, sorted(self._windows(now)), guarded)
        return None

    def _and(self, node: Any) -> Iterator[Any]:
        node = _bare(node)
        if _is(node, "BinaryExpr") and str(node.op) == "and":
            yield from self._and(node.lhs)
            yield from self._and(node.rhs)
        else:
            yield node

    def _ratio(self, node: Any) -> tuple[float, Any]:
        """The ratio of a comparison, and the present value in it; None if it is no such thing."""
        if not _is_comparison(node):
            return 0.0, None
        large, small = (
            (node.lhs, node.rhs) if str(node.op).startswith(">") else (node.rhs, node.lhs)
        )
        large, small = self._opened(large), self._opened(small)
        if _is(small, "NumberLiteral") and _is(large, "BinaryExpr") and str(large.op) == "/":
            now, then, ratio = large.lhs, large.rhs, small.val
        elif _is(small, "BinaryExpr") and str(small.op) == "*":
            factor, then = _bare(small.lhs), small.rhs
            if not _is(factor, "NumberLiteral"):
                factor, then = _bare(small.rhs), small.lhs
            if not _is(factor, "NumberLiteral"):
                return 0.0, None
            now, ratio = large, factor.val
        else:
            return 0.0, None
        is_now = QUANTILE in self._quantiles(now) and not self._is_past(now)
        is_then = QUANTILE in self._quantiles(then) and self._is_past(then)
        return (float(ratio), now) if is_now and is_then else (0.0, None)

    def _opened(self, node: Any) -> Any:
        """A node without parentheses; what it stands for, where that is arithmetic."""
        node = _bare(node)
        name = getattr(node, "name", None) if _is(node, "VectorSelector") else None
        if name in self._records:
            recorded = _bare(_parse(self._records[name]))
            if _is(recorded, "BinaryExpr"):
                return recorded
        return node

    def _inside(self, node: Any, depth: int = 0) -> Iterator[Any]:
        """A node and everything in it, recording rules followed."""
        node = _bare(node)
        yield node
        for inner in _children(node):
            yield from self._inside(inner, depth)
        name = getattr(node, "name", None) if _is(node, "VectorSelector") else None
        if name in self._records and depth < _DEEPEST:
            yield from self._inside(_parse(self._records[name]), depth + 1)

    def _quantiles(self, node: Any) -> set[float]:
        return {
            inner.args[0].val
            for inner in self._inside(node)
            if _is(inner, "Call")
            and inner.func.name == "histogram_quantile"
            and _is(inner.args[0], "NumberLiteral")
        }

    def _is_past(self, node: Any) -> bool:
        """Whether it looks back: an offset, or something over time that is no rate."""
        return any(
            getattr(inner, "offset", None) is not None
            or _is(inner, "SubqueryExpr")
            or (_is(inner, "Call") and inner.func.name.endswith("_over_time"))
            for inner in self._inside(node)
        )

    def _windows(self, node: Any) -> set[float]:
        return {
            inner.range.total_seconds()
            for inner in self._inside(node)
            if _is(inner, "MatrixSelector")
        }


def _parse(expression: str) -> Any:
    import promql_parser

    return promql_parser.parse(expression)


def _is(node: Any, kind: str) -> bool:
    return type(node).__name__ == kind


def _bare(node: Any) -> Any:
    while _is(node, "ParenExpr"):
        node = node.expr
    return node


def _is_comparison(node: Any) -> bool:
    return _is(node, "BinaryExpr") and str(node.op) in {">", ">=", "<", "<="}


def _children(node: Any) -> Iterator[Any]:
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield inner
    if _is(node, "Call"):
        yield from node.args


RULES = (
    Rule(
        code="RB401",
        name="no-latency-alert",
        item=Item.LATENCY_ALERT,
        promise="An alert fires when the 95th percentile has been twice its baseline for 5 minutes.",
        why="A fixed threshold is wrong for every service but one; a doubling is news everywhere.",
        how=(
            "Prometheus rules in YAML, parsed by promql-parser with recording rules followed: a"
            " histogram_quantile(0.95, …) against a multiple of its own past, `for: 5m`. Windows longer"
            " than a third of that, and a missing traffic guard, warn. Where promtool is installed, it"
            " runs those of the rules' tests that are about this alert."
        ),
        mistakes="Alerts outside of Prometheus are not seen: unknown, or a waiver that says where.",
        mend="p95 > 2 * p95 of yesterday's median and rate > 1, for 5m, on a window of 1m.",
        sources=("the article's checklist, item 6",),
        check=no_latency_alert,
    ),
    COARSE_HISTOGRAM,
)
