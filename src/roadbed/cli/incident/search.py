"""`roadbed incident search`."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadbed.cli.failures import told
from roadbed.cli.incident import telling
from roadbed.cli.incident.options import In, Services, Severities, Since, Tags
from roadbed.cli.incident.telling import marked, plain, styled
from roadbed.cli.options import Debug, Json, Quiet

if TYPE_CHECKING:
    from roadbed.incidents.search.query import Answer, Hit

_INDENT = "    "

EXAMPLES = """\
\b
Examples:
  roadbed incident search search slow
  roadbed incident search '"pool exhausted"' --in services --since 90d
"""


def search(
    words: Annotated[list[str], typer.Argument(help="What you see; inner quotes keep a phrase.")],
    paths: In = None,
    without: Annotated[
        list[str] | None, typer.Option("--not", metavar="WORD", help="Without it; repeatable.")
    ] = None,
    tag: Tags = None,
    service: Services = None,
    severity: Severities = None,
    since: Since = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="Hits to show.")] = 5,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find incidents, the best first, also where the words differ. Exit code 1: none."""
    with told(debug=debug):
        from roadbed.incidents.search.query import search as find

        warnings: list[str] = []
        question = " ".join(words)
        answer = find(
            telling.read(paths),
            question,
            wanted=telling.wanted(tag, service, severity, since),
            without=without or (),
            limit=limit,
            warn=warnings,
        )
        telling.warn(warnings)
        if as_json:
            hits = [_record(hit) for hit in answer.hits]
            telling.document(
                query=question, hits=hits, total=answer.total, searched=answer.searched
            )
        elif not quiet:
            _tell(answer, question)
    if not answer.hits:
        raise typer.Exit(1)


def _tell(answer: Answer, question: str) -> None:
    # As wide as the terminal; whole where another program reads it.
    width = (
        shutil.get_terminal_size().columns - len(_INDENT) - 2
        if sys.stdout.isatty()
        else sys.maxsize
    )
    for hit in answer.hits:
        typer.echo(telling.headline(hit.place, hit.incident))
        if hit.line:
            typer.echo(_INDENT + marked(hit.line.text, hit.line.hits, width))
        typer.echo(styled(f"{_INDENT}matched: {', '.join(_why(hit))}\n", dim=True))
    if not answer.hits:
        typer.echo(f"None of {answer.searched} incidents matches “{plain(question)}”.", err=True)
    elif answer.total > len(answer.hits):
        typer.echo(f"{len(answer.hits)} of {answer.total} hits; -n shows more.", err=True)


def _why(hit: Hit) -> list[str]:
    from roadbed.incidents.search.snippet import as_written

    return [
        plain(match.asked.replace("_", " "))
        + ("" if match.exact else f" ≈ {plain(as_written(hit.incident, match.stem))}")
        for match in hit.matches
    ]


def _record(hit: Hit) -> dict[str, Any]:
    line = hit.line
    return telling.record(hit.place, hit.incident) | {
        "score": round(hit.score, 3),
        "matched": _why(hit),
        "best_line": line and {"line": line.number, "text": line.text, "hits": line.hits},
    }
