"""Questions to 130 incidents: our search against a substring search and SQLite's full-text index.

`corpus/` holds made-up incidents in the article's form and questions with the incident that each is
about. A third of the questions, every third by its place, were open while the synonyms were written;
the figures of the others, `held-out`, are the ones to believe. Corpus, questions and synonyms are by
one hand all the same: expect less elsewhere.

Then the time of a cold `roadbed incident search` among 200 incidents, against a bare Typer program.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench import harness
from bench.harness import Contender, Measurement, measure, report
from bench.results import Goal, Result, times
from roadbed.incidents.places import read_all
from roadbed.incidents.search.query import search
from roadbed.incidents.search.words import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadbed.incidents.places import Place

    Answers = Callable[[str], list[str]]  # a question's incidents, `service/id`, the best first

CORPUS = Path(__file__).with_name("corpus")
ROUNDS = 25
MARGIN = 0.15  # by which our MRR is to be above the full-text index's
LIMIT = 1.6  # times a bare Typer program
ENTRIES = 200

BARE = """\
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "world") -> None:
    pass
app()
"""


@dataclass(frozen=True)
class Question:
    """What somebody asks, and the incident (`service/id`) that they look for.

    Attributes:
        split: tuned or held-out.
    """

    text: str
    target: str
    split: str


@dataclass(frozen=True)
class Quality:
    """How often the target is the first hit or among three, and the mean of 1 / its rank."""

    first: float
    third: float
    mrr: float


def run() -> Result:
    """Measure and report."""
    places = read_all([CORPUS], [])
    questions = read_questions()
    systems = {
        "substring": substring(places),
        "fts5 porter": full_text(places, " AND "),
        "fts5 porter OR": full_text(places, " OR "),
        "roadbed": ours(places),
    }
    qualities: dict[str, dict[str, Quality]] = {}
    for split in ("tuned", "held-out", "all"):
        asked = [q for q in questions if split in {q.split, "all"}]
        for name, answers in systems.items():
            quality = judged(answers, asked)
            qualities.setdefault(split, {})[name] = quality
            print(
                f"{'incidents':<10} {split:<9} {name:<15} hit@1 {quality.first:.2f}"
                f"  hit@3 {quality.third:.2f}  MRR {quality.mrr:.3f}  ({len(asked)} questions)"
            )
    margin = min(
        of["roadbed"].mrr - max(q.mrr for name, q in of.items() if name.startswith("fts5"))
        for split, of in qualities.items()
        if split != "tuned"
    )
    timed = _start_up()
    ours_, theirs = timed
    claim = "MRR of `incident search` above that of the best of SQLite's FTS5, questions held out,"
    goals = [
        Goal(claim, margin, margin, margin, MARGIN, at_most=False, unit=""),
        times(
            "a cold `incident search` takes, of a bare Typer program,",
            ours_.seconds,
            theirs.seconds,
            LIMIT,
        ),
    ]
    facts = {
        split: {name: asdict(quality) for name, quality in of.items()}
        for split, of in qualities.items()
    }
    return Result("incidents", "s", report("incidents", timed), goals, facts)


def read_questions() -> list[Question]:
    """All questions."""
    lines = (CORPUS / "questions.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return [Question(text, f"{service}/{name}", split) for split, service, name, text in rows]


def judged(answers: Answers, questions: list[Question]) -> Quality:
    """How well a system answers."""
    ranks = []
    for question in questions:
        found = answers(question.text)
        ranks.append(found.index(question.target) + 1 if question.target in found else 0)
    count = len(ranks)
    return Quality(
        first=sum(rank == 1 for rank in ranks) / count,
        third=sum(0 < rank <= 3 for rank in ranks) / count,  # noqa: PLR2004
        mrr=sum(1 / rank for rank in ranks if rank) / count,
    )


def ours(places: list[Place]) -> Answers:
    """Roadbed's search."""

    def answers(question: str) -> list[str]:
        hits = search(places, question, limit=1000, warn=[]).hits
        return [f"{hit.place.service}/{hit.incident.id}" for hit in hits]

    return answers


def substring(places: list[Place]) -> Answers:
    """What the search of an editor or of a hosted repository does: all words, anywhere; the newest first."""
    texts = sorted(_texts(places), key=lambda row: row[0].partition("/")[2], reverse=True)

    def answers(question: str) -> list[str]:
        words = question.lower().split()
        return [name for name, text in texts if all(word in text.lower() for word in words)]

    return answers


def full_text(places: list[Place], operator: str) -> Answers:
    """SQLite's FTS5: Porter's stems, BM25, the title in a column of its own with our weight."""
    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE VIRTUAL TABLE e USING fts5(name UNINDEXED, title, body, tokenize=porter)"
    )
    rows = (
        (name, text.partition("\n")[0], text.partition("\n")[2]) for name, text in _texts(places)
    )
    database.executemany("INSERT INTO e VALUES (?, ?, ?)", rows)

    def answers(question: str) -> list[str]:
        words = [word for word in re.findall(r"\w+", question.lower()) if word not in STOP_WORDS]
        query = operator.join(f'"{word}"' for word in words)
        order = "SELECT name FROM e WHERE e MATCH ? ORDER BY bm25(e, 0, 6, 1)"
        return [row[0] for row in database.execute(order, (query,))]

    return answers


def _texts(places: list[Place]) -> list[tuple[str, str]]:
    """Each incident's name, and its title, service and body."""
    return [
        (
            f"{place.service}/{incident.id}",
            "\n".join([incident.entry.title, place.service, *incident.lines[1:]]),
        )
        for place in places
        for incident in place.runbook.incidents
    ]


def runbook(corpus: Path, entries: int) -> str:
    """A runbook of so many incidents, the corpus's over and over."""
    blocks = [
        incident.lines for place in read_all([corpus], []) for incident in place.runbook.incidents
    ]
    repeated = (blocks[number % len(blocks)] for number in range(entries))
    return "\n\n".join("\n".join(lines) for lines in repeated)


def _start_up() -> list[Measurement]:
    """Time whole processes."""
    with TemporaryDirectory(prefix="bench-incidents-") as scratch:
        Path(scratch, "RUNBOOK.md").write_text(runbook(CORPUS, ENTRIES), encoding="utf-8")
        Path(scratch, "bare.py").write_text(BARE, encoding="utf-8")

        def roadbed(folder: Path) -> None:
            command = ["-m", "roadbed", "incident", "search", "search", "slow", "--quiet"]
            harness.run(sys.executable, *command, f"--in={scratch}", at=folder)

        def bare(folder: Path) -> None:
            harness.run(sys.executable, f"{scratch}/bare.py", at=folder)

        contenders = [Contender("incident search", roadbed), Contender("bare Typer", bare)]
        return measure(contenders, rounds=ROUNDS)
