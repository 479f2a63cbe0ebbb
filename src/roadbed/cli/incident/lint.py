"""`roadbed incident lint`."""

from __future__ import annotations

import typer

from roadbed.cli.failures import told
from roadbed.cli.incident import telling
from roadbed.cli.incident.options import Runbooks
from roadbed.cli.incident.telling import plain, styled
from roadbed.cli.options import Debug, Json, Quiet

EXAMPLES = """\
\b
Examples:
  roadbed incident lint
  roadbed incident lint services
"""


def lint(
    paths: Runbooks = None, as_json: Json = False, quiet: Quiet = False, debug: Debug = False
) -> None:
    """Check entries: fields, dates, order, secrets, and that Prevention exists. Exit code 1: errors."""
    with told(debug=debug):
        from roadbed.incidents.faults import Level
        from roadbed.incidents.lint import lint as check

        places = telling.read(paths)
        findings = [(place, it) for place in places for it in check(place.runbook, place.folder)]
        errors = sum(it.level is Level.ERROR for _, it in findings)
        incidents = sum(len(place.runbook.incidents) for place in places)
        if as_json:
            records = [
                {
                    "path": str(place.path.absolute()),
                    "line": it.line,
                    "level": it.level,
                    "rule": it.rule,
                    "message": it.message,
                }
                for place, it in findings
            ]
            telling.document(findings=records, errors=errors, incidents=incidents)
        elif not quiet:
            for place, it in findings:
                where = styled(f"{place.path}:{it.line}:", fg="cyan")
                level = styled(it.level, fg="red" if it.level is Level.ERROR else "yellow")
                typer.echo(f"{where} {level}: {plain(it.message)} [{it.rule}]")
            notes = len(findings) - errors
            counts = {"incident": incidents, "error": errors, "note": notes}
            said = [f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts.items()]
            typer.echo(", ".join(said), err=True)
    if errors:
        raise typer.Exit(1)
