"""The two commands of the README, from the first `make` on."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from histories import build_file_tree
from uv import find_uv_bin

CHECKOUT = Path(__file__).parents[1]


def make(*arguments: str, at: Path = CHECKOUT, **env: str) -> subprocess.CompletedProcess[str]:
    """As a newcomer runs it, on a machine without uv."""
    newcomer = {name: os.environ[name] for name in ("HOME", "TERM", "UV_CACHE_DIR")}
    trust = {name: v for name, v in os.environ.items() if name in {"SSL_CERT_FILE", "PIP_CERT"}}
    path = [d for d in os.environ["PATH"].split(":") if not Path(d, "uv").exists()]
    return subprocess.run(
        ["make", *arguments],
        cwd=at,
        check=False,
        capture_output=True,
        text=True,
        env=newcomer | trust | {"PATH": ":".join(path)} | env,
    )


@pytest.fixture
def clone(snapshot: Path, tmp_path: Path) -> Path:
    """This repository, without .venv."""
    subprocess.run(["git", "clone", "--quiet", snapshot, tmp_path / "clone"], check=True)
    return tmp_path / "clone"


def test_help_is_the_default_and_needs_nothing(clone: Path) -> None:
    shown = make(at=clone)
    assert shown.returncode == 0
    targets = [line.split()[0] for line in shown.stdout.splitlines()]
    assert targets == ["help", "new", "test", "check", "bench", "lock"]
    assert not (clone / ".venv").exists()


def test_new_without_a_name_is_a_sentence(clone: Path) -> None:
    refused = make("new", at=clone)
    assert refused.returncode == 2
    assert "A service needs a name: make new name=orders" in refused.stderr
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("exit 1", "Roadbed needs Python 3.11 or newer"),
        ('test "$1" != -m', "install its venv (Debian: apt install python3-venv)"),
    ],
)
def test_an_unfit_python_is_a_sentence(clone: Path, program: str, sentence: str) -> None:
    build_file_tree(clone, {"unfit": f"#!/bin/sh\n{program}\n"})
    (clone / "unfit").chmod(0o755)
    refused = make("test", f"PYTHON={clone}/unfit", at=clone)
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert not (clone / ".venv").exists()


def test_it_bootstraps_itself_with_the_uv_that_is_there(clone: Path) -> None:
    """Again when the pins change. (Without uv, .ci/run itself does in a clean clone.)"""
    tools = f"{Path(find_uv_bin()).parent}:{os.environ['PATH']}"
    first = make("new", "name=orders", "args=--dry-run -q", at=clone, PATH=tools, PYTHONPATH="/no")
    assert (first.returncode, first.stderr) == (0, "")
    version = subprocess.check_output([clone / ".venv/bin/roadbed", "--version"], text=True)
    assert version == "roadbed 0.1.0, template v9.9.9\n"

    assert not (clone / ".venv/bin/mypy").exists()  # it is nothing that a service is made with

    before = (clone / ".venv/.runs").stat().st_mtime
    assert make(".venv/.ready", at=clone, PATH=tools, VIRTUAL_ENV="/no").returncode == 0
    assert (clone / ".venv/bin/mypy").exists()
    assert (clone / ".venv/.runs").stat().st_mtime > before
    assert make("--question", ".venv/.runs", at=clone, PATH=tools).returncode == 0
    changed = (clone / ".venv/.ready").stat().st_mtime + 1
    os.utime(clone / "requirements.txt", (changed, changed))
    assert make("--question", ".venv/.ready", at=clone, PATH=tools).returncode == 1


def test_what_makes_services_is_a_part_of_what_tests_need() -> None:
    few, all_ = (
        set(re.findall(r"^(\S+==\S+)[^#]*?(--hash=\S+)", text, re.MULTILINE))
        for name in ("requirements-run.txt", "requirements.txt")
        for text in [(CHECKOUT / name).read_text()]
    )
    assert 20 < len(few) < len(all_) / 2
    assert few < all_


def test_a_service_is_made_where_dest_says(small: Path, tmp_path: Path) -> None:
    orders = tmp_path / "x/orders"
    args = f"args=--template {small} -d team=web"
    made = make("new", "name=orders", f"dest={orders}", args)
    assert made.returncode == 0, made.stderr
    assert "team: web" in (orders / ".copier-answers.yml").read_text()
    # make exports what it is given to all that runs below it; the service's own make must not see it
    seen = (orders / "test.trace").read_text().splitlines()
    assert not [line for line in seen if line.startswith(("args=", "name=", "dest="))]
    assert not [line for line in seen if "team=web" in line]
