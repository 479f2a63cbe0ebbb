"""A draft in the user's editor. It is a file that stays until its entry is in the runbook."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path
from tempfile import mkstemp

from roadbed.errors import RoadbedError


def keep(text: str) -> Path:
    """Write a draft where only its writer can read it.

    Raises:
        RoadbedError: there is no room for it.
    """
    try:
        descriptor, name = mkstemp(prefix="incident-", suffix=".md")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
    except OSError as error:
        raise RoadbedError(
            f"A draft can't be kept: {error.strerror or error}.",
            "Make room in the folder for temporary files (TMPDIR), or give all options.",
        ) from error
    return Path(name)


def open_editor(draft: Path) -> None:
    """Open a draft in `$VISUAL`, else `$EDITOR`, and wait until it is closed.

    Raises:
        RoadbedError: there is none, or it failed.
    """
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not chosen:
        raise RoadbedError("There is no editor: VISUAL and EDITOR are not set.", "Set one of them.")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the editor's while it is open
    try:
        code = subprocess.run([*shlex.split(chosen), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        raise RoadbedError(f"The editor “{chosen}” can't be started: {error}.", _SET) from error
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise RoadbedError(f"The editor “{chosen}” failed (exit code {code}).", _SET)


_SET = "Set VISUAL or EDITOR to one that can, and try again."
