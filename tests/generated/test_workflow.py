"""What a service's repository does by itself: its workflow, its updates, its owners, its hooks."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .rendering import Service
from .test_deployment import document, valid
from .toolbox import Toolbox

WORKFLOW = ".github/workflows/ci.yml"
DEPENDABOT = ".github/dependabot.yml"


def steps(service: Service) -> list[dict[str, Any]]:
    jobs = document(service, WORKFLOW)["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.fixture(scope="module")
def services(rendered: Callable[..., Service]) -> list[Service]:
    return [rendered(deployment=each) for each in ("kubernetes", "compose", "none")]


def test_github_understands_the_workflow_and_the_updates(services: list[Service]) -> None:
    valid(services[0].folder / WORKFLOW, "github-workflows")
    for service in services:
        valid(service.folder / DEPENDABOT, "dependabot")


def test_an_auditor_finds_nothing_in_the_workflow(default_service: Service) -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    audit: list[str | Path] = [
        zizmor,
        "--offline",
        "--no-config",
        "--persona",
        "pedantic",
        "--quiet",
    ]
    files = [default_service.folder / WORKFLOW, default_service.folder / DEPENDABOT]
    done = subprocess.run([*audit, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_may_read_and_nothing_else(default_service: Service) -> None:
    workflow = document(default_service, WORKFLOW)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 20


def test_actions_are_pinned_to_commits_and_say_which_version_that_is(
    default_service: Service,
) -> None:
    text = default_service.texts(WORKFLOW)[WORKFLOW]
    pinned = re.findall(
        r"uses: (actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$", text, re.MULTILINE
    )
    assert len(pinned) == text.count("uses:") >= 4
    assert len(set(pinned)) == len({pin.partition("@")[0] for pin in pinned})


def test_the_workflow_calls_what_a_developer_calls(default_service: Service) -> None:
    targets = default_service.texts("Makefile")["Makefile"]
    called = [step["run"] for step in steps(default_service) if "run" in step]
    made = [command.split()[1] for command in called if command.startswith("make ")]
    assert set(made) == {"install", "check", "test", "checklist"}
    assert all(re.search(rf"^{target}:", targets, re.MULTILINE) for target in made)
    assert any(
        "install --quiet --yes --no-install-recommends prometheus" in each for each in called
    )


def test_what_the_workflow_asks_of_uv_works(
    default_service: Service, toolbox: Toolbox, tmp_path: Path
) -> None:
    """The audit needs the database of vulnerabilities; that its options are known has to do."""
    called = [step["run"].split() for step in steps(default_service) if "run" in step]
    lock, export, audit = [command[1:] for command in called if command[0] == ".venv/bin/uv"]
    project = Service(tmp_path / "project", default_service.answers)
    project.folder.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        (project.folder / name).write_bytes((toolbox.folder / name).read_bytes())
    toolbox.run(project, "uv", *lock)
    toolbox.run(project, "uv", *export)
    (bill,) = project.folder.glob("*.cdx.json")
    (uploaded,) = [
        step["with"]["path"] for step in steps(default_service) if "upload" in step.get("uses", "")
    ]
    assert bill.name == uploaded
    assert '"bomFormat": "CycloneDX"' in bill.read_text()
    assert "starlette" in bill.read_text()
    assert "pytest" not in bill.read_text()
    toolbox.run(project, "uv", *audit, "--help")


def test_updates_wait_for_a_week_and_look_at_everything_that_is_pinned(
    services: list[Service],
) -> None:
    for service in services:
        updates = document(service, DEPENDABOT)["updates"]
        assert {update["cooldown"]["default-days"] for update in updates} == {7}
        looked_at = {update["package-ecosystem"] for update in updates}
        files = {"docker": "Dockerfile", "docker-compose": "compose.yaml", "uv": "pyproject.toml"}
        there = {kind for kind, file in files.items() if (service.folder / file).exists()}
        assert looked_at == there | {"github-actions"}


def test_a_team_that_github_knows_owns_the_code(service: Service) -> None:
    team = service.answers["team"]
    owners = service.texts(".github/CODEOWNERS")
    assert bool(owners) == (team == "@acme/ledger")
    for text in owners.values():
        assert text.splitlines()[-1] == f"* {team}"


@pytest.mark.parametrize(("team", "known"), [("@ada", True), ("@acme/ledger @ada", False)])
def test_an_owner_is_one_person_or_one_team(
    team: str, known: bool, rendered: Callable[..., Service]
) -> None:
    assert (rendered(team=team).folder / ".github" / "CODEOWNERS").exists() == known


def test_hooks_run_the_tools_that_are_pinned(default_service: Service, toolbox: Toolbox) -> None:
    text = default_service.texts(".pre-commit-config.yaml")[".pre-commit-config.yaml"]
    (repository,) = yaml.safe_load(text)["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        program = hook["entry"].split()[0]
        assert (toolbox.folder / program).exists()


def test_editors_indent_as_the_formatter_does(default_service: Service) -> None:
    text = default_service.texts(".editorconfig")[".editorconfig"]
    sections = dict(re.findall(r"^\[(.+?)\]\n((?:.+\n)+)", text, re.MULTILINE))
    assert "max_line_length = 100" in sections["*"]
    assert "line-length = 100" in default_service.texts("pyproject.toml")["pyproject.toml"]
    assert sections["Makefile"] == "indent_style = tab\n"
