"""RB402: whether a latency histogram can see a doubling."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import failed, irrelevant, passed, unknown
from roadbed.checklist.rule import Item, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.histograms import Histogram
    from roadbed.checklist.service import Service

STEP = 1.5  # between two buckets
RANGE = 0.005, 10.0  # seconds: where a latency is looked at


def coarse_histogram(service: Service) -> Iterator[Evidence]:
    """Buckets are fine enough to see a doubling."""
    constants: dict[str, tuple[float, ...]] = {}
    for facts in service.code:
        constants |= facts.buckets
    latencies = [each for facts in service.code for each in facts.histograms if _is_latency(each)]
    for each in latencies:
        yield _steps(each, each.bounds or constants.get(each.source))
    if not latencies:
        yield irrelevant("No latency histogram is made here")


def _is_latency(histogram: Histogram) -> bool:
    words = ("second", "duration", "latency", "time", "elapsed")
    return not histogram.name or any(word in histogram.name.lower() for word in words)


def _steps(histogram: Histogram, bounds: tuple[float, ...] | None) -> Evidence:
    name = histogram.name or "the histogram"
    if histogram.default:
        return failed(
            f"{name} has the client library's own buckets: a true doubling from 110 to 230 ms is not seen",
            histogram,
            subject=name,
        )
    if not bounds:
        return unknown(
            f"The buckets of {name} are computed: write the numbers down", histogram, subject=name
        )
    lowest, highest = RANGE
    pairs = [
        (small, large)
        for small, large in pairwise(bounds)
        if small > 0 and large > lowest and small < highest
    ]
    if not pairs:
        return failed(f"{name} has no two buckets between 5 ms and 10 s", histogram, subject=name)
    small, large = max(pairs, key=lambda pair: pair[1] / pair[0])
    if large / small > STEP + 1e-9:
        return failed(
            f"{name} goes from {small:g} to {large:g} s, a factor of {large / small:.2f}: at most {STEP}",
            histogram,
            subject=name,
        )
    return passed(
        f"The {len(bounds)} buckets of {name} are at most {large / small:.2f} apart",
        histogram,
        subject=name,
    )


COARSE_HISTOGRAM = Rule(
    code="RB402",
    name="coarse-histogram",
    item=Item.LATENCY_ALERT,
    promise="A latency histogram's buckets are at most 1.5 apart between 5 ms and 10 s.",
    why=(
        "With the client library's buckets a doubling from 110 to 230 ms never fired the alert,"
        " and a change of 2 % across a bound did: measured with promtool."
    ),
    how="The `buckets=` of prometheus_client's Histogram, where they are literal numbers.",
    mistakes="Buckets that are computed are unknown; native histograms need none.",
    mend="Write the buckets out: 0.005, 0.0075, 0.011, 0.0165, …",
    sources=("the article's checklist, item 6",),
    check=coarse_histogram,
)
