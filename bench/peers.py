"""Other people's software, at one version each, in environments that are thrown away.

One that no longer installs is reported with what it says, and the others are measured all the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from uv import find_uv_bin

from bench.results import nowhere

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROFILER = "pyinstrument==5.1.3"
LAST_WORDS = 300  # characters
_LEFT_OUT = {"VIRTUAL_ENV", "PYTHONPATH"}


def environment(folder: Path, python: str = sys.executable) -> Path:
    """A new environment in `folder`; its Python."""
    _uv("venv", "--quiet", "--clear", "--python", python, str(folder))
    return folder / "bin" / "python"


def beside(service: Path, packages: Iterable[str]) -> tuple[Path, dict[str, str]]:
    """An environment like a service's with other libraries in it; its Python, and what failed."""
    python = environment(service / ".peers")
    wanted = service / "peers.txt"
    export = ["export", "--quiet", "--frozen", "--no-emit-project", "--no-hashes"]
    _uv(*export, f"--output-file={wanted}", at=service)
    own = ["--requirement", str(wanted), "--editable", "."]
    _uv("pip", "install", "--quiet", "--python", str(python), *own, at=service)
    return python, install(python, packages)


def install(python: Path, packages: Iterable[str], *, into: Path | None = None) -> dict[str, str]:
    """Install each by itself; the last words of those that can't be, by their names.

    Into a folder for PYTHONPATH, if one is given, else into the environment of `python`.
    """
    failed, target = {}, [f"--target={into}"] if into else []
    for package in packages:
        try:
            _uv("pip", "install", "--quiet", "--python", str(python), *target, package)
        except subprocess.CalledProcessError as error:
            failed[package] = last_words(error)
    return failed


def last_words(error: subprocess.CalledProcessError) -> str:
    """What a program said at its end, in one line, and no path of this machine."""
    said = f"{error.stdout or ''}{error.stderr or ''}"
    return " ".join(nowhere(said).split())[-LAST_WORDS:]


def _uv(*arguments: str, at: Path | None = None) -> None:
    # As in a caller's own terminal: the environment that this runs in is not the one meant.
    env = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT}
    command = [find_uv_bin(), *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=at)
