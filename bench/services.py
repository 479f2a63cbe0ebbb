"""A rendered, installed service to measure in, with the module and the harness of the tests."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from bench.peers import last_words

CHECKOUT = Path(__file__).parents[1]
CASES = CHECKOUT / "tests" / "generated" / "idempotency"
INSIDE = Path(__file__).with_name("inside")

PEPPER = "of the benchmarks, which keep no secret"


class Service:
    """The default service as the template lies here, committed or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "orders"
        template = folder / "template"
        shutil.copytree(CHECKOUT / "template", template / "template")
        shutil.copy(CHECKOUT / "copier.yml", template)
        copier = [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet"]
        _run(*copier, "--data=service_name=orders", template, self.folder, at=folder)
        self._copy_cases()
        _run(find_uv_bin(), "lock", "--quiet", at=self.folder)
        _run(find_uv_bin(), "sync", "--frozen", "--quiet", at=self.folder)
        _run(self._python, "-m", "dev.postgres", "alembic", "upgrade", "heads", at=self.folder)

    def measure(self, module: str, *arguments: str, python: Path | None = None) -> Any:
        """Run a module of `inside/` with the service's database; returns the JSON that it prints.

        `{key}` in an argument becomes an API key; `python` is another environment's than its own.
        """
        who = ("--account", "bench", "--name", "bench", "--scope", "*")
        key = self._inside(self._python, "-m", "orders", "keys", "create", *who).strip()
        given = [argument.replace("{key}", key) for argument in arguments]
        printed = self._inside(python or self._python, "-m", f"tests.idempotency.{module}", *given)
        return json.loads(printed.splitlines()[-1])

    def profile(self, python: Path, factory: str, *arguments: str) -> str:
        """Where an application's time goes; `python` is of an environment with a profiler."""
        chosen = (f"--factory={factory}", *arguments)
        try:
            return str(self.measure("profiling", *chosen, python=python)["profile"])
        except subprocess.CalledProcessError as error:
            return f"No profile: {last_words(error)}"

    @property
    def _python(self) -> Path:
        return self.folder / ".venv" / "bin" / "python"

    def _inside(self, *command: str | Path) -> str:
        # One caller at full speed: what limits cost is measured by itself.
        environment = ("RATE_LIMIT_ENABLED=false", f"API_KEY_PEPPER={PEPPER}")
        postgres = (self._python, "-m", "dev.postgres")
        return _run("env", *environment, *postgres, *command, at=self.folder)

    def _copy_cases(self) -> None:
        unwanted = shutil.ignore_patterns("__pycache__")
        modules = self.folder / "src" / "orders" / "modules"
        shutil.copytree(CASES / "charges", modules / "charges", ignore=unwanted)
        there = self.folder / "tests" / "idempotency"
        there.mkdir()
        for file in (*CASES.glob("*.py"), *INSIDE.glob("[!_]*.py")):
            shutil.copy(file, there)


def cpu(name: str, rival: str, connections: int, turns: dict[str, Any]) -> dict[str, Any]:
    """What the turns of a contender cost beside its rival's: medians, and the middle half."""
    pairs = zip(turns[name], turns[rival], strict=True)
    low, ratio, high = statistics.quantiles(
        (each["cpu_ms"] / other["cpu_ms"] for each, other in pairs), n=4
    )
    return {
        "name": name,
        "connections": connections,
        "cpu_us": 1000 * statistics.median(each["cpu_ms"] for each in turns[name]),
        "rate": statistics.median(each["rate"] for each in turns[name]),
        "ratio": ratio,
        "low": low,
        "high": high,
    }


def _run(*command: str | Path, at: Path) -> str:
    # Byte code is kept, as on most machines: a worker that is forked anew should not compile.
    env = {key: value for key, value in os.environ.items() if key not in LEFT_OUT}
    done = subprocess.run(command, cwd=at, env=env, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        done.check_returncode()
    return done.stdout


LEFT_OUT = {"PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "DATABASE_URL", "PYTHONPATH"}
