"""`roadbed incident`: arguments in, words and exit codes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from runbooks import ARTICLE, EMPTY, entry
from typer.testing import CliRunner, Result

from roadbed.cli import app
from roadbed.incidents.entry import FIELDS
from roadbed.incidents.notation import render
from roadbed.incidents.runbook import END, Runbook

RUNBOOK = Path("orders/RUNBOOK.md")
GIVEN = [argument for name, text in ARTICLE.items() for argument in (f"--{name}", text)]


def incident(*arguments: str | Path, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["incident", *map(str, arguments)], input=given)


def document(result: Result) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(result.stdout)
    assert loaded["schema"] == 1
    return loaded


def incidents() -> list[str]:
    return [it.id for it in Runbook(RUNBOOK.read_text()).incidents]


@pytest.fixture(autouse=True)
def orders() -> None:
    """A service without an incident."""
    RUNBOOK.parent.mkdir()
    RUNBOOK.write_text(EMPTY)


@pytest.fixture
def two() -> None:
    """The article's incident, and one of severity 1 that is older."""
    other = entry(
        date="2025-01-02", title="Disk *full*", severity="1", tags=["disk"], what="ENOSPC"
    )
    RUNBOOK.write_text(EMPTY.replace(END, f"{render(entry())}\n{render(other)}\n{END}"))


def test_an_incident_is_added_and_its_place_is_printed() -> None:
    result = incident("add", "orders", *GIVEN)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "orders/RUNBOOK.md:9  2025-06-15-search-timeouts\n"
    assert RUNBOOK.read_text() == EMPTY.replace(END, f"{render(entry())}\n{END}")
    again = incident("add", "orders", *GIVEN)
    assert again.stdout == "orders/RUNBOOK.md:9  2025-06-15-search-timeouts is there already\n"
    assert incidents() == ["2025-06-15-search-timeouts"]
    assert incident("add", "orders", *GIVEN, "--why", "Another", "-q").output == ""
    assert incidents() == ["2025-06-15-search-timeouts-2", "2025-06-15-search-timeouts"]


def test_all_that_machines_need_is_written() -> None:
    more = ["--severity", "2", "--started", "14:02", "--detected", "14:07", "--resolved", "14:47"]
    more += ["--tag", "search", "--tag", "Database", "--link", "https://example.org/1"]
    added = document(incident("add", RUNBOOK, *GIVEN, *more, "--json"))
    assert added == {
        "schema": 1,
        "id": "2025-06-15-search-timeouts",
        "path": str(RUNBOOK.absolute()),
        "line": 9,
        "changed": True,
        "warnings": [],
    }
    (listed,) = document(incident("list", "--json"))["incidents"]
    assert listed == ARTICLE | {
        "id": "2025-06-15-search-timeouts",
        "service": "orders",
        "path": str(RUNBOOK.absolute()),
        "line": 9,
        "severity": 2,
        "started": "2025-06-15T14:02Z",
        "detected": "2025-06-15T14:07Z",
        "resolved": "2025-06-15T14:47Z",
        "tags": ["search", "database"],
        "links": ["https://example.org/1"],
    }


def test_without_a_terminal_what_is_missing_names_its_options() -> None:
    result = incident("add", "orders", *GIVEN[:4])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "The incident has no what, no why, no fix, no caught, no prevention.\n" in result.stderr
    assert "--what --why --fix --caught --prevention" in result.stderr
    assert RUNBOOK.read_text() == EMPTY


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_it_comes_from_a_file_or_a_pipe_and_options_win(form: str) -> None:
    text = json.dumps(ARTICLE) if form == "json" else render(entry())
    Path("file").write_text(text)
    assert incident("add", "orders", "--from", "file", "--severity", "3").exit_code == 0
    piped = incident("add", "orders", "--from", "-", "--title", "Piped", given=text)
    assert piped.exit_code == 0, piped.stderr
    found = Runbook(RUNBOOK.read_text()).incidents
    assert [(it.entry.title, it.entry.severity) for it in found] == [
        ("Piped", ""),
        ("Search timeouts", "3"),
    ]


def test_a_dry_run_shows_the_diff_and_changes_nothing() -> None:
    result = incident("add", "orders", *GIVEN, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "--- orders/RUNBOOK.md\n+++ orders/RUNBOOK.md\n@@ -6,4 +6,17 @@\n"
    )
    assert "\n+### Incident 2025-06-15: Search timeouts\n" in result.stdout
    diff = document(incident("add", "orders", *GIVEN, "--dry-run", "--json"))
    assert (diff["diff"], diff["changed"]) == (result.stdout, False)
    assert RUNBOOK.read_text() == EMPTY


def test_no_other_file_becomes_a_runbook() -> None:
    Path("orders/pyproject.toml").write_text("[project]\n")
    result = incident("add", "orders/pyproject.toml", *GIVEN)
    assert result.exit_code == 2
    assert "orders/pyproject.toml is no runbook" in result.stderr
    assert Path("orders/pyproject.toml").read_text() == "[project]\n"


def test_what_is_not_yet_there_is_said() -> None:
    RUNBOOK.write_text("# By hand")
    result = incident("add", "orders", *GIVEN, "--prevention", "`test_planner`")
    assert result.exit_code == 0
    assert "Warning: orders/RUNBOOK.md had no incident markers: they are made" in result.stderr
    assert "Warning: Prevention names the test test_planner: there is none." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "nowhere", *GIVEN], "There is no nowhere."),
        (["add", ".", *GIVEN], "There is no RUNBOOK.md in"),
        (["add", "orders", *GIVEN, "--date", "2025-02-30"], "there is no day 2025-02-30"),
        (["add", "orders", *GIVEN, "--from", "none"], "none can't be read: No such file"),
        (["add", "orders", "--edit", "--from", "-"], "An editor can't share its input"),
        (["add", "orders", "--edit"], "There is no editor: VISUAL and EDITOR are not set."),
        (["search", "x", "--in", "nowhere"], "There is no nowhere."),
        (["list", "--since", "spring"], "“--since spring” is no day."),
        (["resolve", "nowhere"], "There is no nowhere."),
    ],
)
def test_an_error_is_two_sentences_and_exit_code_2(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    result = incident(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert RUNBOOK.read_text() == EMPTY


def filling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str = "") -> None:
    """Make the editor one that fills the draft in."""
    texts = {label: ARTICLE[name] for name, label in FIELDS.items()}
    script = "\n".join(f"s/^\\*\\*{label}:\\*\\*/& {text}/" for label, text in texts.items())
    (tmp_path / "fill.sed").write_text(
        f"{script}\ns/^### .*/### Incident 2025-06-15: Search timeouts/"
    )
    monkeypatch.setenv("VISUAL", f"sh -c 'sed -i -f {tmp_path}/fill.sed \"$0\"{ending}'")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "drafts"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "drafts").mkdir()


def test_an_editor_fills_the_draft_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    filling(monkeypatch, tmp_path)
    result = incident("add", "orders", "--edit", "--tag", "search")
    assert result.exit_code == 0, result.stderr
    assert RUNBOOK.read_text() == EMPTY.replace(END, f"{render(entry(tags=['search']))}\n{END}")
    assert list((tmp_path / "drafts").iterdir()) == []


def test_what_was_written_is_kept_when_anything_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filling(monkeypatch, tmp_path)
    secret = "AKIA" + "ABCDEFGHIJKLMNOP"
    failed = incident("add", "orders", "--edit", "--link", f"https://x/{secret}")
    assert failed.exit_code == 2
    (draft,) = (tmp_path / "drafts").iterdir()
    assert f"What you wrote is kept in {draft}:\n" in failed.stderr
    assert f"roadbed incident add orders/RUNBOOK.md --edit --from {draft}" in failed.stderr
    assert RUNBOOK.read_text() == EMPTY
    draft.write_text(draft.read_text().replace(secret, "1"))
    assert incident("add", "orders", "--from", draft).exit_code == 0
    assert incidents() == ["2025-06-15-search-timeouts"]


def test_a_draft_left_as_it_was_adds_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filling(monkeypatch, tmp_path)
    monkeypatch.setenv("VISUAL", "true")
    result = incident("add", "orders", "--edit", *GIVEN)
    assert result.exit_code == 2
    assert "Nothing was added.\nThe draft was left as it was.\n" in result.stderr
    monkeypatch.setenv("VISUAL", "rm")
    gone = incident("add", "orders", "--edit", *GIVEN)
    assert gone.exit_code == 2
    assert "can't be read: No such file" in gone.stderr
    assert "kept" not in gone.stderr
    assert list((tmp_path / "drafts").iterdir()) == []
    assert RUNBOOK.read_text() == EMPTY


@pytest.mark.usefixtures("two")
def test_a_hit_says_where_when_what_and_why() -> None:
    result = incident("search", "search", "slow")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "orders/RUNBOOK.md:9  2025-06-15  orders: Search timeouts\n"
        "    What happened: Search API p99 rose to 8s\n"
        "    matched: search, slow\n"
    )
    assert "\x1b" not in result.stdout
    other = incident("search", "no space left")
    assert "matched: space ≈ disk, no space left ≈ disk" in other.stdout
    assert other.stdout.startswith("orders/RUNBOOK.md:22  2025-01-02  orders: Disk *full*\n")


@pytest.mark.usefixtures("two")
def test_no_hit_is_exit_code_1_and_a_limit_a_limit() -> None:
    none = incident("search", "zebra")
    assert (none.exit_code, none.stdout) == (1, "")
    assert none.stderr == "None of 2 incidents matches “zebra”.\n"
    assert incident("search", "zebra", "-q").output == ""
    assert incident("search", "index", "-q").output == ""
    some = incident("search", "index", "-n", "1")
    assert some.stdout.count("matched:") == 1
    assert some.stderr == "1 of 2 hits; -n shows more.\n"
    assert incident("search", "index", "--not", "enospc", "--since", "2025-02-01").exit_code == 0
    assert incident("search", "index", "--tag", "search").exit_code == 1
    assert incident("search", "index", "--severity", "1", "--service", "orders").exit_code == 0


@pytest.mark.usefixtures("two")
def test_hits_for_machines() -> None:
    answer = document(incident("search", "search slow", "--json"))
    assert (answer["query"], answer["total"], answer["searched"]) == ("search slow", 2, 2)
    first = answer["hits"][0]
    assert first["id"] == "2025-06-15-search-timeouts"
    assert first["matched"] == ["search", "slow"]
    assert first["best_line"] == {
        "line": 12,
        "text": "What happened: Search API p99 rose to 8s",
        "hits": [[15, 21]],
    }
    assert document(incident("search", "zebra", "--json"))["hits"] == []


@pytest.mark.usefixtures("two")
def test_incidents_are_listed_and_shown() -> None:
    assert incident("list").stdout == (
        "orders/RUNBOOK.md:9  2025-06-15  orders: Search timeouts\n"
        "orders/RUNBOOK.md:22  2025-01-02  orders: Disk *full*\n"
    )
    assert incident("list", "orders", "--severity", "1").stdout.count("\n") == 1
    assert incident("list", "--since", "2025-02-01").stdout.count("\n") == 1
    assert incident("list", "--since", "99999d", "--tag", "DISK").stdout.count("\n") == 1
    none = incident("list", "--tag", "none")
    assert (none.exit_code, none.output) == (1, "There is no such incident.\n")
    assert incident("list", "--format", "markdown").stdout == (
        "| date | service | severity | incident |\n"
        "|---|---|---|---|\n"
        "| 2025-06-15 | orders |  | [Search timeouts]"
        "(<orders/RUNBOOK.md#incident-2025-06-15-search-timeouts>) |\n"
        "| 2025-01-02 | orders | 1 | [Disk \\*full\\*]"
        "(<orders/RUNBOOK.md#incident-2025-01-02-disk-full>) |\n"
    )
    shown = incident("show", "2025-06")
    assert shown.stdout == f"orders/RUNBOOK.md:9\n{render(entry())}\n"
    assert document(incident("show", "2025", "--json"))["incidents"][1]["severity"] == 1
    missing = incident("show", "2024")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert missing.stderr == "No incident's id is or begins with “2024”.\n"


@pytest.mark.usefixtures("two")
def test_lint_names_file_line_and_rule() -> None:
    fine = incident("lint", "orders")
    assert (fine.exit_code, fine.stdout, fine.stderr) == (0, "", "2 incidents, 0 errors, 0 notes\n")
    RUNBOOK.write_text(RUNBOOK.read_text().replace("2025-01-02", "2026-02-30"))
    result = incident("lint")
    assert result.exit_code == 1
    assert "orders/RUNBOOK.md:22: error: there is no day 2026-02-30 [date]\n" in result.stdout
    assert "orders/RUNBOOK.md:22: error: it is newer than the one above it" in result.stdout
    found = document(incident("lint", "--json"))
    assert (found["errors"], found["incidents"], len(found["findings"])) == (2, 2, 2)
    assert found["findings"][0] == {
        "path": str(RUNBOOK.absolute()),
        "line": 22,
        "level": "error",
        "rule": "date",
        "message": "there is no day 2026-02-30",
    }
    assert incident("lint", "-q").output == ""


CONFLICT = EMPTY.replace(
    END,
    f"<<<<<<< ours\n### Incident 2025-06-15: Ours\n=======\n### Incident 2025-06-14: Theirs\n>>>>>>> theirs\n\n{END}",
)


def test_a_conflict_is_resolved_or_left() -> None:
    nothing = incident("resolve", "orders")
    assert (nothing.exit_code, nothing.stdout) == (0, "orders/RUNBOOK.md holds no conflict.\n")
    RUNBOOK.write_text(CONFLICT)
    refused = incident("add", "orders", *GIVEN)
    assert refused.exit_code == 2
    assert "orders/RUNBOOK.md holds a conflict that git left.\nRun roadbed incident resolve" in (
        refused.stderr
    )
    dry = incident("resolve", "orders", "--dry-run")
    assert dry.stdout == "orders/RUNBOOK.md: would keep 2025-06-14-theirs as well\n"
    assert RUNBOOK.read_text() == CONFLICT
    done = incident("resolve", "orders")
    assert done.stdout == "orders/RUNBOOK.md: kept 2025-06-14-theirs as well\n"
    assert done.stderr == "To go on: git add orders/RUNBOOK.md\n"
    assert incidents() == ["2025-06-15-ours", "2025-06-14-theirs"]
    other = CONFLICT.replace("Page the owner.", "<<<<<<< a\nAda\n=======\nGrace\n>>>>>>> b")
    RUNBOOK.write_text(other)
    left = incident("resolve", "orders", "--json")
    assert left.exit_code == 1
    assert "more than incidents is in conflict" in document(left)["conflict"]
    assert "orders/RUNBOOK.md is left as it is: more than incidents" in left.stderr
    assert RUNBOOK.read_text() == other


def test_a_terminal_obeys_no_runbook() -> None:
    evil = render(entry(title="Evil \x1b]0;x\x07 title"))
    RUNBOOK.write_text(EMPTY.replace(END, f"{evil}\n{END}"))
    for verb in (["list"], ["search", "evil"], ["show", "2025"]):
        result = incident(*verb)
        assert "Evil �]0;x� title" in result.stdout
        assert "\x1b" not in result.stdout
