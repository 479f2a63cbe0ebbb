"""A generated service to measure: made from what is committed, installed, with its own PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import uv

from bench import peers
from bench.results import loaded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.results import Result

CHECKOUT = Path(__file__).parents[1]


def run_inside(script: str, libraries: Sequence[str] = ()) -> Result:
    """Run `bench/inside/<script>.py` with a service's own Python; what it says at the end.

    With other libraries, in an environment like the service's that has them, too. BENCH_SERVICE names
    an installed service to measure instead of a new one; it keeps its rows.
    """
    with installed() as service:
        python = service / ".venv" / "bin" / "python"
        failed: dict[str, str] = {}
        if libraries:
            python, failed = peers.beside(service, libraries)
        # One caller at full speed: what limits cost is measured by itself.
        env = os.environ | {"PYTHONPATH": str(CHECKOUT), "RATE_LIMIT_ENABLED": "false"}
        command = [str(python), "-m", f"bench.inside.{script}"]
        with subprocess.Popen(
            command, cwd=service, env=env, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None  # noqa: S101 it was asked for
            last = ""
            for line in running.stdout:
                print(last, end="", flush=True)
                last = line
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)
        result = loaded(json.loads(last))
        return replace(result, failed=failed | result.failed)


@contextmanager
def installed() -> Iterator[Path]:
    """The folder of a service to measure in."""
    if chosen := os.environ.get("BENCH_SERVICE"):
        yield Path(chosen).resolve()
        return
    with TemporaryDirectory(prefix="bench-service-") as scratch:
        template, service = Path(scratch, "template"), Path(scratch, "orders")
        subprocess.run(["git", "clone", "--quiet", CHECKOUT, template], check=True)
        made = ["new", "orders", "--no-install", "--defaults", "--quiet", "--ref=HEAD"]
        new = [sys.executable, "-m", "roadbed", *made, "--template", str(template)]
        subprocess.run(new, cwd=scratch, check=True)
        for verb in (["lock"], ["sync", "--frozen"]):
            subprocess.run([uv.find_uv_bin(), *verb, "--quiet"], cwd=service, check=True)
        yield service
