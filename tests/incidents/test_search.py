"""A question in other words, and the incident that answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runbooks import EMPTY, entry

from roadbed.errors import RoadbedError
from roadbed.incidents.choosing import EVERY, Filter
from roadbed.incidents.notation import render
from roadbed.incidents.places import read_all, runbook_of
from roadbed.incidents.runbook import END
from roadbed.incidents.search.query import Answer, search
from roadbed.incidents.search.snippet import hits
from roadbed.incidents.search.words import asked, stem

CORPUS = Path(__file__).parents[2] / "bench/corpus"


def write(service: str, *changes: dict[str, Any]) -> Path:
    """A service's runbook, in a folder of its name below the current one."""
    rendered = "\n".join(render(entry(**each)) for each in changes)
    path = Path(service) / "RUNBOOK.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(EMPTY.replace(END, f"{rendered}\n{END}"))
    return path


def ask(question: str, wanted: Filter = EVERY, without: tuple[str, ...] = ()) -> Answer:
    warnings: list[str] = []
    places = read_all([Path()], warnings)
    answer = search(places, question, wanted=wanted, without=without, limit=9, warn=warnings)
    assert warnings == []
    return answer


def found(question: str, **how: Any) -> list[str]:
    return [hit.incident.entry.title for hit in ask(question, **how).hits]


def test_the_articles_incident_is_found_among_two_hundred_by_its_words() -> None:
    write("search", {})
    places = read_all([CORPUS, Path()], [])
    for copies in (1, 2):  # the corpus alone, and twice
        incidents = sum(len(place.runbook.incidents) for place in places)
        answer = search(places, "search slow", limit=3, warn=[])
        assert answer.hits[0].incident.id == "2025-06-15-search-timeouts"
        assert answer.searched == incidents
        if copies == 2:
            assert incidents > 200
        places = [*places, *(place for place in places if place.service != "search")]


def test_the_questions_of_the_benchmark_have_answers_and_words_of_their_own() -> None:
    places = read_all([CORPUS], [])
    titles = {
        (place.service, it.id): it.head.title for place in places for it in place.runbook.incidents
    }
    assert len(titles) >= 120
    assert len(places) >= 12
    lines = (CORPUS / "questions.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(rows) >= 60
    assert {split for split, *_ in rows} == {"tuned", "held-out"}
    apart = [
        question
        for _, service, name, question in rows
        if not set(asked(question)) & set(asked(titles[service, name]))
    ]
    assert len(apart) >= len(rows) / 3


def test_other_words_for_it_find_it_and_say_why() -> None:
    write("orders", {"title": "Checkout outage", "what": "503 for all", "why": "a", "fix": "b"})
    write("mail", {"title": "Newsletter twice", "what": "sent again", "why": "a", "fix": "b"})
    (hit,) = ask("checkout down").hits
    assert [(match.asked, match.exact) for match in hit.matches] == [
        ("checkout", True),
        ("down", False),
    ]
    assert hit.incident.entry.title == "Checkout outage"


def test_the_word_itself_counts_more_than_a_synonym() -> None:
    plain = {"what": "x", "why": "x", "fix": "x", "caught": "x", "prevention": "x"}
    write("a", {**plain, "title": "Timeout of search"}, {**plain, "title": "Slow search"})
    assert found("slow") == ["Slow search", "Timeout of search"]
    assert found("timeout") == ["Timeout of search", "Slow search"]


def test_the_title_counts_more_than_tags_and_they_more_than_the_body() -> None:
    plain = {"what": "x", "why": "x", "fix": "x", "caught": "x", "prevention": "x"}
    write(
        "a",
        {**plain, "title": "One", "what": "about kiwi"},
        {**plain, "title": "Two", "tags": ["kiwi"]},
        {**plain, "title": "Kiwi"},
    )
    assert found("kiwi") == ["Kiwi", "Two", "One"]


def test_more_of_the_words_win_and_of_equals_the_newest() -> None:
    plain = {"why": "x", "fix": "x", "caught": "x", "prevention": "x", "title": "T"}
    write("a", *({**plain, "date": f"2025-06-{day}", "what": "apple pear"} for day in (12, 14, 13)))
    write("b", {**plain, "date": "2020-01-01", "what": "apple pear cherry"})
    order = [hit.incident.entry.date for hit in ask("apple pear cherry").hits]
    assert order == ["2020-01-01", "2025-06-14", "2025-06-13", "2025-06-12"]


def test_a_phrase_stays_a_phrase() -> None:
    write(
        "a",
        {"title": "Pool", "what": "the pool was\nexhausted"},
        {"title": "Exhausted", "what": "pool"},
    )
    assert set(found("pool exhausted")) == {"Pool", "Exhausted"}
    assert found('"was exhausted" pool') == ["Pool"]


def test_words_can_be_left_out_and_entries_chosen() -> None:
    write("a", {"title": "Slow search", "tags": ["db"], "severity": "1", "date": "2025-01-01"})
    write("b", {"title": "Slow mail", "what": "timeouts", "date": "2025-06-01"})
    assert set(found("slow")) == {"Slow search", "Slow mail"}
    assert found("slow", without=("searches",)) == ["Slow mail"]
    assert found("slow", wanted=Filter(tags=["DB"])) == ["Slow search"]
    assert found("slow", wanted=Filter(services=["b"])) == ["Slow mail"]
    assert found("slow", wanted=Filter(severities=["1"])) == ["Slow search"]
    assert found("slow", wanted=Filter(since="2025-06-01")) == ["Slow mail"]
    assert found("slow", wanted=Filter(since="2025-06-02")) == []
    assert found("zebra") == []


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("504", "Gateway said 504"),
        ("ENOSPC", "Backups stopped: ENOSPC"),
        ("enospc", "Backups stopped: ENOSPC"),
        ("INC-12", "See INC-12"),
        ("http_requests_total", "http_requests_total was wrong"),
        ("job:latency:p95", "job:latency:p95 had a gap"),
        ("größe", "Größe falsch"),
        ("caching", "Caches were cold"),
    ],
)
def test_codes_stay_whole_and_endings_do_not_matter(question: str, title: str) -> None:
    titles = [
        *("Gateway said 504", "Port 5040", "Backups stopped: ENOSPC", "See INC-12", "See INC-120"),
        *("12 ships", "http_requests_total was wrong", "requests were lost", "Größe falsch"),
        *("job:latency:p95 had a gap", "Caches were cold"),
    ]
    plain = {"what": "x", "why": "x", "fix": "x", "caught": "x", "prevention": "x"}
    write("a", *({**plain, "title": each} for each in titles))
    assert found(question)[0] == title


def test_the_best_line_and_its_words_are_shown() -> None:
    write(
        "a",
        {"title": "Search", "what": "x", "why": "The **pool** of connections ran out", "fix": "y"},
    )
    (hit,) = ask("connection exhausted").hits
    assert hit.line is not None
    assert hit.line.text == "Why: The pool of connections ran out"
    assert [hit.line.text[start:end] for start, end in hit.line.hits] == ["connections", "ran out"]
    assert Path("a/RUNBOOK.md").read_text().split("\n")[hit.line.number - 1].startswith("**Why:**")


def test_a_service_adds_words_of_its_own() -> None:
    write("shop", {"title": "Items gone", "what": "every sku"})
    assert found("article") == []
    settings = (
        '[tool.roadbed.search]\nsynonyms = [["SKU", "article"], ["stock keeping unit", "thing"]]\n'
    )
    Path("shop/pyproject.toml").write_text(settings)
    assert found("article") == ["Items gone"]
    for broken in ("[tool.roadbed.search]\nsynonyms = 3", "roadbed = [", "tool.roadbed.search = 1"):
        Path("shop/pyproject.toml").write_text(broken)
        warnings: list[str] = []
        search(read_all([Path()], []), "items", limit=1, warn=warnings)
        assert warnings[0].startswith("shop/pyproject.toml: [tool.roadbed.search] holds no lists")


@pytest.mark.parametrize(
    "word",
    [
        ("timeout", "timeouts"),
        ("cache", "caches", "cached", "caching"),
        ("query", "queries", "queried"),
        ("retry", "retries", "retried", "retrying"),
        ("migrate", "migrated", "migration", "migrations"),
        ("drop", "drops", "dropped", "dropping"),
        ("slow", "slower", "slowly", "slowness"),
        ("process", "processes", "processed", "processing"),
    ],
)
def test_one_word_has_one_stem(word: tuple[str, ...]) -> None:
    assert len({stem(each) for each in word}) == 1


def test_what_is_asked() -> None:
    assert asked("Why is the search slow?") == ["search", "slow"]
    assert asked("INC-12 on checkout-api, again: 504.") == ["inc-12", "checkout", "api", "504"]
    assert asked("what is it") == ["what", "is", "it"]
    assert asked("—") == []
    assert hits("Time out, then a time-out", {"time_out"}) == [(0, 8)]


def test_runbooks_below_a_folder_are_read_but_not_those_of_others() -> None:
    for service in ("a", "b/c", ".hidden", "node_modules/x", "x/site-packages/y", "env"):
        write(service, {})
    Path("env/pyvenv.cfg").touch()
    Path("link").symlink_to("a")
    Path("a/loop").symlink_to("..")
    Path("d").mkdir()
    Path("d/RUNBOOK.md").symlink_to("../a/RUNBOOK.md")
    warnings: list[str] = []
    places = read_all([Path(), Path("a/RUNBOOK.md"), Path("a")], warnings)
    assert [str(place.path) for place in places] == ["a/RUNBOOK.md", "b/c/RUNBOOK.md"]
    assert [place.service for place in places] == ["a", "c"]
    assert warnings == []


def test_a_file_that_is_no_text_is_read_as_far_as_it_is() -> None:
    path = write("a", {"what": "Caf@"})
    path.write_bytes(path.read_bytes().replace(b"@", b"\xe9"))
    assert found("search") == ["Search timeouts"]


def test_the_service_one_is_in_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    top = Path.cwd()
    write("orders", {})
    Path("orders/src/deep").mkdir(parents=True)
    assert [str(place.path) for place in read_all([], [])] == ["orders/RUNBOOK.md"]
    with pytest.raises(RoadbedError, match=r"There is no RUNBOOK\.md in .* or above it"):
        runbook_of(None)
    monkeypatch.chdir("orders/src/deep")
    assert [str(place.path) for place in read_all([], [])] == ["../../RUNBOOK.md"]
    assert runbook_of(None) == Path("../../RUNBOOK.md")
    Path(".git").touch()  # a worktree's is a file
    with pytest.raises(RoadbedError, match=r"There is no RUNBOOK\.md in .* or above it"):
        runbook_of(None)
    assert runbook_of(top / "orders").samefile(top / "orders/RUNBOOK.md")
    with pytest.raises(RoadbedError, match="There is no elsewhere"):
        read_all([Path("elsewhere")], [])
    with pytest.raises(RoadbedError, match="There is no elsewhere"):
        runbook_of(Path("elsewhere"))
    with pytest.raises(RoadbedError, match=r"There is no RUNBOOK\.md in"):
        read_all([Path()], [])
