"""`roadbed new`: arguments in, words and exit codes out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from histories import SMALL, build_file_tree, git, git_save
from typer.testing import CliRunner, Result

from roadbed import commands
from roadbed.cli import app


def new(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["new", *map(str, arguments)])


def document(result: Result) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def states(result: Result) -> dict[str, str]:
    return {step["name"]: step["state"] for step in document(result)["steps"]}


def everything() -> list[str]:
    return sorted(str(path) for path in Path.cwd().parent.rglob("*") if ".git/" not in str(path))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A template whose services have a red suite, a pyproject.toml that locks, and a history."""
    template = tmp_path / "broken"
    makefile = "setup install prepare:\n\t@true\ntest:\n\t@echo 1 failed, 2 passed; exit 1\n"
    build_file_tree(template, {**SMALL, "template/Makefile": makefile})
    git_save(template, tag="v1.0.0")
    return template


def test_a_service_is_made_with_all_its_steps(small: Path) -> None:
    result = new("orders", "--template", small, "-d", "team=web", "-d", "paging=+1", "--json")
    assert result.exit_code == 0, result.stderr
    made = document(result)
    assert made.keys() == {"schema", "path", "template", "answers", "steps", "next", "warnings"}
    assert made["schema"] == 1
    assert made["path"] == str(Path.cwd() / "orders")
    assert made["template"] == {"source": str(small), "version": "v1.0.0"}
    assert made["answers"] == {
        "deployment": "kubernetes",
        "paging": "+1",
        "service_name": "orders",
        "team": "web",
    }
    assert list(states(result)) == [*("render", "lock", "install", "prepare", "commit", "test")]
    assert set(states(result).values()) == {"done"}
    assert all(step["seconds"] > 0 for step in made["steps"])
    assert made["warnings"] == []
    assert made["next"] == ["cd orders", "make run", "make test"]

    orders = Path("orders")
    assert {path.stem for path in orders.glob("*.trace")} == {"install", "prepare", "test"}
    assert git(orders, "log", "--format=%an: %s") == "Ada: Create orders from template v1.0.0"
    assert git(orders, "status", "--porcelain") == ""
    assert git(orders, "branch", "--show-current") == "main"
    assert "uv.lock" in git(orders, "ls-files")
    assert "DATABASE_URL" not in (orders / "prepare.trace").read_text()


def test_the_words_say_what_where_how_long_and_what_next(small: Path) -> None:
    result = new("orders", "x/orders", "--template", small, "--no-verify")
    assert result.exit_code == 0
    assert "orders is ready in x/orders\nfrom template v1.0.0" in result.stdout
    assert "✓ render" in result.stdout
    assert "- test              left out (--no-verify)" in result.stdout
    assert "= total" in result.stdout
    assert result.stdout.endswith("Next:\n  cd x/orders\n  make run\n  make test\n")
    assert "✓ render" in result.stderr
    assert "Nobody owns this service yet" in result.stderr
    assert "Nobody can be paged" in result.stderr


def test_the_suite_goes_on_beside_the_other_steps(small: Path) -> None:
    """Each waits for the other, for ten seconds at most."""
    wait = (
        "@touch $@.here; for i in $$(seq 100); do test -e {}.here && exit; sleep 0.1; done; exit 1"
    )
    makefile = "install:\n\t@true\n"
    for name, other in (("prepare", "test"), ("test", "prepare")):
        makefile += f"{name}:\n\t{wait.format(other)}\n"
    build_file_tree(small, {"template/Makefile": makefile})
    git_save(small, tag="v1.1.0")
    result = new("orders", "--template", small)
    assert result.exit_code == 0, result.stderr


def test_quiet_says_nothing_and_json_nothing_else(small: Path) -> None:
    result = new("orders", "--template", small, "--quiet", "--no-install")
    assert (result.exit_code, result.output) == (0, "")
    assert document(new("b", "--template", small, "--json", "--no-install", "-q"))["schema"] == 1


def test_steps_can_be_left_out(small: Path) -> None:
    result = new("orders", "--template", small, "--no-install", "--no-git", "--json")
    assert result.exit_code == 0
    done = states(result)
    assert done.pop("render") == "done"
    assert set(done.values()) == {"left out"}
    assert document(result)["next"] == ["cd orders", "make setup", "make run"]
    assert not Path("orders/.git").exists()
    assert not Path("orders/uv.lock").exists()


def test_a_dry_run_lists_the_files_and_makes_none(small: Path) -> None:
    before = everything()
    result = new("orders", "x/orders", "--template", small, "--dry-run")
    assert result.exit_code == 0
    listed = result.stdout.split()
    assert "x/orders/src/orders/__init__.py" in listed
    assert "x/orders/.copier-answers.yml" in listed
    assert len(listed) == 6
    assert document(new("a", "--template", small, "--dry-run", "--json"))["files"] == [
        *(".copier-answers.yml", ".gitignore", "Makefile", "README.md", "pyproject.toml"),
        "src/a/__init__.py",
    ]
    assert everything() == before


def test_the_current_folder_will_do(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("orders").mkdir()
    monkeypatch.chdir("orders")
    result = new("orders", ".", "--template", small, "--json", "--no-verify")
    assert result.exit_code == 0, result.stderr
    assert document(result)["path"] == str(Path.cwd())
    assert git(Path(), "status", "--porcelain") == ""
    assert Path("README.md").exists()


def test_answers_come_from_a_file_and_the_option_wins(small: Path) -> None:
    Path("other.yml").write_text(
        "_commit: v0\n_src_path: elsewhere\nservice_name: other\nteam: file\npaging: file\n"
    )
    result = new(
        *("orders", "--template", small, "--no-install", "--json"),
        *("--answers", "other.yml", "-d", "team=option"),
    )
    answers = document(result)["answers"]
    assert (answers["service_name"], answers["team"], answers["paging"]) == (
        "orders",
        "option",
        "file",
    )


def test_a_dirty_checkout_is_not_rendered(small: Path) -> None:
    (small / "template/new").touch()
    result = new("orders", "--template", small, "--no-install")
    assert not Path("orders/new").exists()
    assert f"Warning: {small} has changes that are not committed" in result.stderr
    assert "made from v1.0.0" in result.stderr


def test_what_was_not_pushed_is_said(small: Path, tmp_path: Path) -> None:
    """The service records where the clone came from, and nobody finds the version there."""
    git(tmp_path, "clone", "--quiet", str(small), "clone")
    clone = tmp_path / "clone"
    pushed = new("orders", "--template", clone, "--no-install", "--dry-run", "--json")
    assert not any("push it" in each for each in document(pushed)["warnings"])
    one_tag = ("--depth=1", "--branch=v1.0.0", f"file://{small}")
    git(tmp_path, "-c", "advice.detachedHead=false", "clone", "--quiet", *one_tag, "tag")
    shallow = new("orders", "--template", tmp_path / "tag", "--no-install", "--dry-run", "--json")
    assert not any("push it" in each for each in document(shallow)["warnings"])
    build_file_tree(clone, {"template/new": ""})
    git_save(clone, tag="v1.1.0")
    result = new("orders", "--template", clone, "--no-install", "--dry-run", "--json")
    (said,) = (each for each in document(result)["warnings"] if "push it" in each)
    assert said.startswith(f"v1.1.0 is in {clone} alone, and the service records {small}:")


def test_a_plural_is_refused(small: Path) -> None:
    with (small / "copier.yml").open("a") as questions:
        questions.write("module: {type: str, default: payment}\n")
    git_save(small, tag="v2.0.0")
    for answer, code in (("payments", 2), ("address", 0)):
        result = new("orders", "--template", small, "-d", f"module={answer}", "--dry-run")
        assert result.exit_code == code
    refused = new("orders", "--template", small, "-d", "module=entries", "--dry-run")
    assert "“entries” looks like a plural.\nGive the singular: entry" in refused.stderr


def test_a_ref_is_another_version(small: Path) -> None:
    build_file_tree(small, {"template/new": ""})
    git_save(small)
    assert (
        document(new("a", "--template", small, "--dry-run", "--json"))["template"]["version"]
        == "v1.0.0"
    )
    later = document(new("a", "--template", small, "--dry-run", "--json", "--ref", "main"))
    assert later["template"]["version"] == git(small, "describe", "--tags")
    assert "new" in later["files"]


def test_without_an_identity_a_neutral_one_commits_and_nothing_else(
    small: Path, nobodys_home: Path
) -> None:
    (nobodys_home / ".gitconfig").write_text("[commit]\n\tgpgSign = true\n")
    result = new("orders", "--template", small, "--no-install")
    assert result.exit_code == 0
    assert "by Roadbed <noreply@roadbed.invalid>" in result.stderr
    assert git(Path("orders"), "log", "--format=%an %ae %cn %ce") == (
        "Roadbed noreply@roadbed.invalid Roadbed noreply@roadbed.invalid"
    )
    assert "user." not in Path("orders/.git/config").read_text()


def test_an_identity_in_the_environment_is_one(
    small: Path, nobodys_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nobodys_home / ".gitconfig").unlink()
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Grace")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "grace@example.com")
    result = new("orders", "--template", small, "--no-install")
    assert "noreply" not in result.stderr
    assert git(Path("orders"), "log", "--format=%an %ce") == "Grace grace@example.com"


def test_the_default_branch_is_the_users_and_hooks_have_no_say(small: Path, tmp_path: Path) -> None:
    git(small, "config", "--global", "init.defaultBranch", "trunk")
    build_file_tree(tmp_path, {"hooks/pre-commit": "#!/bin/sh\nexit 1\n"})
    (tmp_path / "hooks/pre-commit").chmod(0o755)
    git(small, "config", "--global", "core.hooksPath", str(tmp_path / "hooks"))
    result = new("orders", "--template", small, "--no-install")
    assert result.exit_code == 0, result.stderr
    assert git(Path("orders"), "branch", "--show-current") == "trunk"


def test_what_the_user_ignores_everywhere_is_committed_all_the_same(
    small: Path, tmp_path: Path
) -> None:
    (tmp_path / "ignored").write_text("Makefile\n*.toml\n")
    git(small, "config", "--global", "core.excludesFile", str(tmp_path / "ignored"))
    assert new("orders", "--template", small, "--no-install").exit_code == 0
    made = {str(p.relative_to("orders")) for p in Path("orders").rglob("*") if p.is_file()}
    made = {path for path in made if not path.startswith(".git/")}
    assert set(git(Path("orders"), "ls-files").splitlines()) == made


@pytest.mark.parametrize("place", ["orders", "mono/orders"])
def test_stopped_before_the_commit_one_command_makes_it(
    small: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a larger repository it commits nothing of what somebody is about to commit there."""
    build_file_tree(Path("mono"), {"a.txt": "a"})
    git_save(Path("mono"))
    build_file_tree(Path("mono"), {"staged.txt": "mine"})
    git(Path("mono"), "add", "staged.txt")

    def stopped(*words: str, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run", stopped)
    result = new("orders", place, "--template", small, "--json")
    assert result.exit_code == 130
    (remedy,) = document(result)["next"]
    wanted = remedy.removesuffix(f" && make -C {Path.cwd()}/{place} setup")
    subprocess.run(["bash", "-c", wanted], check=True, capture_output=True)
    if place == "orders":
        assert git(Path(place), "status", "--porcelain") == ""
        assert git(Path(place), "log", "--format=%s") == "Create orders from template v1.0.0"
    else:
        assert git(Path("mono"), "log", "--format=%s") == "Change the template"
        assert "orders/Makefile" in git(Path("mono"), "ls-files")


def test_inside_another_repository_there_is_no_second_one(small: Path) -> None:
    build_file_tree(Path("mono"), {".gitignore": "/out/\n"})
    git_save(Path("mono"))
    result = new("orders", "mono/services/orders", "--template", small, "--json", "--no-install")
    assert result.exit_code == 0
    assert states(result)["commit"] == "left out"
    assert not Path("mono/services/orders/.git").exists()
    assert any("commit it there" in warning for warning in document(result)["warnings"])

    ignored = new("orders", "mono/out/orders", "--template", small, "--json", "--no-install")
    assert states(ignored)["commit"] == "done"
    assert Path("mono/out/orders/.git").is_dir()


def test_a_red_suite_is_the_answer_no(broken: Path) -> None:
    result = new("orders", "--template", broken)
    assert result.exit_code == 1
    assert "The step “test” failed:\n1 failed, 2 passed" in result.stderr
    assert f"To go on:\n  make -C {Path.cwd()}/orders setup\n" in result.stderr
    assert "orders is made in orders" in result.stdout
    assert Path("orders/README.md").exists()
    as_json = new("again", "--template", broken, "--json")
    assert as_json.exit_code == 1
    assert states(as_json)["test"] == "failed"
    assert document(as_json)["next"] == [f"make -C {Path.cwd()}/again setup"]


def test_no_network_keeps_the_service_and_its_commit(small: Path) -> None:
    """The lock needs a package, and the index is where nobody listens."""
    pyproject = SMALL["template/pyproject.toml.jinja"] + 'dependencies = ["anything"]\n'
    build_file_tree(small, {"template/pyproject.toml.jinja": pyproject.replace("        ", "")})
    git_save(small, tag="v2.0.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/index")
        patch.setenv("UV_HTTP_RETRIES", "0")
        result = new("orders", "--template", small, "--json")
    assert result.exit_code == 1
    assert states(result) == {
        "render": "done",
        "lock": "failed",
        "install": "not reached",
        "prepare": "not reached",
        "commit": "done",
        "test": "not reached",
    }
    assert "127.0.0.1" in document(result)["steps"][1]["detail"]
    assert git(Path("orders"), "log", "--format=%s") == "Create orders from template v2.0.0"
    assert f"make -C {Path.cwd()}/orders setup" in result.stderr


def test_a_commit_that_fails_does_not_stop_the_rest(small: Path, nobodys_home: Path) -> None:
    with (nobodys_home / ".gitconfig").open("a") as config:
        config.write("[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n")
    result = new("orders", "--template", small, "--json")
    assert result.exit_code == 1
    assert states(result)["commit"] == "failed"
    assert states(result)["test"] == "done"
    here, message = f"{Path.cwd()}/orders", "'Create orders from template v1.0.0'"
    assert document(result)["next"] == [
        f"git -C {here} add --all && git -C {here} commit -m {message}"
    ]


def _file(path: str, text: str = "") -> None:
    build_file_tree(Path(), {path: text})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a-b"], "“a-b” won't do as service_name: A name is a word."),
        ([""], "The service has no name."),
        (["../a"], "“../a” won't do as service_name"),
        (["x/y"], "“x/y” won't do as service_name"),
        (["a" * 300], "could not be written: File name too long"),
        (["orders", "full"], "The folder full is not empty."),
        (["orders", "full/file"], "full/file is there already, and is no folder."),
        (["orders", "full/file/x/y"], "full/file is no folder."),
        (["orders", "--answers", "missing.yml"], "missing.yml can't be read: No such file"),
        (["orders", "--answers", "full"], "full can't be read: Is a directory"),
        (["orders", "--answers", "broken.yml"], "broken.yml is no YAML"),
        (["orders", "--answers", "date.yml"], "date.yml is no YAML"),
        (["orders", "--answers", "list.yml"], "list.yml holds no mapping"),
        (
            ["orders", "--answers", "odd.yml"],
            "no question “teem”. Did you mean “team”?".replace(". D", ".\nD"),
        ),
        (["orders", "-d", "team"], "“-d team” is no answer."),
        (["orders", "-d", "=web"], "“-d =web” is no answer."),
        (["orders", "-d", "teem=web"], "Did you mean “team”?"),
        (["orders", "-d", "title=x"], "“title” is no question: it is computed"),
        (["orders", "-d", "deployment=moon"], "“moon” is no choice for deployment."),
        (["orders", "-d", "service_name=x"], "“orders” and, by -d service_name=…, something else."),
        (["orders", "--ref", "v7"], "no tag, branch or commit “v7”."),
        (["orders", "--template", "nowhere"], "no template at nowhere"),
        (["orders", "--template", "full"], "no git history"),
        (["orders", "--template", "full/file"], "could not be fetched"),
        (["orders", "--template", "https://a:hunter2@127.0.0.1:1/x.git"], "could not be fetched"),
        (["orders", "--no-such-option"], "No such option"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_written(
    small: Path, arguments: list[str], sentence: str
) -> None:
    _file("full/file", "text\n")
    _file("broken.yml", "a: [")
    _file("date.yml", "team: 2026-02-30\n")
    _file("list.yml", "- a\n")
    _file("odd.yml", "teem: web\n")
    before = everything()
    result = new("--template", small, *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr.replace(f"{Path.cwd()}/", "")
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.output
    assert result.stdout == ""
    assert everything() == before


@pytest.mark.parametrize("tool", ["git", "make"])
def test_a_missing_tool_is_a_sentence(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    for name in {"git", "make"} - {tool}:
        real = next(p for d in os.environ["PATH"].split(":") if (p := Path(d, name)).exists())
        build_file_tree(tmp_path, {f"bin/{name}": f'#!/bin/sh\nexec {real} "$@"\n'})
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    result = new("orders", "--template", small)
    assert result.exit_code == 2
    assert f"There is no {tool} on PATH" in result.stderr
    assert not Path("orders").exists()


def test_debug_shows_the_traceback() -> None:
    result = new("orders", "--template", "nowhere", "--debug")
    assert result.exit_code == 1
    assert "no template at nowhere" in str(result.exception)
