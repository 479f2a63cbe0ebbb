"""Ruff: what is added is formatted as the service's own configuration wants it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Mapping


def formatted(service: Path, files: Mapping[str, str]) -> dict[str, str]:
    """The Python files, by their paths in a service, as its formatter leaves them.

    Imports are sorted, and those that nothing uses are gone.

    Raises:
        RoadbedError: the service's configuration is none that Ruff knows.
    """
    with TemporaryDirectory(prefix="roadbed-format-") as scratch:
        root = Path(scratch)
        project = service / "pyproject.toml"
        if project.is_file():
            (root / "pyproject.toml").write_bytes(project.read_bytes())
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8", newline="\n")
        _run(root, "check", "--fix-only", "--exit-zero", "--select", "I,F401", *files)
        _run(root, "format", *files)
        return {path: (root / path).read_bytes().decode() for path in files}


def _run(root: Path, verb: str, *arguments: str) -> None:
    from ruff import find_ruff_bin

    done = subprocess.run(
        [find_ruff_bin(), verb, "--quiet", "--no-cache", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())
        raise RoadbedError(
            f"Ruff can't format what is to be added: {words[:300]}.",
            "See whether [tool.ruff] in pyproject.toml is right.",
        )
