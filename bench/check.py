"""`roadbed check`: cold on a generated service, on 80,000 lines, and on real applications.

The first is given as a multiple of a bare Typer program, the least that any verb costs. The real
applications are open-source web services whose source distributions are fetched, by hash, into a
folder that is thrown away; nothing of them is run by the check.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import harness
from bench.harness import Contender, Measurement, measure, report
from bench.results import Result, figure, guard

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 7
COLD = 1.2  # seconds, for a generated service
LARGE = 5.0  # seconds, for 80,000 lines on two cores
LINES = 80_000

# FastAPI, Flask and FastAPI: applications, no libraries.
APPLICATIONS = """\
lnbits==1.6.2 --hash=sha256:628c66c81a91cdca8831d1c3bd279216b8396288dc290094cfd106c656e21c81
ihatemoney==7.2.1 --hash=sha256:e74fc718f68e1ec400cf9c4364025a91febb86c9b523aeb33a52e5adbeaa77e1
argilla-server==2.8.0 --hash=sha256:c3ca464f7e024d1232fde23dbd6014e2c82a7cebd0382de03d7cb3cfae71e4b0
"""

_BARE = "import typer\n\ndef main() -> None:\n    pass\n\ntyper.run(main)\n"


def run() -> Result:
    """Measure, report and print the table."""
    with TemporaryDirectory(prefix="bench-check-") as scratch:
        folder = Path(scratch)
        cold = _cold(folder)
        applications = _fetched(folder)
        large = _large(folder, applications)
        table = {each.name: _findings(each) for each in applications}
    _print(table)
    goals = [
        guard("`roadbed check` of a generated service, cold,", cold[0].seconds, COLD),
        guard(f"`roadbed check` of {LINES:,} lines", large.seconds, LARGE),
    ]
    figures = [figure(each) for each in (*cold, large)]
    return Result("check", "s", figures, goals, {"applications": table})


def _cold(scratch: Path) -> list[Measurement]:
    """A generated service, as a whole process, beside a program of Typer's that does nothing."""
    template = scratch / "template"
    harness.run("git", "clone", "--quiet", str(CHECKOUT), str(template), at=scratch)
    new = ["new", "orders", "--no-install", "--defaults", "--quiet", "--ref=HEAD"]
    harness.run(sys.executable, "-m", "roadbed", *new, f"--template={template}", at=scratch)
    (scratch / "bare.py").write_text(_BARE)

    (scratch / "bin").mkdir()
    (scratch / "bin/git").symlink_to(str(shutil.which("git")))

    def check(_: Path) -> None:
        _check(scratch / "orders")

    def alone(_: Path) -> None:
        _check(scratch / "orders", path=str(scratch / "bin"))

    def bare(folder: Path) -> None:
        harness.run(sys.executable, str(scratch / "bare.py"), at=folder)

    contenders = [Contender("a service", check), Contender("bare Typer", bare)]
    if shutil.which("promtool"):
        contenders.append(Contender("without promtool", alone))
    measurements = measure(contenders, rounds=ROUNDS)
    report("check", measurements)
    return measurements


def _large(scratch: Path, applications: list[Path]) -> Measurement:
    """80,000 lines of the applications' own Python, some of it twice, in one folder."""
    folder, lines = scratch / "large", 0
    sources = sorted(path for each in applications for path in each.rglob("*.py"))
    for copy in ("first", "second"):
        for path in sources:
            if lines < LINES and "test" not in str(path.relative_to(scratch)):
                target = folder / "src" / copy / path.relative_to(scratch)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
                lines += path.read_bytes().count(b"\n")

    def check(_: Path) -> None:
        _check(folder)

    (measurement,) = measure([Contender(f"{lines:,} lines", check)], rounds=ROUNDS)
    report("check", [measurement])
    return measurement


def _check(folder: Path, *, path: str = os.environ["PATH"]) -> None:
    """One check, as its own process: findings are no failure of the benchmark."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "roadbed", "check", str(folder), "--quiet"]
    ran = subprocess.run(command, env=kept | {"PATH": path}, stdout=subprocess.DEVNULL, check=False)
    if ran.returncode > 1:
        raise subprocess.CalledProcessError(ran.returncode, command)


def _fetched(scratch: Path) -> list[Path]:
    """The applications' sources, unpacked."""
    venv.create(scratch / "pip", with_pip=True)
    wanted = scratch / "applications.txt"
    wanted.write_text(APPLICATIONS)
    pip = [str(scratch / "pip/bin/python"), "-m", "pip", "--quiet", "download", "--no-deps"]
    options = ["--no-binary=:all:", "--require-hashes", "--dest", "sdists", "-r", str(wanted)]
    harness.run(*pip, *options, at=scratch)
    for archive in sorted((scratch / "sdists").iterdir()):
        with tarfile.open(archive) as packed:
            packed.extractall(scratch / "applications", filter="data")
    return sorted((scratch / "applications").iterdir())


def _findings(application: Path) -> dict[str, dict[str, int]]:
    """How many findings each rule has, by their state."""
    check = [sys.executable, "-m", "roadbed", "check", str(application), "--json"]
    said = subprocess.run(check, stdout=subprocess.PIPE, check=False).stdout
    (service,) = json.loads(said)["services"]
    return {
        rule["name"]: dict(Counter(each["state"] for each in rule["evidence"]))
        for rule in service["rules"]
    }


def _print(table: dict[str, dict[str, dict[str, int]]]) -> None:
    names = list(table)
    print(f"{'failures (unknown)':<30}" + "".join(f"{name:>24}" for name in names))
    for rule in next(iter(table.values())):
        counts = (table[name][rule] for name in names)
        cells = (f"{each.get('fail', 0)} ({each.get('unknown', 0)})" for each in counts)
        print(f"{rule:<30}" + "".join(f"{cell:>24}" for cell in cells))
