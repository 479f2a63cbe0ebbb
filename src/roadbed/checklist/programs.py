"""Other tools' words: programs from PATH, never from the folder that is checked."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60  # seconds


def run(*command: str | Path, at: Path) -> tuple[bool | None, str]:
    """Whether a program is content, and what it said; None if it came to no end."""
    try:
        ran = subprocess.run(
            command,
            cwd=at,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, type(error).__name__
    return ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
