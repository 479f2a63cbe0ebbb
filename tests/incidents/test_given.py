"""What is given for an entry, in whichever form, and the entry that it makes."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from runbooks import ARTICLE, given

from roadbed.errors import RoadbedError
from roadbed.incidents.editor import keep, open_editor
from roadbed.incidents.given import entry_of, missing
from roadbed.incidents.moments import written
from roadbed.incidents.sources import draft_of, from_text


def test_json_and_markdown_give_the_same_entry() -> None:
    more = {"severity": 2, "started": "2025-06-15T14:02Z", "tags": ["search"], "links": []}
    from_json = from_text(json.dumps(ARTICLE | more | {"resolved": None}), "x.json")
    markdown = """\
Some prose before it.

# Incident 2025-06-15: Search timeouts
<!-- incident severity=2 started=2025-06-15T14:02Z tags=search -->
**What happened:** Search API p99 rose to 8s
**Why:** Wildcard queries missing index hints
**Fix:** Added pg_trgm indexes + gin indices
**How we caught:** Slow query log at 1s threshold
**Prevention:** Query planner tests in CI
"""
    assert entry_of(from_json) == entry_of(from_text("\ufeff" + markdown, "x.md"))
    assert entry_of(from_json) == entry_of(from_text(markdown.replace("\n", "\r\n"), "x.md"))
    assert entry_of(from_json).severity == "2"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "x is no JSON"),
        ("{" * 100_000, "x is no JSON"),
        ('{"titel": "x"}', "x has “titel”, which no incident has"),
        ('{"title": 1}', "“title” in x is not a text"),
        ('{"title": ["x"]}', "“title” in x is not a text"),
        ('{"severity": true}', "“severity” in x is not a text"),
        ('{"tags": "a"}', "“tags” in x is not a list of texts"),
        ('{"tags": [1]}', "“tags” in x is not a list of texts"),
        ("[]", "x holds no incident"),
        ("", "x holds no incident"),
        ("# Incident 2025-01-01: a\n# Incident 2025-01-01: b\n", "x holds 2 incidents"),
    ],
)
def test_what_is_neither_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(RoadbedError, match=sentence):
        from_text(text, "x")


def test_what_is_missing_names_the_options() -> None:
    assert missing({"title": " \n", "why": "x"}) == ["title", "what", "fix", "caught", "prevention"]
    with pytest.raises(RoadbedError, match="has no why, no fix") as raised:
        entry_of(given(why="", fix="\n"))
    assert "Give --why --fix, write it with --edit" in raised.value.advice


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"date": "15.6.2025"}, "there is no day 15.6.2025"),
        ({"date": "2999-01-01"}, "2999-01-01 is in the future"),
        ({"severity": "high"}, "severity=high is not 0 to 5"),
        ({"started": "yesterday"}, "started=yesterday is no time"),
        ({"started": "25:00"}, "started=25:00 is no time"),
        ({"started": "14:02", "detected": "13:00"}, "it was detected before it was started"),
        ({"why": "\x1b[31mred\x1b[0m"}, r"“why” holds a character that is no text \(U\+001B\)"),
        ({"why": "\udcff"}, r"“why” holds a character that is no text \(U\+DCFF\)"),
        ({"tags": ["two words"]}, r"“two words” \(tags\) has a space"),
        ({"links": ["http://x/-->"]}, r"\(links\) has a space or an angle bracket"),
        ({"links": ["http://x/AKIA" + "ABCDEFGHIJKLMNOP"]}, "the heading holds what looks like"),
        ({"id": "a b"}, r"\(id\) has a space"),
        ({"fix": "mail ada@example.org"}, "“Fix” holds what looks like an e-mail address"),
        ({"fix": "AKIA" + "ABCDEFGHIJKLMNOP"}, "“Fix” holds what looks like an AWS access key"),
    ],
)
def test_what_is_wrong_is_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(RoadbedError, match=sentence):
        entry_of(given(**changes))


def test_what_is_said_loosely_is_tidied() -> None:
    made = entry_of(
        given(
            title="  Search\n timeouts ",
            what="\r\na\rb\r\n",
            severity="SEV-1",
            date="",
            tags=["Search,db", "db"],
            links=["http://x/a,b", "http://x/a,b"],
        )
    )
    assert (made.title, made.what, made.severity) == ("Search timeouts", "a\nb", "1")
    assert (made.tags, made.links) == (("search", "db"), ("http://x/a%2Cb",))
    assert made.date == datetime.now().astimezone().date().isoformat()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("14:02", "2025-06-15T14:02Z"),
        ("9:05Z", "2025-06-15T09:05Z"),
        ("2025-06-15 14:02", "2025-06-15T14:02Z"),
        ("2025-06-15T14:02:30+02:00", "2025-06-15T12:02:30Z"),
        ("2025-06-15", "2025-06-15"),
        ("0001-01-01T00:00+14:00", "0001-01-01T00:00+14:00"),
        ("", ""),
    ],
)
def test_times_are_kept_in_utc(text: str, kept: str) -> None:
    assert written(text, "2025-06-15") == kept


def test_a_draft_is_filled_in_and_read_without_its_hints() -> None:
    blank = draft_of({"title": "Search timeouts", "date": "2025-06-15", "tags": ["db"]})
    assert "severity= started= detected= resolved= tags=db links=" in blank
    assert missing(from_text(blank, "draft")) == ["what", "why", "fix", "caught", "prevention"]
    filled = blank
    for name in ("what", "why", "fix", "caught", "prevention"):
        label = {"what": "What happened", "caught": "How we caught"}.get(name, name.capitalize())
        filled = filled.replace(f"**{label}:**", f"**{label}:** {ARTICLE[name]}")
    assert entry_of(from_text(filled, "draft")) == entry_of(given(tags=["db"]))
    assert draft_of(from_text(filled, "draft")).count("<!--") == 2


def test_the_editor_is_visual_then_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = keep("a draft")
    assert draft.stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with pytest.raises(RoadbedError, match="VISUAL and EDITOR are not set"):
        open_editor(draft)
    monkeypatch.setenv("EDITOR", "sh -c 'printf editor >> \"$0\"'")
    open_editor(draft)
    assert draft.read_text() == "a drafteditor"
    monkeypatch.setenv("VISUAL", "sh -c 'printf visual > \"$0\"'")
    open_editor(draft)
    assert draft.read_text() == "visual"
    for wrong, sentence in {
        "false": r"failed \(exit code 1\)",
        "no-such-editor --wait": "can't be started",
        "'": "can't be started",
    }.items():
        monkeypatch.setenv("VISUAL", wrong)
        with pytest.raises(RoadbedError, match=sentence):
            open_editor(draft)
    draft.unlink()
