"""What a benchmark found: figures, and the goals that they are held to."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import chart

if TYPE_CHECKING:
    from bench.harness import Measurement

RESULTS = Path(__file__).with_name("results")

# An absolute path's folders, as on no other machine: all but the last two.
_NAME = r"[\w.@+-]+"
_PATHS = re.compile(rf"(?<![\w.:/…])(?:/{_NAME})+?(?=(?:/{_NAME}){{1,2}}(?![\w.@+/-]))")


@dataclass(frozen=True)
class Figure:
    """One contender's figure.

    Attributes:
        value: the median, in the result's unit.
        low, high: the spread: the middle half of the runs, or all of them where they are few.
    """

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Goal:
    """A claim that a stranger can check.

    Attributes:
        claim: what is compared, with `{bound}` where the bound belongs.
        value: what came out: a ratio where there is a rival, else what `unit` says.
        low, high: the spread of that.
        bound: what it is held to.
        at_most: whether less is better.
        absolute: no ratio, whose spread is part of it: the value itself is held to the bound.
    """

    claim: str
    value: float
    low: float
    high: float
    bound: float
    at_most: bool = True
    unit: str = "x"
    absolute: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is met, or, for a ratio, missed by no more than the spread."""
        if self.absolute:
            return self.value <= self.bound if self.at_most else self.value >= self.bound
        return self.low <= self.bound if self.at_most else self.high >= self.bound

    @property
    def words(self) -> tuple[str, str, str, str]:
        """Claim and bound, value, spread, verdict."""
        bound = f"{'≤' if self.at_most else '≥'} {number(self.bound)} {self.unit}"
        spread = f"{number(self.low)} to {number(self.high)}" if self.low < self.high else ""
        verdict = "holds" if self.holds else "MISSED"
        return f"{self.claim} {bound}", f"{number(self.value)} {self.unit}", spread, verdict


@dataclass(frozen=True)
class Result:
    """What one benchmark found.

    Attributes:
        unit: of the figures; less is better.
        facts: whatever else belongs to it, as JSON.
        failed: the rivals that no longer install or run, with what they say.
        profile: where the time goes, as text, of what is far from its floor.
    """

    name: str
    unit: str = ""
    figures: list[Figure] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    profile: str = ""


def number(value: float) -> str:
    """With three digits that matter."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004


def figure(measurement: Measurement, *, name: str = "") -> Figure:
    """A contender's wall time, in seconds."""
    return of_runs(name or measurement.name, measurement.seconds)


def of_runs(name: str, runs: list[float]) -> Figure:
    """The median of some runs, and their spread."""
    return Figure(name, statistics.median(runs), *_spread(runs))


def times(
    claim: str,
    one: list[float],
    other: list[float],
    bound: float,
    *,
    at_most: bool = True,
) -> Goal:
    """How many times the other's each run of one is, turn by turn, against a bound."""
    ratios = [mine / yours for mine, yours in zip(one, other, strict=True)]
    return Goal(claim, statistics.median(ratios), *_spread(ratios), bound, at_most)


def guard(claim: str, runs: list[float], seconds: float) -> Goal:
    """An absolute limit, for what has no rival."""
    return Goal(claim, statistics.median(runs), *_spread(runs), seconds, unit="s", absolute=True)


def none(claim: str, count: int) -> Goal:
    """What must not happen, not once."""
    return Goal(claim, count, count, count, 0, unit="")


def save(results: list[Result], *, machine: str, commit: str) -> Path:
    """Write today's results of this machine: one JSON, a table, and a chart each.

    Benchmarks that ran before and not this time keep what they found that day.
    """
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{machine}.json"
    known = json.loads(file.read_text("utf-8"))["results"] if file.exists() else {}
    for result in results:
        found = asdict(result)
        if profile := found.pop("profile"):
            profile_of(file, result.name).write_text(nowhere(profile), "utf-8")
        known[result.name] = {
            **found,
            "goals": [asdict(goal) | {"holds": goal.holds} for goal in result.goals],
            "commit": commit,
            "load": os.getloadavg()[0],
        }
        if result.figures:
            drawn = chart.draw(result.name, result.unit, result.figures)
            file.with_name(f"{file.stem}-{result.name}.svg").write_text(drawn, "utf-8")
    about = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    text = json.dumps({"machine": about, "results": known}, indent=2, ensure_ascii=False)
    file.write_text(f"{text}\n", "utf-8")
    return file


def profile_of(file: Path, name: str) -> Path:
    """Where a benchmark's profile stands, beside the results in `file`."""
    return file.with_name(f"{file.stem}-{name}.profile.txt")


def table(results: list[Result]) -> str:
    """Every goal, as a Markdown table: goal, measured, spread, verdict."""
    rows = [(result.name, *goal.words) for result in results for goal in result.goals]
    lines = ["| benchmark | goal | measured | spread | |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def read(file: Path) -> tuple[dict[str, Any], list[Result]]:
    """A file of results: what machine it was, and what was found."""
    content = json.loads(file.read_text("utf-8"))
    return content["machine"], [loaded(each) for each in content["results"].values()]


def loaded(result: dict[str, Any]) -> Result:
    """A result that was written as JSON."""
    return Result(
        result["name"],
        result["unit"],
        [Figure(**one) for one in result["figures"]],
        [Goal(**{key: one[key] for key in one if key != "holds"}) for one in result["goals"]],
        result["facts"],
        result.get("failed", {}),
    )


def nowhere(text: str) -> str:
    """A text without the folders of this machine: `…/engine/base.py` of an absolute path."""
    return _PATHS.sub("…", text)


def machine() -> str:
    """This machine, in a file's name: what matters for speed, and no host's name."""
    return f"{os.cpu_count()}-cores-{sys.platform}-{platform.machine()}"


def _spread(runs: list[float]) -> tuple[float, float]:
    if len(runs) < 4:  # noqa: PLR2004 quarters of fewer mean nothing
        return min(runs), max(runs)
    low, _, high = statistics.quantiles(runs, n=4)
    return low, high
