"""A wheel carries the template's history, and makes services far from this repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from histories import git
from uv import find_uv_bin

PARTS = {"roadbed/template.bundle", "roadbed/template.json"}


def build(source: Path, target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", folder],
        cwd=source,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def wheel(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = build(snapshot, "wheel", folder)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def roadbed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, installed from the wheel with the pinned versions of what it needs."""
    venv = tmp_path_factory.mktemp("far") / "venv"
    pins = Path(__file__).parents[1] / "requirements.txt"
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    into = ["--quiet", f"--python={venv}/bin/python", f"--constraint={pins}"]
    subprocess.run([uv, "pip", "install", *into, wheel], check=True)
    return venv / "bin/roadbed"


def test_it_creates_a_service_from_another_folder(
    roadbed: Path, snapshot: Path, tmp_path: Path, wheel: Path
) -> None:
    """And what it makes is what the checkout makes, but for where it came from."""
    version = subprocess.check_output([roadbed, "--version"], text=True)
    assert version == "roadbed 0.1.0, template v9.9.9\n"
    environment = {"HOME": str(tmp_path / "elsewhere"), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [roadbed, "new", "orders", "--no-install", "--json"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    states = {step["name"]: step["state"] for step in made["steps"]}
    assert (states["render"], states["lock"], states["commit"]) == ("done", "left out", "done")
    answers = yaml.safe_load(Path("orders/.copier-answers.yml").read_text())
    assert answers["_commit"] == "v9.9.9"
    bundle = answers["_src_path"]
    assert Path(bundle).is_relative_to(roadbed.parents[1])

    files = git(Path("orders"), "ls-files").splitlines()
    here = ["new", "orders", f"{tmp_path}/here", f"--template={snapshot}", "--no-install", "-q"]
    subprocess.run([sys.executable, "-m", "roadbed", *here], check=True)
    assert git(tmp_path / "here", "ls-files").splitlines() == files
    for name in files:
        ours = Path("orders", name).read_text().replace(bundle, str(snapshot))
        assert ours == (tmp_path / "here" / name).read_text()


def test_its_services_lock_install_and_pass_their_tests(roadbed: Path, tmp_path: Path) -> None:
    """The whole way, with no uv but the one that came with it, and no configured database."""
    kept = {name: os.environ[name] for name in ("UV_CACHE_DIR", "HOME", "GIT_CONFIG_GLOBAL")}
    trust = {name: v for name, v in os.environ.items() if name == "SSL_CERT_FILE"}
    path = [d for d in os.environ["PATH"].split(":") if not Path(d, "uv").exists()]
    nobody = "postgresql://nobody@127.0.0.1:1/untouched"
    done = subprocess.run(
        [roadbed, "new", "orders", "--json"],
        check=False,
        capture_output=True,
        text=True,
        env=kept | trust | {"PATH": ":".join(path), "DATABASE_URL": nobody},
    )
    assert done.returncode == 0, done.stderr
    assert {step["state"] for step in json.loads(done.stdout)["steps"]} == {"done"}
    assert git(Path("orders"), "status", "--porcelain") == ""
    # It lives on without the Roadbed that made it.
    assert str(roadbed.parents[1]) not in Path("orders/.venv/pyvenv.cfg").read_text()


def test_the_origin_is_recorded_when_it_is_built(snapshot: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(snapshot), "clone")
    git(tmp_path / "clone", "remote", "set-url", "origin", "https://a:hunter2@example.com/x.git")
    assert build(tmp_path / "clone", "wheel", tmp_path / "dist").returncode == 0
    with zipfile.ZipFile(next((tmp_path / "dist").iterdir())) as built:
        assert json.loads(built.read("roadbed/template.json")) == {
            "origin": "https://example.com/x.git"
        }


def test_a_wheel_built_from_an_sdist_has_the_same_template(
    snapshot: Path, wheel: Path, tmp_path: Path
) -> None:
    assert build(snapshot, "sdist", tmp_path / "sdist").returncode == 0
    with tarfile.open(next((tmp_path / "sdist").iterdir())) as sdist:
        sdist.extractall(tmp_path, filter="data")
    assert build(tmp_path / "roadbed-0.1.0", "wheel", tmp_path / "dist").returncode == 0
    with (
        zipfile.ZipFile(wheel) as direct,
        zipfile.ZipFile(next((tmp_path / "dist").iterdir())) as by_sdist,
    ):
        assert set(direct.namelist()) == set(by_sdist.namelist())
        assert set(direct.namelist()) >= PARTS
        for part in PARTS:
            assert direct.read(part) == by_sdist.read(part)


def test_a_shallow_clone_builds_no_wheel(snapshot: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(snapshot), "full")
    git(tmp_path / "full", "commit", "--quiet", "--allow-empty", "--message", "One more")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{tmp_path}/full", "shallow")
    refused = build(tmp_path / "shallow", "wheel", tmp_path / "dist")
    assert refused.returncode != 0
    assert "is a shallow clone.\nRun git fetch --unshallow --tags first." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "dist").exists() or not list((tmp_path / "dist").iterdir())


def test_no_history_builds_no_wheel(snapshot: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(snapshot), "copy")
    (tmp_path / "copy/.git").rename(tmp_path / "history")
    refused = build(tmp_path / "copy", "wheel", tmp_path / "dist")
    assert refused.returncode != 0
    assert "has no git history.\nBuild it in a clone of its repository." in refused.stderr

    git(tmp_path, "init", "--quiet")  # somebody else's repository around it
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "Theirs")
    refused = build(tmp_path / "copy", "wheel", tmp_path / "dist")
    assert "has no git history of its own" in refused.stderr
