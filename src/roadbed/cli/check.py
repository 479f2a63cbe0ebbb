"""`roadbed check`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from roadbed.cli.failures import told
from roadbed.cli.options import Debug
from roadbed.errors import RoadbedError
from roadbed.paths import real

if TYPE_CHECKING:
    from roadbed.checklist.checking import Report
    from roadbed.checklist.evidence import State
    from roadbed.checklist.rule import Rule

EXAMPLES = """
\b
Examples:
  roadbed check
  roadbed check ../orders ../invoices --select RB2 --format sarif
"""

_SIGNS = (
    ".copier-answers.yml", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile",
    ".git",
)  # fmt: skip


class Format(StrEnum):
    """How the report is told."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    MARKDOWN = "markdown"


class FailOn(StrEnum):
    """What makes the exit code 1, failures always."""

    FAIL = "fail"
    WARN = "warn"
    UNKNOWN = "unknown"


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Services.", show_default="the one around here"),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Only these: names, codes or families (RB3)."),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="RULE", help="All but these.")] = None,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(help="Exit with 1 for these as well as for failures; repeatable."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to tell it.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    import_app: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:APP",
            help="Compare with the application's own OpenAPI document: runs its code.",
        ),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(metavar="RULE", help="What a rule asks, why, and how to mend it.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="All rules, one a line.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Every piece of evidence.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the last line only.")] = False,
    debug: Debug = False,
) -> None:
    """Verify the article's scalability checklist on Python services, with evidence."""
    with told(debug=debug, written="Stopped."):
        from roadbed.checklist import catalogue

        if explain is not None:
            typer.echo(_explained(catalogue.find(explain)))
            return
        if list_:
            for rule in catalogue.RULES:
                typer.echo(f"{rule.code}  {rule.name:<28}  {rule.promise}")
            return
        rules = catalogue.select(select or [], ignore or [])
        roots = [_root(path) for path in paths] if paths else [_around()]
        if import_app is not None and len(roots) > 1:
            raise RoadbedError("--import-app is about one service.", "Check them one by one.")
        reports = [_report(root, rules, import_app) for root in roots]
        _tell(reports, Format.JSON if as_json else form, verbose=verbose, quiet=quiet)
    if any(report.is_red(_red(fail_on or [])) for report in reports):
        raise typer.Exit(1)


def _around() -> Path:
    """The nearest folder upwards from here that looks like a project; here, where none does."""
    here = Path.cwd()
    folders = (here, *here.parents)
    return next((up for up in folders if any((up / sign).exists() for sign in _SIGNS)), here)


def _root(path: Path) -> Path:
    root = real(path)
    if not root.is_dir():
        what = "is no folder" if root.exists() else "is not there"
        raise RoadbedError(f"{path} {what}.", "Name the folder of a service.")
    return root


def _report(root: Path, rules: list[Rule], import_app: str | None) -> Report:
    from datetime import date

    from roadbed.checklist import checking, configuration

    settings = configuration.read(root)
    app = None
    if import_app is not None:
        from roadbed.checklist.application import imported

        app = imported(root, import_app)
    return checking.check(root, rules, settings, date.today(), app)  # noqa: DTZ011 - the user's day


def _red(chosen: list[FailOn]) -> list[State]:
    from roadbed.checklist.evidence import State

    return [State.FAIL, *(State(each) for each in chosen)]


def _tell(reports: list[Report], form: Format, *, verbose: bool, quiet: bool) -> None:
    if form is Format.JSON:
        from roadbed.checklist.formats import document

        typer.echo(document.write(reports))
    elif form is Format.SARIF:
        from importlib.metadata import version

        from roadbed.checklist.formats import sarif

        typer.echo(sarif.write(reports, version("roadbed")))
    elif form is Format.MARKDOWN:
        from roadbed.checklist.formats import markdown

        typer.echo("\n\n".join(map(markdown.write, reports)))
    elif quiet:
        for report in reports:
            typer.echo(
                f"{report.root.name}: {report.summary()}" if len(reports) > 1 else report.summary()
            )
    else:
        from roadbed.checklist.formats import text

        typer.echo("\n\n".join(text.write(each, verbose=verbose, paint=_paint) for each in reports))


def _paint(text: str, state: State) -> str:
    from roadbed.checklist.formats.text import COLOURS

    plain = (
        os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    )
    return text if plain else typer.style(text, fg=COLOURS[state])


def _explained(rule: Rule) -> str:
    parts = {
        "What": rule.promise,
        "Why": rule.why,
        "How it is found": rule.how,
        "Known mistakes": rule.mistakes,
        "How to mend it": rule.mend,
        "Sources": "; ".join(rule.sources) or "none",
        "Waive it": f"# checklist: allow[{rule.name}] the reason",
    }
    told = (
        f"\n{head}:\n" + fill(text, width=92, initial_indent="  ", subsequent_indent="  ")
        for head, text in parts.items()
    )
    return "\n".join([f"{rule.name} ({rule.code})", *told])
