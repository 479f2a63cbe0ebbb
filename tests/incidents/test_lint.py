"""What keeps a runbook from being found, believed or shared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from histories import build_file_tree
from runbooks import EMPTY, SECTION, entry

from roadbed.incidents.lint import lint
from roadbed.incidents.notation import render
from roadbed.incidents.prevention import Checks, Named, named
from roadbed.incidents.runbook import END, START, Runbook
from roadbed.incidents.secrets import leaks

if TYPE_CHECKING:
    from roadbed.incidents.entry import Entry


def findings(text: str) -> list[tuple[int, str, str]]:
    return [(it.line, f"{it.level}", it.rule) for it in lint(Runbook(text), Path.cwd())]


def of(**changes: Any) -> list[str]:
    """What is said about one entry that is as the article's, but for `changes`."""
    as_given: dict[str, Any] = {k: v for k, v in changes.items() if isinstance(v, str)}
    written = entry(**changes)._replace(**as_given)
    text = EMPTY.replace(END, f"{render(written)}\n{END}")
    return [f"{it.line}: {it.level}: {it.message}" for it in lint(Runbook(text), Path.cwd())]


def test_the_articles_own_entry_is_fine() -> None:
    assert of() == []
    assert findings("# A runbook without incidents\n") == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"date": "2025-02-30"}, "9: error: there is no day 2025-02-30"),
        ({"date": "2999-01-01"}, "9: error: 2999-01-01 is in the future"),
        ({"title": ""}, "9: error: it has no title"),
        ({"why": ""}, "14: error: “Why” is empty or missing"),
        ({"severity": "7"}, "10: error: severity=7 is not 0 to 5"),
        (
            {"started": "noon"},
            "10: error: started=noon is no time, such as 2025-06-15T14:02Z",
        ),
        (
            {"resolved": "2999-01-01T00:00Z"},
            "10: error: resolved=2999-01-01T00:00Z is in the future",
        ),
        (
            {"started": "2025-06-15T14:02Z", "resolved": "2025-06-15T13:00Z"},
            "10: error: it was resolved before it was started",
        ),
        (
            {"detected": "2025-06-15T14:00+02:00", "started": "2025-06-15T12:30Z"},
            "10: error: it was detected before it was started",
        ),
        (
            {"fix": "a\n\nb ada@example.org c"},
            "18: error: “Fix” holds what looks like an e-mail address",
        ),
        ({"why": "human error"}, "14: note: “human error” blames a person: what let it happen?"),
        (
            {"prevention": "We take more care"},
            "20: note: Prevention names no link, test, alert or rule that would catch it",
        ),
        (
            {"prevention": "`test_planner` in CI"},
            "20: error: Prevention names the test test_planner: there is none",
        ),
    ],
)
def test_it_says_where_and_what(changes: dict[str, Any], said: str) -> None:
    assert of(**changes) == [said]


def test_the_order_and_the_ids() -> None:
    def both(first: Entry, second: Entry) -> list[tuple[int, str, str]]:
        return findings(EMPTY.replace(END, f"{render(first)}\n{render(second)}\n{END}"))

    assert both(entry(), entry(date="2025-06-14")) == []
    assert both(entry(date="2025-06-14"), entry()) == [(22, "error", "order")]
    assert both(entry(), entry(what="Another")) == [(22, "error", "ids")]
    assert both(entry(), entry(what="Another", id="x")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{START}\n", (1, "error", "markers")),
        (f"{SECTION}\n{SECTION}", (1, "error", "markers")),
        ("a\n```\nb\n", (2, "error", "code")),
        (f"{START}\n\n### 2025-06-15: x\n\n{END}\n", (3, "error", "heading")),
        (f"{START}\n\n{END}\n\n## Incident 15/06/2025: x\n", (5, "error", "heading")),
        (f"{START}\n<<<<<<< a\n=======\n>>>>>>> b\n{END}\n", (2, "error", "conflicts")),
    ],
)
def test_what_keeps_entries_from_being_read(text: str, found: tuple[int, str, str]) -> None:
    assert found in findings(text)


def test_a_heading_inside_an_entry_is_fine() -> None:
    assert findings(EMPTY.replace(END, f"{render(entry())}\n#### Timeline\n\n{END}")) == []


@pytest.mark.parametrize(
    "text",
    [
        "the key AKIA" + "ABCDEFGHIJKLMNOP was in the log",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2" * 6,
        "glpat-" + "a1B2" * 5,
        "xoxb-" + "1234567890-abc",
        "https://hooks.slack.com/services/" + "T0ABC/B0DEF/abcdefgh12",
        "sk_live_" + "a1B2c3D4e5",
        "AIza" + "a1B2c" * 7,
        "eyJhbGciOiJI.eyJzdWIiOiIx" + "." + "abc",
        "-----BEGIN RSA PRIVATE" + " KEY-----",
        "curl -H 'Authorization: Bearer " + "a1B2c3D4e5f6g7H8i9j0'",
        "postgresql://app:" + "hunter2@db/orders",
        "API_KEY_PEPPER=" + "a1B2c3D4e5f6g7",
        'password: "' + 'a1B2c3D4e5f6g7"',
        "key_0123456789ab_" + "a1B2c3D4e5f6g7H8i9j0",
        "ask ada.lovelace+oncall@mail.example.org",
    ],
)
def test_secrets_are_found_and_not_repeated(text: str) -> None:
    (leak,) = leaks(text)
    assert text not in leak
    (said,) = of(why=text)
    assert said == f"14: error: “Why” holds what looks like {leak}"


@pytest.mark.parametrize(
    "text",
    [
        "the certificate of api.example.org and the token expired",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "postgresql://app:$PASSWORD@db/orders, postgresql://db:5432/orders, http://x:…@y",
        "password = <redacted>, secret: rotated, token: see the vault",
        "`key_0123456789ab` was revoked, @acme/pay was paged, a@b",
        "Bearer tokens of the identity provider were refused by everybody",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert list(leaks(text)) == []


def test_what_a_prevention_names() -> None:
    text = (
        "`tests/test_search.py::TestPlans::test_index[a]`, `test_a`, test_b and `ops/alerts.yml`;"
        " the alert `SearchSlow`; rule `no-offset`; `job:latency:p95` (rule); see [it](docs/x.md#y)"
        " or https://example.org/test_c, tests/rules/test_d.py; the test `planner` and `SELECT 1`, `offset`"
    )
    assert list(named(text)) == [
        Named("file", "docs/x.md"),
        Named("file", "tests/test_search.py"),
        Named("test", "test_index"),
        Named("test", "test_a"),
        Named("file", "ops/alerts.yml"),
        Named("alert", "SearchSlow"),
        Named("rule", "no-offset"),
        Named("rule", "job:latency:p95"),
        Named("test", "planner"),
        Named("test", "test_b"),
        Named("file", "tests/rules/test_d.py"),
    ]


def test_it_is_looked_for_in_the_service() -> None:
    build_file_tree(
        Path(),
        {
            "tests/test_search.py": "class TestPlans:\n    async def test_index(self): ...\n",
            "ops/alerts.yml": "rules:\n  - alert: SearchSlow\n  - record: job:latency:p95\n",
            "pyproject.toml": 'select = ["no-offset"]\n',
            ".venv/lib/test_x.py": "def test_of_others(): ...\n",
            "docs/x.md": "def test_in_words(): ...\n",
        },
    )
    checks = Checks(Path.cwd())
    there = [
        *(("file", "tests/test_search.py"), ("file", "test_search.py"), ("file", "docs/x.md")),
        *(("test", "test_index"), ("test", "TestPlans"), ("alert", "SearchSlow")),
        *(("rule", "job:latency:p95"), ("rule", "no-offset"), ("rule", "test_index")),
    ]
    missing = [
        ("file", "x" * 300 + ".py"),
        *(("file", "tests/test_other.py"), ("test", "test_inde"), ("test", "test_of_others")),
        *(
            ("test", "test_in_words"),
            ("alert", "Search"),
            ("alert", "no-offset"),
            ("rule", "offset"),
        ),
    ]
    assert [pair for pair in there if not checks.has(Named(*pair))] == []
    assert [pair for pair in missing if checks.has(Named(*pair))] == []
