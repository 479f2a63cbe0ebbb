"""RB0: waivers, configuration, and files that can't be read."""

from __future__ import annotations

import os
from datetime import date
from typing import TYPE_CHECKING

import pytest
from checked import ask, check, lines, state
from histories import build_file_tree

from roadbed.checklist import configuration
from roadbed.checklist.evidence import State
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path

CALL = "import requests\nrequests.get(url)"
RULE = "call-without-timeout"


@pytest.mark.parametrize(
    "source",
    [
        f"{CALL}  # checklist: allow[{RULE}] bounded by the worker\n",
        f"{CALL}  # noqa: S113 # checklist: allow[RB201] bounded by the worker\n",
        f"import requests\n# checklist: allow[{RULE}] bounded by the worker\nrequests.get(url)\n",
        (
            f"import requests\n# checklist: allow[{RULE}, RB301] bounded by the worker\n# more\n\n"
            "requests.get(url)\n"
        ),
        (
            f"import requests\n# checklist: allow[{RULE}] bounded by the worker\nx = f(\n"
            "    requests.get(url),\n)\n"
        ),
        f"{CALL}  # checklist: allow[{RULE}] until=2026-11-22 bounded by the worker\n",
    ],
)
def test_a_comment_waives_what_it_is_beside(tmp_path: Path, source: str) -> None:
    result = ask(tmp_path, {"src/app/calls.py": source}, RULE)
    assert result.state is State.WAIVED
    assert result.evidence[0].reason == "bounded by the worker"


@pytest.mark.parametrize(
    "source",
    [
        f"# checklist: allow[{RULE}] not beside it\nimport requests\nrequests.get(url)\n",
        f"{CALL}\n# checklist: allow[{RULE}] after it\n",
        f"{CALL}  # checklist: allow[select-star] another rule\n",
        f"{CALL}  # checklist: allow[{RULE}]\n",
        f"import requests\nrequests.get(url, '# checklist: allow[{RULE}] in a string')\n",
        f"{CALL}  # checklist allow[{RULE}] misspelled\n",
    ],
)
def test_a_comment_waives_nothing_else(tmp_path: Path, source: str) -> None:
    assert state(tmp_path, {"src/app/calls.py": source}, RULE) is State.FAIL


def test_sql_yaml_and_markdown_have_comments(tmp_path: Path) -> None:
    files = {
        "q.sql": "-- checklist: allow[select-star] the archive copies whatever there is\n"
        "SELECT * FROM users;\n",
        "src/app/q.py": "# checklist: allow[hard-delete] a purge\nq = '''\n"
        "    DELETE FROM users\n'''\n",
        "RUNBOOK.md": "## Page\n\n<!-- checklist: allow[nobody-to-page] an experiment -->\nTODO\n",
    }
    for name in ("select-star", "hard-delete", "nobody-to-page"):
        assert state(tmp_path, files, name) is State.WAIVED, name


def test_a_document_that_explains_waivers_has_none(tmp_path: Path) -> None:
    text = "Write `# checklist: allow[rule] the reason` or `-- checklist: allow[rule]`.\n"
    files = {"README.md": text, "docs/how.md": f"```\n{text}```\n"}
    assert state(tmp_path, files, "broken-waiver") is State.NA


def waived(**waiver: str) -> str:
    lines = [
        "[[tool.roadbed.check.waive]]",
        *(f'{key} = "{value}"' for key, value in waiver.items()),
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("waiver", "expected"),
    [
        ({"rule": RULE, "reason": "why"}, State.WAIVED),
        ({"rule": "RB201", "reason": "why", "path": "src/app/*"}, State.WAIVED),
        ({"rule": RULE, "reason": "why", "subject": "requests.get"}, State.WAIVED),
        ({"rule": RULE, "reason": "why", "until": "2020-01-31"}, State.WAIVED),
        ({"rule": RULE, "reason": "why", "path": "src/other/*"}, State.FAIL),
        ({"rule": RULE, "reason": "why", "subject": "requests.post"}, State.FAIL),
        ({"rule": "RB301", "reason": "why"}, State.FAIL),
        ({"rule": RULE, "reason": " "}, State.FAIL),
    ],
)
def test_a_table_waives(tmp_path: Path, waiver: dict[str, str], expected: State) -> None:
    files = {"src/app/calls.py": CALL, "pyproject.toml": waived(**waiver)}
    assert state(tmp_path, files, RULE) is expected


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        (f"allow[{RULE}]", "it gives no reason"),
        ("allow[no-such-rule] why", "it names no rule that there is: “no-such-rule”"),
        ("allow[] why", "it names no rule that there is: “”"),
        (f"allow[{RULE}] until=soon why", "“until=soon” is no date: until=2027-01-31"),
    ],
)
def test_a_broken_waiver_is_a_failure(tmp_path: Path, comment: str, why: str) -> None:
    result = ask(tmp_path, {"a.py": f"x = 1  # checklist: {comment}\n"}, "broken-waiver")
    assert result.state is State.FAIL
    assert result.evidence[0].message == f"A waiver waives nothing: {why}"
    assert lines(result) == ["a.py:1"]


def test_a_stale_waiver_warns_and_still_holds(tmp_path: Path) -> None:
    source = (
        f"{CALL}  # checklist: allow[{RULE}] until=2026-01-31 soon\n"
        f"x = 1  # checklist: allow[{RULE}] nothing is here\n"
    )
    report = check(tmp_path, {"a.py": source})
    found = {result.rule.name: result for result in report.results}
    assert found[RULE].state is State.WAIVED
    assert found["stale-waiver"].state is State.WARN
    messages = [each.message for each in found["stale-waiver"].evidence]
    assert messages == [
        f"The waiver of {RULE} ended on 2026-01-31: look whether it still holds",
        f"Nothing needs the waiver of {RULE}: delete it",
    ]
    (alone,) = check(tmp_path, {}, "stale-waiver").results
    assert len(alone.evidence) == 1  # whether anything needs it, only asking all rules tells


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("[tool.roadbed.check]\ncolour = 1", "there is no setting “colour”"),
        ("[tool.roadbed]\ncheck = 1", "tool.roadbed.check is no table"),
        ("[tool]\nroadbed = 1", "tool.roadbed.check is no table"),
        ("[tool.roadbed.check]\nexclude = 'x'", "“exclude” is a list of patterns"),
        ("[tool.roadbed.check]\nopenapi = 1", "“openapi” is a path"),
        ("[tool.roadbed.check]\ndatabase = 1", "“database” is a table"),
        ("[tool.roadbed.check.database]\nreplica = 1", "there is no “database.replica”"),
        ("[tool.roadbed.check.database]\nreplicas = true", "“database.replicas” is int"),
        ("[tool.roadbed.check]\nwaive = 1", "[[tool.roadbed.check.waive]]"),
        (waived(reason="why"), "a waiver names its “rule”"),
        (waived(rule="RB201", why="x"), "a waiver has no “why”"),
        (waived(rule="RB201", until="soon"), "“until = soon” of a waiver is no date"),
        (f"{waived(rule='RB201')}\nuntil = 3", "“until” of a waiver is a date"),
        (f"{waived(rule='RB201')}\nreason = 3", "“reason” of a waiver is text"),
        ("[tool", "can't be read"),
        ("x = '\udcff'", "can't be read"),
    ],
)
def test_a_broken_configuration_is_a_sentence(tmp_path: Path, table: str, sentence: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes(table.encode(errors="surrogateescape"))
    with pytest.raises(RoadbedError) as raised:
        configuration.read(tmp_path)
    assert sentence in str(raised.value)


def test_what_is_configured_is_read(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "[tool.roadbed.check]\nexclude = ['src/old']\nopenapi = 'api.json'\n"
        "[[tool.roadbed.check.waive]]\nrule = 'RB201'\nreason = 'x'\nuntil = 2027-01-31\n",
        "src/old/calls.py": CALL,
        "api.json": '{"openapi": "3.0.0", "paths": {}}',
    }
    assert state(tmp_path, files, "RB201") is State.NA
    assert state(tmp_path, files, "RB603") is State.PASS
    (waiver,) = configuration.read(tmp_path).waivers
    assert (waiver.until, waiver.line) == (date(2027, 1, 31), 4)


# RB001 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "where"),
    [
        ("src/app/a.py", "x = (\n", "src/app/a.py:1"),
        ("src/app/a.py", "print 'x'\n", "src/app/a.py:1"),
        ("src/app/a.py", "x = '\0'\n", "src/app/a.py:0"),
        ("src/app/a.py", "# coding: klingon\n", "src/app/a.py:0"),
        ("src/app/a.py", "x = " + "(" * 5000 + ")" * 5000, "src/app/a.py:1"),
        ("ops/alerts.yml", "groups:\n  - alert: [\n", "ops/alerts.yml:3"),
        ("ops/alerts.yml", "alert: *nowhere\n", "ops/alerts.yml:1"),
        ("openapi.json", '{"openapi": "3.1.0",\n "paths": }', "openapi.json:2"),
        ("openapi.json", '{"openapi": "3.1.0", "x": ' + "[" * 100_000, "openapi.json:0"),
        ("openapi.yaml", "openapi: 3.1.0\npaths: {a: [}\n", "openapi.yaml:2"),
    ],
)
def test_what_cant_be_parsed_is_a_finding(tmp_path: Path, path: str, text: str, where: str) -> None:
    report = check(tmp_path, {path: text})
    result = next(each for each in report.results if each.rule.name == "unreadable-file")
    assert lines(result) == [where]
    assert not [e for r in report.results for e in r.evidence if "defect" in e.message]


def test_odd_files_are_left_alone(tmp_path: Path) -> None:
    build_file_tree(
        tmp_path, {"src/app/a.py": "x = 1\n", ".venv/b.py": "x = (", "node_modules/c.py": "("}
    )
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "etc.py").symlink_to("/etc/passwd")
    (tmp_path / os.fsdecode(b"b\xff.py")).write_text("x = 1\n")
    (tmp_path / "big.py").write_bytes(b"#" * 9_000_000)
    report = check(tmp_path, {})
    result = next(each for each in report.results if each.rule.name == "unreadable-file")
    assert [each.message for each in result.evidence] == ["big.py is larger than 8 MB"]


def test_windows_line_ends_and_marks_change_nothing(tmp_path: Path) -> None:
    source = f"{CALL}  # checklist: allow[{RULE}] why\n".replace("\n", "\r\n")
    (tmp_path / "a.py").write_bytes(b"\xef\xbb\xbf" + source.encode())
    (tmp_path / "RUNBOOK.md").write_bytes(
        b"\xef\xbb\xbf# Page\r\n\r\nhttps://pager.invalid/x\r\n```\r\nmake x\r\n```\r\n"
    )
    assert state(tmp_path, {}, RULE) is State.WAIVED
    assert state(tmp_path, {}, "nobody-to-page") is State.PASS
    assert lines(ask(tmp_path, {}, "RB504")) == ["RUNBOOK.md:5"]
