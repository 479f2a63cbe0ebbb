"""Reports: in words, in Markdown, as JSON, as SARIF that validates."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from checked import check

from roadbed.checklist import catalogue
from roadbed.checklist.checking import Report, fingerprints
from roadbed.checklist.evidence import State, worst
from roadbed.checklist.formats import document, markdown, sarif, text
from roadbed.checklist.rule import Item

# The schema of the OASIS technical committee, as published; vendored, since tests have no network.
SCHEMA = json.loads(Path(__file__).with_name("sarif-2.1.0.json").read_text(encoding="utf-8"))

FILES = {
    "src/app/__init__.py": "",
    "src/app/calls.py": (
        "import boto3, requests\nrequests.get(url)\nrequests.get(url)\nboto3.client('s3')\n"
        "requests.put(url)  # checklist: allow[RB201] it is *our* | own\n"
        "requests.post(url, **options)\n"
    ),
    "RUNBOOK.md": "## Page\n\nhttps://pager.invalid/x and a sentence that is long enough to be one.\n",
}


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return check(tmp_path / "Übung & co", FILES)


def results(report: Report) -> list[dict[str, Any]]:
    log = json.loads(sarif.write([report], "1.2.3"))
    jsonschema.Draft7Validator(SCHEMA).validate(log)
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def test_sarif_validates_and_says_what_is_not_kept(report: Report) -> None:
    calls = [each for each in results(report) if each["ruleId"] == "RB201"]
    assert [(each["kind"], each["level"]) for each in calls] == [
        ("fail", "error"),
        ("fail", "error"),
        ("open", "none"),
        ("fail", "warning"),
        ("fail", "error"),
    ]
    location = calls[0]["locations"][0]["physicalLocation"]
    assert location == {
        "artifactLocation": {"uri": "src/app/calls.py"},
        "region": {"startLine": 2},
    }
    assert calls[-1]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "it is *our* | own"}
    ]
    driver = json.loads(sarif.write([report], "1.2.3"))["runs"][0]["tool"]["driver"]
    for each in results(report):
        assert driver["rules"][each["ruleIndex"]]["id"] == each["ruleId"]


def test_sarif_of_what_passes_and_of_many_services_validates(tmp_path: Path) -> None:
    empty = check(tmp_path / "a", {}, "RB201")
    (tmp_path / "b").mkdir()
    odd = os.fsdecode(b"b\xff \xc3\xa4.py")
    (tmp_path / "b" / odd).write_text("import requests\nrequests.get(x)\n")
    log = json.loads(sarif.write([empty, check(tmp_path / "b", {}, "RB201")], "1.0"))
    jsonschema.Draft7Validator(SCHEMA).validate(log)
    assert [len(run["results"]) for run in log["runs"]] == [0, 1]
    uri = log["runs"][1]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"][
        "uri"
    ]
    assert uri == "b%FF%20%C3%A4.py"


def test_fingerprints_are_each_their_own_and_stay_when_lines_move(tmp_path: Path) -> None:
    before = check(tmp_path, FILES, "RB201").results[0]
    names = fingerprints(before)
    assert len(set(names)) == len(names) == 5
    moved = "# a new line\n\n" + FILES["src/app/calls.py"]
    after = check(tmp_path, {"src/app/calls.py": moved}, "RB201").results[0]
    assert fingerprints(after) == names
    assert [each.place for each in after.evidence] != [each.place for each in before.evidence]


def test_json_has_a_version_and_all_evidence(report: Report) -> None:
    loaded = json.loads(document.write([report]))
    assert loaded["schema"] == 1
    (service,) = loaded["services"]
    assert service.keys() == {"path", "summary", "items", "rules"}
    assert [rule["code"] for rule in service["rules"]] == [rule.code for rule in catalogue.RULES]
    calls = next(rule for rule in service["rules"] if rule["code"] == "RB201")
    assert calls["state"] == "fail"
    assert calls["evidence"][0] == {
        "state": "fail",
        "message": "requests.get(…) waits for ever: give it timeout (requests has no default)",
        "path": "src/app/calls.py",
        "line": 2,
        "subject": "requests.get",
        "reason": None,
    }


def test_the_words_are_grouped_by_what_the_article_asks(report: Report) -> None:
    said = text.write(report, verbose=False)
    assert said.startswith("Übung & co\n")
    asked = [item.value for item in Item if item is not Item.ITSELF]
    places = [said.index(item) for item in asked]
    assert places == sorted(places)
    assert "✗ src/app/calls.py:2  requests.get(…) waits for ever" in said
    assert "! src/app/calls.py:4  boto3.client(…) relies on the library's limit" in said
    assert "(waived: it is *our* | own)" in said
    assert "? src/app/calls.py:6  requests.post(…) may wait for ever" in said
    assert said.endswith(report.summary())


def test_many_findings_are_cut_short_unless_asked_for(tmp_path: Path) -> None:
    report = check(tmp_path, {"a.py": "import requests\n" + "requests.get(x)\n" * 30}, "RB201")
    said = text.write(report, verbose=False)
    assert said.count("waits for ever") == text.SHOWN
    assert "… and 20 more: --verbose shows them" in said
    assert text.write(report, verbose=True).count("waits for ever") == 30


def test_markdown_is_a_table_and_a_list(report: Report) -> None:
    said = markdown.write(report)
    assert "| ❌ | All external calls have timeouts | fail |" in said
    assert "- ❌ `src/app/calls.py:2`: requests.get(…) waits for ever" in said
    assert r"(waived: it is \*our\* \| own)" in said


@pytest.mark.parametrize(
    ("files", "names", "summary"),
    [
        ({}, ["RB201"], "0 of 0 items hold, 1 does not apply."),
        ({"a.py": "import httpx\nhttpx.get(x)\n"}, ["RB201"], "1 of 1 items holds."),
        (FILES, ["RB201", "RB501"], "1 of 2 items holds, 1 fails."),
        (
            {"a.py": "import boto3\nboto3.client('s3')\n"},
            ["RB201", "RB501", "RB503"],
            "1 of 3 items holds (1 with a warning), 1 fails, 1 could not be verified.",
        ),
        (
            {"a.py": "import requests\nrequests.get(x)  # checklist: allow[RB201] why\n"},
            ["RB2"],
            "1 of 1 items holds (1 by a waiver).",
        ),
        (
            {"a.py": "x = (\n"},
            ["RB201", "RB0"],
            "0 of 0 items hold, 1 does not apply, and the check itself has something to say.",
        ),
    ],
)
def test_the_last_line_is_for_a_manager(
    tmp_path: Path, files: dict[str, str], names: list[str], summary: str
) -> None:
    assert check(tmp_path, files, *names).summary() == summary


def test_a_whole_is_as_good_as_its_worst_part() -> None:
    assert worst([State.PASS, State.NA, State.WARN]) is State.WARN
    assert worst([State.WARN, State.UNKNOWN]) is State.UNKNOWN
    assert worst([State.UNKNOWN, State.FAIL]) is State.FAIL
    assert worst([State.NA, State.PASS]) is State.PASS
    assert worst([]) is State.NA
