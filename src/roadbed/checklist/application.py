"""The OpenAPI document of the application itself: the one thing that runs a service's code.

Only with `--import-app`, in a process of its own with the service's own Python, with a time limit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from roadbed.checklist.facts.openapi import Document
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60  # seconds

_MARK = "roadbed-openapi:"
_SCRIPT = f"""
import importlib, inspect, json, sys
sys.path[:0] = [".", "src"]
module, _, name = sys.argv[1].partition(":")
app = importlib.import_module(module)
for part in name.split("."):
    app = getattr(app, part)
if not hasattr(app, "openapi") and callable(app):
    app = app()
print("{_MARK}" + json.dumps(app.openapi()))
"""


def imported(root: Path, name: str) -> Document:
    """The document of the application `name`, such as `orders.main:create_app`.

    Raises:
        RoadbedError: there is none to be had.
    """
    if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", name):
        raise RoadbedError(
            f"“{name}” names no application.",
            "Name it as MODULE:APP, such as orders.main:create_app.",
        )
    try:
        ran = subprocess.run(
            [_python(root), "-c", _SCRIPT, name],
            cwd=root,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RoadbedError(
            f"The application {name} gave no OpenAPI document in {PATIENCE} s.",
            "Importing it must not wait for anything.",
        ) from None
    except OSError as error:
        raise RoadbedError(
            f"The service's Python could not be started: {error.strerror}.", "Make its .venv anew."
        ) from error
    said = [line for line in ran.stdout.split("\n") if line.startswith(_MARK)]
    if ran.returncode or not said:
        last = _error(ran.stderr)
        raise RoadbedError(
            f"The application {name} gave no OpenAPI document: {last or 'nothing was said'}.",
            "Import it by hand, with the settings that it needs in the environment.",
        )
    content = json.loads(said[-1].removeprefix(_MARK))
    return Document(name, content)


def _error(said: str) -> str:
    """The exception at the end of a traceback, in one line: its name and its words."""
    raised = list(re.finditer(r"(?m)^[A-Za-z_][\w.]*: ", said))
    return " ".join(said[raised[-1].start() :].split())[:200] if raised else ""


def _python(root: Path) -> str:
    """The service's own Python, else this one."""
    own = root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return str(own) if own.exists() else sys.executable
