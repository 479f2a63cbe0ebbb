"""RB5: whom to page, where alerts lead, three documents, and their commands."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from checked import ask, check, lines, state

from roadbed.checklist.evidence import State

if TYPE_CHECKING:
    from pathlib import Path

WORDS = "It keeps payments and serves them over HTTP to everybody who has a key for it, day and night.\n"


def runbook(section: str, heading: str = "## Page somebody") -> dict[str, str]:
    return {"RUNBOOK.md": f"# Runbook\n\n{heading}\n\n{section}\n\n## Logs\n\n{WORDS}"}


@pytest.mark.parametrize(
    "section",
    [
        "On call: https://pager.invalid/ledger",
        "Call +49 30 1234567.",
        "Write to @acme/ledger-oncall",
        "Ask in #ledger-oncall, then ring.",
        "`/pd trigger ledger`",
        "ledger-oncall@acme.io",
        "verified: 2026-11-01\n\nhttps://pager.invalid/ledger",
    ],
)
def test_somebody_can_be_paged(tmp_path: Path, section: str) -> None:
    assert state(tmp_path, runbook(section), "nobody-to-page") is State.PASS


@pytest.mark.parametrize(
    "section",
    [
        "TODO",
        "On call: TBD, https://pager.invalid/x",
        "https://example.com/pager",
        "Page <team> by their link https://pager.invalid/x",
        "Call your-team",
        "**Nobody can be paged for this service yet.** Write here how.",
        "The engineer on duty. Tried on 2026-11-01.",
        "<!-- https://pager.invalid/ledger -->",
        "",
    ],
)
def test_nobody_can_be_paged(tmp_path: Path, section: str) -> None:
    assert state(tmp_path, runbook(section), "RB501") is State.FAIL


@pytest.mark.parametrize("heading", ["## On-call", "### Escalation", "# Paging", "## Oncall"])
def test_the_section_has_many_names(tmp_path: Path, heading: str) -> None:
    assert state(tmp_path, runbook("https://p.invalid/x", heading), "RB501") is State.PASS


@pytest.mark.parametrize("heading", ["## Logs", "## Homepage", "## Page size"])
def test_other_sections_page_nobody(tmp_path: Path, heading: str) -> None:
    assert state(tmp_path, runbook("https://p.invalid/x", heading), "RB501") is State.FAIL


def test_without_a_runbook_nobody_knows(tmp_path: Path) -> None:
    assert (
        state(tmp_path, {"README.md": "## On call\n\n+49 30 1234567\n"}, "RB501") is State.UNKNOWN
    )


def test_an_old_trial_warns_and_never_fails(tmp_path: Path) -> None:
    files = runbook("https://pager.invalid/x\n\nverified: 2026-08-20")
    for today, expected in [
        (date(2026, 11, 18), State.PASS),
        (date(2026, 11, 19), State.WARN),
        (date(2036, 11, 19), State.WARN),
    ]:
        (result,) = check(tmp_path, files, "RB501", today=today).results
        assert result.state is expected
    odd = runbook("https://pager.invalid/x\n\nverified: 2026-99-99")
    assert state(tmp_path, odd, "RB501") is State.PASS


# RB502 ----------------------------------------------------------------------------------------


def alert(link: str) -> str:
    note = f"\n        annotations:\n          runbook_url: {link}" if link else ""
    return f"""groups:
  - name: a
    rules:
      - alert: Slow
        expr: up == 0
        labels: {{severity: page}}{note}
"""


HEADINGS = "# Runbook\n\n## Not ready\n\n## Slow, or `failing`!\n\n## Slow\n\n## Slow\n\n<a id='old'></a>\n"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://git.invalid/acme/orders/blob/main/RUNBOOK.md#not-ready", State.PASS),
        ("https://git.invalid/acme/orders/blob/main/RUNBOOK.md#slow-or-failing", State.PASS),
        ("RUNBOOK.md#slow-1", State.PASS),
        ("./RUNBOOK.md#old", State.PASS),
        ("RUNBOOK.md", State.PASS),
        ("RUNBOOK.md#slow-2", State.FAIL),
        ("https://git.invalid/acme/orders/blob/main/RUNBOOK.md#ready", State.FAIL),
        ("docs/RUNBOOK_OLD.md#not-ready", State.FAIL),
        ("https://wiki.invalid/pages/not-ready", State.NA),
        ("https://wiki.invalid/other.md#x", State.NA),
        ("", State.WARN),
    ],
)
def test_links_of_alerts(tmp_path: Path, link: str, expected: State) -> None:
    files = {"ops/alerts.yml": alert(link), "RUNBOOK.md": HEADINGS}
    assert state(tmp_path, files, "dead-runbook-link") is expected


def test_a_dead_link_has_its_line(tmp_path: Path) -> None:
    files = {"ops/alerts.yml": alert("RUNBOOK.md#no"), "RUNBOOK.md": HEADINGS}
    assert lines(ask(tmp_path, files, "RB502")) == ["ops/alerts.yml:8"]


def test_without_alerts_there_are_no_links(tmp_path: Path) -> None:
    assert state(tmp_path, {"RUNBOOK.md": HEADINGS}, "RB502") is State.NA


# RB503 ----------------------------------------------------------------------------------------

THREE = {f"{name}.md": f"# {name}\n\n{WORDS}" for name in ("README", "ARCHITECTURE", "RUNBOOK")}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"README.md": None, "README.rst": f"Orders\n======\n\n{WORDS}"},
        {"RUNBOOK.md": None, "docs/runbook.md": WORDS},
        {"README.md": f"{WORDS}\nRun `make todo`. `TODO:` is a word.\n\n```\n# TODO: this\n```\n"},
        {"README.md": f"{WORDS}\n## TODO list of features\n\nOur todo: none.\n"},
        {"RUNBOOK.md": f"{WORDS}\n## Page\n\nTODO: who?\n"},
    ],
)
def test_three_documents(tmp_path: Path, change: dict[str, str | None]) -> None:
    files = {path: text for path, text in (THREE | change).items() if text is not None}
    assert state(tmp_path, files, "missing-document") is State.PASS


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"README.md": None}, "README"),
        ({"ARCHITECTURE.md": None, "DESIGN.md": WORDS}, "ARCHITECTURE"),
        ({"RUNBOOK.md": "# Runbook\n\n## Logs\n\nSoon.\n"}, "RUNBOOK"),
        ({"RUNBOOK.md": ""}, "RUNBOOK"),
        ({"README.md": f"{WORDS}\nTODO: say how to run it\n"}, "README"),
        ({"README.md": f"{WORDS}\n| setting | TBD |\n"}, "README"),
        ({"ARCHITECTURE.md": f"{WORDS}\nLorem ipsum dolor.\n"}, "ARCHITECTURE"),
        ({"ARCHITECTURE.md": f"{WORDS}\n<your diagram here>\n"}, "ARCHITECTURE"),
    ],
)
def test_documents_that_are_missing_or_open(
    tmp_path: Path, change: dict[str, str | None], subject: str
) -> None:
    files = {path: text for path, text in (THREE | change).items() if text is not None}
    result = ask(tmp_path, files, "RB503")
    assert [each.subject for each in result.of(State.FAIL)] == [subject]


# RB504 ----------------------------------------------------------------------------------------

TREE = {
    "Makefile": ".PHONY: run test\nrun test: install\n\t@true\ninstall:\nlog-%:\nX := 1\n",
    "scripts/fix.sh": "",
    "ops/k8s/app.yaml": "",
    "src/orders/__main__.py": "",
    "src/orders/jobs.py": "",
    "requirements.txt": "",
}


def fenced(command: str, info: str = "sh") -> dict[str, str]:
    return {**TREE, "RUNBOOK.md": f"# Runbook\n\n```{info}\n{command}\n```\n"}


@pytest.mark.parametrize(
    "command",
    [
        "make run",
        "make run X=2 test -j2   # both",
        "make log-web",
        "$ make test && ./scripts/fix.sh --now",
        "bash scripts/fix.sh | tee log.txt",
        "kubectl apply -f ops/k8s/app.yaml",
        "kubectl apply --kustomize ops/k8s",
        "python -m orders restore payments ID",
        "DEBUG=1 python3 -m orders.jobs",
        "pip install -r requirements.txt",
    ],
)
def test_commands_that_name_what_is_there(tmp_path: Path, command: str) -> None:
    assert state(tmp_path, fenced(command), "runbook-command-broken") is State.PASS


@pytest.mark.parametrize(
    "command",
    [
        "make deploy",
        "sudo make run deploy",
        "./scripts/mend.sh",
        "sh ./scripts/mend.sh",
        "kubectl apply -f ops/app.yaml",
        "python -m orders.gone",
        "python tools/gone.py",
        "pip install -r requirements-dev.txt",
    ],
)
def test_commands_that_name_what_is_gone(tmp_path: Path, command: str) -> None:
    result = ask(tmp_path, fenced(command, "console"), "RB504")
    assert lines(result) == ["RUNBOOK.md:4"]


@pytest.mark.parametrize(
    ("command", "info"),
    [
        ("make deploy", "makefile"),
        ("make deploy", "python"),
        ("make -C ../other deploy", "sh"),
        ("make $(TARGET)", "sh"),
        ("cd elsewhere\nmake deploy", "sh"),
        ("git clone URL && cd x\nmake deploy", "sh"),
        ("echo 'it goes on\nmake", "sh"),
        ("python -m http.server", "sh"),
        ("./.venv/bin/roadbed check", "sh"),
        ("kubectl apply -f https://git.invalid/x.yaml", "sh"),
        ("bash /opt/fix.sh", "sh"),
        ("curl -f ops/none", "sh"),
    ],
)
def test_commands_that_nobody_can_look_up(tmp_path: Path, command: str, info: str) -> None:
    assert state(tmp_path, fenced(command, info), "RB504") is State.NA


def test_a_makefile_that_includes_another_may_have_any_target(tmp_path: Path) -> None:
    files = fenced("make deploy") | {"Makefile": "include common.mk\n"}
    assert state(tmp_path, files, "RB504") is State.NA
    files = {"README.md": "```\nmake deploy\n```\n"}
    assert state(tmp_path / "without", files, "RB504") is State.FAIL
