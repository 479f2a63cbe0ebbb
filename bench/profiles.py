"""Where the time of a program goes: pyinstrument's text of one run, for what is far from its floor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.peers import PROFILER, install
from bench.results import nowhere, number

if TYPE_CHECKING:
    from bench.results import Figure

INTERVAL = "0.0005"  # seconds between two looks: a start takes a few tenths
# Libraries' inner frames are folded into one line, with their time.
_OPTIONS = ("--no-color", "--no-unicode", "-r", "text", "-i", INTERVAL)


def headed(unit: str, figures: list[Figure], profile: str, *, floor: str) -> str:
    """A profile under how far everything is from its floor, which one of the figures is."""
    (bottom,) = (each.value for each in figures if each.name == floor)
    distances = (
        f"{each.name}: {number(each.value)} {unit}, {each.value / bottom:.2f} x {floor}\n"
        for each in figures
    )
    return f"{''.join(distances)}\n{profile}"


def program(*words: str, at: Path) -> str:
    """Profile `python <words>`, imports included, in the folder `at`.

    The profiler comes into a folder of its own that is thrown away: our environment stays as it is.
    """
    with TemporaryDirectory(prefix="bench-profiler-") as scratch:
        if failed := install(Path(sys.executable), [PROFILER], into=Path(scratch)):
            return f"No profile: {failed[PROFILER]}"
        env = os.environ | {"PYTHONPATH": scratch}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        text = Path(scratch, "profile.txt")
        command = [sys.executable, "-m", "pyinstrument", *_OPTIONS, "-o", str(text), *words]
        done = subprocess.run(command, cwd=at, env=env, check=False, capture_output=True, text=True)
        if done.returncode:
            return f"No profile: {nowhere(done.stderr)}"
        return nowhere(f"python {' '.join(words)}\n{text.read_text('utf-8')}")
