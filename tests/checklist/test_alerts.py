"""RB4: the alert that the article asks for, and the histogram that it stands on."""

from __future__ import annotations

import os
from textwrap import indent
from typing import TYPE_CHECKING

import pytest
from checked import ask, lines, state
from histories import build_file_tree

from roadbed.checklist.evidence import State

if TYPE_CHECKING:
    from pathlib import Path

P95 = "histogram_quantile(0.95, sum by (le) (rate(http_seconds_bucket[1m])))"
MEDIAN = f"quantile_over_time(0.5, {P95}[1d:1m] offset 10m)"
GUARD = "sum(rate(http_seconds_count[1m])) > 1"


def rules(expression: str, wait: str = "5m", *, records: dict[str, str] | None = None) -> str:
    recorded = "".join(
        f"      - record: {name}\n        expr: {expr}\n" for name, expr in (records or {}).items()
    )
    return (
        "groups:\n  - name: latency\n    rules:\n"
        f"{recorded}      - alert: P95Doubled\n        expr: |\n{indent(expression, ' ' * 10)}\n"
        f"        for: {wait}\n        labels: {{severity: page}}\n"
    )


RECORDS = {"p95": P95, "baseline": "quantile_over_time(0.5, p95[1d] offset 10m)"}

GOOD = {
    "twice the median": rules(f"{P95} > 2 * {MEDIAN} and {GUARD}"),
    "the factor behind": rules(f"{P95} > {MEDIAN} * 2 and {GUARD}"),
    "a quotient": rules(f"({P95} / {P95.replace('[1m]', '[1m] offset 1w')}) >= 2 and {GUARD}"),
    "the other way round": rules(f"2 * {MEDIAN} < {P95} and {GUARD}"),
    "recorded": rules(f"p95 > 2 * baseline and {GUARD} and p95 > 0.05", records=RECORDS),
    "a guard in the record": rules(
        "p95 > 2 * baseline", records={**RECORDS, "p95": f"{P95} and {GUARD}"}
    ),
    "a recorded quotient": rules(
        f"growth > 2 and {GUARD}", records={**RECORDS, "growth": "p95 / baseline"}
    ),
    "sooner than twice": rules(f"{P95} > 1.8 * {MEDIAN} and {GUARD}"),
    "native": rules(
        "histogram_quantile(0.95, rate(x[1m])) > 2 * histogram_quantile(0.95, rate(x[1m] offset"
        f" 1d)) and {GUARD}"
    ),
}
BAD = {
    "a fixed threshold": rules(f"{P95} > 0.5 and {GUARD}"),
    "another quantile": rules(f"{P95} > 2 * {MEDIAN}".replace("0.95", "0.99")),
    "three times": rules(f"{P95} > 3 * {MEDIAN} and {GUARD}"),
    "ten minutes": rules(f"{P95} > 2 * {MEDIAN} and {GUARD}", wait="10m"),
    "no past": rules(f"{P95} > 2 * {P95} and {GUARD}"),
    "errors": rules("rate(errors[5m]) > 2 * rate(errors[5m] offset 1d)"),
    "no PromQL": rules(f"{P95} > > 2"),
    "a circle": rules("p95 > 2 * baseline", records={"p95": "baseline", "baseline": "p95"}),
}
HALF = {
    "a wide window": rules(f"{P95} > 2 * {MEDIAN} and {GUARD}".replace("[1m]", "[5m]")),
    "no guard": rules(f"{P95} > 2 * {MEDIAN}"),
    "one minute": rules(f"{P95} > 2 * {MEDIAN} and {GUARD}".replace("[1m]", "[20s]"), wait="1m"),
}


@pytest.mark.parametrize("case", GOOD)
def test_the_alert(tmp_path: Path, case: str) -> None:
    result = ask(tmp_path, {"ops/alerts.yml": GOOD[case]}, "no-latency-alert")
    assert result.state is State.PASS, result.evidence


@pytest.mark.parametrize("case", BAD)
def test_alerts_that_do_not_see_a_doubling(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"ops/alerts.yml": BAD[case]}, "RB401") is State.FAIL


@pytest.mark.parametrize("case", HALF)
def test_alerts_that_see_too_much(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"ops/alerts.yml": HALF[case]}, "RB401") is State.WARN


def test_the_operators_own_form_is_read(tmp_path: Path) -> None:
    groups = indent(GOOD["recorded"], "  ")
    manifest = f"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n{groups}"
    assert state(tmp_path, {"deploy/rules.yaml": manifest}, "RB401") is State.PASS


def test_without_rules_nobody_knows(tmp_path: Path) -> None:
    files = {"ops/values.yaml": "alert: true\n", "compose.yaml": "services: {}\n"}
    assert state(tmp_path, files, "RB401") is State.UNKNOWN


# Half an hour of quick answers, then as many slow ones; another alert, and nonsense about it.
OTHER = "  - name: others\n    rules:\n      - {alert: Down, expr: up == 0, for: 1m}\n"
TESTS = """\
rule_files: [al*.yml]
evaluation_interval: 1m
group_eval_order: [latency, others]
tests:
  - interval: 30s
    input_series:
      - {series: 'http_seconds_bucket{le="0.1"}', values: 0+60x60 3600+0x60}
      - {series: 'http_seconds_bucket{le="1"}', values: 0+60x120}
      - {series: 'http_seconds_bucket{le="+Inf"}', values: 0+60x120}
      - {series: http_seconds_count, values: 0+60x120}
    alert_rule_test:
      - {alertname: P95Doubled, eval_time: 34m, exp_alerts: []}
      - {alertname: P95Doubled, eval_time: 38m, exp_alerts: [{exp_labels: {severity: page}}]}
      - {alertname: Down, eval_time: 38m, exp_alerts: [{}]}
  - alert_rule_test:
      - {alertname: Down, eval_time: 5m, exp_alerts: [{}]}
"""


@pytest.mark.parametrize(
    ("script", "expected"),
    [("exit 0", State.PASS), ("echo FAILED: P95Doubled; exit 1", State.FAIL), (None, State.PASS)],
)
def test_promtool_is_asked_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, expected: State
) -> None:
    """A program of that name; the real one runs in the service's own CI."""
    tools = tmp_path / "tools"
    build_file_tree(tools, {"promtool": f"#!/bin/sh\n{script}\n"} if script else {"none": ""})
    if script:
        (tools / "promtool").chmod(0o755)
    monkeypatch.setenv(
        "PATH", f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin" if script else str(tools)
    )
    files = {"ops/alerts.yml": GOOD["recorded"], "ops/alerts_test.yml": TESTS}
    result = ask(tmp_path / "service", files, "RB401")
    assert result.state is expected
    said = [each for each in result.evidence if "promtool" in each.message]
    assert [each.state for each in said] == [expected if script else State.NA]


@pytest.mark.parametrize(
    ("wrong", "right", "expected"),
    [
        ("", "", State.PASS),
        ("eval_time: 34m", "eval_time: 37m", State.FAIL),
        ("alertname: P95Doubled", "alertname: Down", State.NA),
        ("interval: 30s", "interval: soon", State.FAIL),
    ],
)
def test_promtool_tries_this_alert_with_its_records_and_no_other(
    tmp_path: Path, promtool: str, wrong: str, right: str, expected: State
) -> None:
    assert promtool
    tests = TESTS.replace(wrong, right) if wrong else TESTS
    files = {"ops/alerts.yml": GOOD["recorded"] + OTHER, "ops/alerts_test.yml": tests}
    result = ask(tmp_path / "service", files, "RB401")
    said = [each.state for each in result.evidence if "promtool" in each.message]
    assert said == ([] if expected is State.NA else [expected])
    assert not any(str(tmp_path) in each.message for each in result.evidence)


def test_promtool_gets_what_is_written(tmp_path: Path, promtool: str) -> None:
    """Values as they stand, groups in their order, and no file that a pattern does not name."""
    assert promtool
    records, alert = GOOD["recorded"].split("      - alert:")
    alert = f"  - name: alerts\n    rules:\n      - alert:{alert}"
    alert = alert.replace("severity: page", "severity: page, version: 1.10")
    tests = TESTS.replace("severity: page", 'severity: page, version: "1.10"')
    tests = tests.replace("[latency, others]", "[latency, alerts, others]")
    files = {
        "ops/alerts.yml": records + alert + OTHER + "      - {record: [odd], expr: p95}\n",
        "ops/alike/old/alerts.yml": records + alert,
        "ops/alerts_test.yml": tests.replace("al*.yml", "'a*/../al*.yml', al*.yml"),
    }
    result = ask(tmp_path / "service", files, "RB401")
    said = [each for each in result.evidence if "promtool" in each.message]
    assert [each.state for each in said] == [State.PASS], said


# RB402 ----------------------------------------------------------------------------------------

FINE = "0.005, 0.0075, 0.011, 0.0165, 0.0245, 0.0365"
HISTOGRAM = "from prometheus_client import Histogram\nh = Histogram('http_seconds', 'x', {})\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("['route']", State.FAIL),
        ("buckets=(0.01, 0.1, 1, 10)", State.FAIL),
        ("buckets=[0.01, 0.02, 0.04, float('inf')]", State.FAIL),
        ("buckets=(20, 30)", State.FAIL),
        (f"buckets=({FINE}, float('inf'))", State.PASS),
        (f"buckets=[{FINE}, math.inf]", State.PASS),
        (f"buckets=(0.001, {FINE}, 0.0367, 20)", State.FAIL),
        (f"buckets=(0.0001, {FINE})", State.PASS),
        ("buckets=(0.0001, 0.0075, 0.011)", State.FAIL),
        ("buckets=tuple(x * 2 for x in y)", State.UNKNOWN),
        ("**options", State.UNKNOWN),
    ],
)
def test_buckets(tmp_path: Path, arguments: str, expected: State) -> None:
    files = {"src/app/metrics.py": HISTOGRAM.format(arguments)}
    assert state(tmp_path, files, "coarse-histogram") is expected


def test_buckets_may_stand_in_another_file(tmp_path: Path) -> None:
    files = {
        "src/app/metrics.py": "from .numbers import BUCKETS\n"
        + HISTOGRAM.format("buckets=BUCKETS"),
        "src/app/numbers.py": f"BUCKETS = ({FINE})\n",
    }
    assert state(tmp_path, files, "RB402") is State.PASS
    files["src/app/numbers.py"] = "BUCKETS = (0.01, 0.1)\n"
    assert lines(ask(tmp_path, files, "RB402")) == ["src/app/metrics.py:3"]


@pytest.mark.parametrize(
    "source",
    [
        "from prometheus_client import Histogram\nHistogram('body_bytes', 'x', buckets=(1, 1000))\n",
        "from prometheus_client import Counter\nCounter('http_seconds', 'x')\n",
        "from ours import Histogram\nHistogram('http_seconds')\n",
    ],
)
def test_histograms_of_other_things(tmp_path: Path, source: str) -> None:
    assert state(tmp_path, {"src/app/metrics.py": source}, "RB402") is State.NA
