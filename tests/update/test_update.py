"""`roadbed update` by its command line: what it says, what it makes, what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pexpect
import pytest
import yaml
from histories import build_file_tree, change, git, git_save, made, released
from losses import lines
from typer.testing import CliRunner

from roadbed.cli import app
from roadbed.update import moving

from .conftest import Home, document


def test_a_clean_update_is_one_commit_with_a_useful_message(home: Home) -> None:
    before = git(home.service, "rev-parse", "HEAD")
    result = home.update()
    assert result.exit_code == 0, result.output
    assert "orders: template v1.0.0 → v2.0.0" in result.stdout
    assert "- Line 20 is mended." in result.stdout
    assert git(home.service, "rev-list", "--count", f"{before}..HEAD") == "1"
    message = git(home.service, "log", "-1", "--format=%an: %B")
    assert message.startswith("Ada: Update template from v1.0.0 to v2.0.0\n\n2.0.0\n- Line 20")
    assert "All of it" not in message
    assert "M a.txt" in message
    assert home.status() == ""
    assert home.text("a.txt") == lines(at20="FIX")
    assert home.text("new/b.txt") == lines(at1="b")
    assert not (home.service / "c.txt").exists()
    assert not (home.service / ".git/index.lock").exists()
    assert home.roadbed("status").exit_code == 0


def test_the_document_says_all_of_it(home: Home) -> None:
    told = document(home.update("--json"))
    assert told["schema"] == 1
    assert told["template"] == {"source": str(home.template), "from": "v1.0.0", "to": "v2.0.0"}
    assert told["outcome"] == "updated"
    assert told["commit"] == git(home.service, "rev-parse", "HEAD")
    assert told["branch"] == "main"
    assert {"path": "d.txt", "change": "A"} in told["files"]
    assert told["conflicts"] == told["left"] == told["next"] == told["warnings"] == []
    assert [step["name"] for step in told["steps"]] == [
        *("fetch", "render", "merge", "lock", "install", "format", "test", "contract"),
        *("documents", "apply"),
    ]


def test_again_there_is_nothing_to_do(home: Home) -> None:
    home.update()
    before = home.everything()
    result = home.update()
    assert result.exit_code == 0
    assert result.stdout.startswith("orders is up to date: template v2.0.0\n\n  ✓ fetch ")
    assert "✓ render" not in result.stdout
    assert home.everything() == before


def test_quiet_says_nothing(home: Home) -> None:
    assert home.update("--quiet").output == ""


def test_a_dry_run_shows_the_exact_diff_and_touches_nothing(home: Home) -> None:
    home.commit(a_txt=lines(at2="MINE"))
    before = home.everything()
    objects = sorted((home.service / ".git").rglob("*"))
    result = home.roadbed("update", "--dry-run")
    assert result.exit_code == 0
    assert "- Line 20 is mended." in result.stdout
    assert "-line 20\n+FIX\n" in result.stdout
    assert home.everything() == before
    assert sorted((home.service / ".git").rglob("*")) == objects
    diff = document(home.roadbed("update", "--dry-run", "--json"))["diff"]
    home.update()
    plain = ["git", "diff-tree", "-p", "--find-renames", "--binary", "HEAD~1", "HEAD"]
    assert subprocess.check_output(plain, cwd=home.service, text=True) == diff


def test_a_dry_run_of_conflicts_is_the_answer_no(home: Home) -> None:
    home.commit(a_txt=lines(at20="MINE"))
    before = home.everything()
    result = home.roadbed("update", "--dry-run")
    assert result.exit_code == 1
    assert "a.txt: you and the template changed the same place" in result.stderr
    assert home.everything() == before


def test_a_dry_run_needs_no_room_of_its_own_in_the_repository(home: Home) -> None:
    (home.service / ".git/roadbed").write_text("a file where an update has a folder")
    before = home.everything()
    assert home.roadbed("update", "--dry-run").exit_code == 0
    assert home.update().exit_code == 2
    assert home.everything() == before


def test_uncommitted_changes_elsewhere_survive(home: Home) -> None:
    home.commit(mine_txt="committed\n")
    home.write("mine.txt", "changed\n")
    home.write("staged.txt", "staged\n")
    git(home.service, "add", "staged.txt")
    home.write("untracked.txt", "untracked\n")
    assert home.update().exit_code == 0
    assert sorted(line.split() for line in home.status().splitlines()) == [
        ["??", "untracked.txt"],
        ["A", "staged.txt"],
        ["M", "mine.txt"],
    ]
    assert home.text("mine.txt") == "changed\n"


@pytest.mark.parametrize(
    ("path", "content", "staged"),
    [
        ("a.txt", "changed\n", False),
        ("a.txt", "changed\n", True),
        ("a.txt", None, False),
        ("d.txt", "mine, and untracked\n", False),
        ("new", "a file where a folder has to be\n", False),
        ("c.txt", "changed, where the template deletes\n", False),
        (".copier-answers.yml", "_commit: v1.0.0\n", False),
    ],
)
def test_uncommitted_changes_in_the_way_are_refused_by_name(
    home: Home, path: str, content: str | None, staged: bool
) -> None:
    home.write(path, content)
    if staged:
        git(home.service, "add", "--all")
    before = home.everything()
    result = home.update()
    assert result.exit_code == 2
    assert "The update touches what is not committed here: " in result.stderr
    assert path in result.stderr
    assert home.everything() == before


def test_an_ignored_file_in_the_way_is_refused_too(home: Home) -> None:
    home.commit(_gitignore="d.txt\n")
    home.write("d.txt", "mine\n")
    result = home.update()
    assert result.exit_code == 2
    assert "d.txt" in result.stderr
    assert home.text("d.txt") == "mine\n"


def test_a_branch_gets_the_commit_and_the_work_tree_stays(home: Home) -> None:
    home.write("a.txt", "uncommitted\n")
    before = git(home.service, "rev-parse", "HEAD")
    result = home.update("--branch", "next")
    assert result.exit_code == 0, result.output
    assert "on next." in result.stdout
    assert git(home.service, "rev-parse", "HEAD") == git(home.service, "rev-parse", "next~1")
    assert git(home.service, "rev-parse", "HEAD") == before
    assert "FIX" in git(home.service, "show", "next:a.txt")
    assert home.text("a.txt") == "uncommitted\n"


def test_a_branch_holds_no_conflicts(home: Home) -> None:
    home.commit(a_txt=lines(at20="MINE"))
    before = home.everything()
    result = home.update("--branch", "next")
    assert result.exit_code == 1
    assert "a.txt" in result.stderr
    after = home.everything()
    assert {**after, "for-each-ref": ""} == {**before, "for-each-ref": ""}
    assert "next" not in str(after["for-each-ref"])


def test_an_answer_is_changed_and_its_consequence_merged(home: Home) -> None:
    home.update()
    result = home.update("-d", "team=@acme/pay")
    assert result.exit_code == 0, result.output
    assert home.text("team.txt") == "@acme/pay\n"
    assert yaml.safe_load(home.text(".copier-answers.yml"))["team"] == "@acme/pay"
    assert git(home.service, "log", "-1", "--format=%s") == (
        "Answer the questions of template v2.0.0 anew"
    )


def test_an_answer_is_changed_without_a_newer_version(home: Home) -> None:
    assert home.update("--to", "v1.0.0", "-d", "team=web").exit_code == 0
    assert home.text("team.txt") == "web\n"
    assert yaml.safe_load(home.text(".copier-answers.yml"))["_commit"] == "v1.0.0"


def test_a_new_question_takes_its_default_unless_asked_for(home: Home, tmp_path: Path) -> None:
    asks = (home.template / "copier.yml").read_text() + "region: {type: str, default: eu}\n"
    change(home.template, {"copier.yml": asks, "template/region.jinja": "{{ region }}\n"})
    git_save(home.template, tag="v3.0.0")
    program = [sys.executable, "-m", "roadbed", "update", str(home.service), "--no-verify"]
    child = pexpect.spawn(program[0], [*program[1:], "--ask"], encoding="utf-8", timeout=30)
    child.expect("region")
    child.sendline("")
    child.expect("Committed as")
    child.expect(pexpect.EOF)
    assert home.text("region") == "eu\n"
    assert home.update("--ask").exit_code == 2  # no terminal here

    second = made(home.template, tmp_path / "second")
    assert CliRunner().invoke(app, ["update", str(second), "--no-verify"]).exit_code == 0
    assert (second / "region").read_text() == "eu\n"


def test_the_version_is_chosen_and_never_an_older_one(home: Home) -> None:
    change(home.template, {"template/a.txt": lines(at20="LATER")})
    git_save(home.template, tag="v3.0.0")
    assert home.update("--to", "v2.0.0").exit_code == 0
    assert home.text("a.txt") == lines(at20="FIX")
    before = home.everything()
    result = home.update("--to", "v1.0.0")
    assert result.exit_code == 2
    assert "v1.0.0 is older than v2.0.0" in result.stderr
    assert home.everything() == before


def test_without_tags_commits_are_versions(tmp_path: Path) -> None:
    template = released(tmp_path / "template", {"template/a.txt": lines()})
    git(template, "tag", "--delete", "v1.0.0")
    service = made(template, tmp_path / "orders", None)
    change(template, {"template/a.txt": lines(at20="FIX")})
    git_save(template)
    looked = CliRunner().invoke(app, ["status", str(service), "--json"])
    assert looked.exit_code == 1
    result = CliRunner().invoke(app, ["update", str(service), "--no-verify"])
    assert result.exit_code == 0, result.output
    assert (service / "a.txt").read_text() == lines(at20="FIX")
    assert CliRunner().invoke(app, ["status", str(service)]).exit_code == 0


def test_an_unreleased_service_is_not_brought_back_to_a_release(home: Home) -> None:
    change(home.template, {"template/a.txt": lines(at20="UNRELEASED")})
    git_save(home.template)
    assert home.update("--to", "main").exit_code == 0
    result = home.update()
    assert result.exit_code == 0
    assert "up to date" in result.stdout
    assert "UNRELEASED" in home.text("a.txt")


def test_files_of_the_team_are_never_touched(tmp_path: Path) -> None:
    settings = (
        "_subdirectory: template\nservice_name: {type: str}\n"
        "_skip_if_exists: [modules/**, 'src/*/settings.py', /NOTES.md]\n"
    )
    template = released(
        tmp_path / "template",
        {
            "copier.yml": settings,
            "template/modules/a.py": "one\n",
            "template/modules/gone.py": "gone\n",
            "template/src/{{service_name}}/settings.py": "one\n",
            "template/a.txt": lines(),
        },
        {
            "template/modules/a.py": "two\n",
            "template/modules/gone.py": None,
            "template/modules/b.py": "new in what is the team's\n",
            "template/src/{{service_name}}/settings.py": "two\n",
            "template/NOTES.md": "the first of its kind\n",
            "template/a.txt": lines(at20="FIX"),
        },
    )
    service = made(template, tmp_path / "orders")
    result = CliRunner().invoke(app, ["update", str(service), "--no-verify", "--json"])
    assert result.exit_code == 0, result.output
    assert (service / "modules/a.py").read_text() == "one\n"
    assert (service / "modules/gone.py").exists()
    assert not (service / "modules/b.py").exists()
    assert (service / "src/orders/settings.py").read_text() == "one\n"
    assert (service / "NOTES.md").read_text() == "the first of its kind\n"
    left = document(result)["left"]
    assert {"path": "modules/a.py", "why": "team"} in left
    assert {each["why"] for each in left} == {"team"}


def test_the_old_rendering_is_kept_and_enough(home: Home) -> None:
    """An old version that can no longer be had: the tag is gone, the rendering is there."""
    home.update()
    change(home.template, {"template/a.txt": lines(at20="FIX", at30="THREE")})
    git_save(home.template, tag="v3.0.0")
    lost = Path(f"{home.template}-lost")
    home.template.rename(lost)
    git(lost.parent, "init", "--quiet", "--initial-branch=main", str(home.template))
    files = {
        str(path.relative_to(lost)): path.read_bytes()
        for path in lost.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    change(home.template, files)
    git_save(home.template, tag="v3.0.0")
    result = home.update()
    assert result.exit_code == 0, result.output
    assert "has no version “v2.0.0” any more" in result.stderr
    assert "THREE" in home.text("a.txt")


def test_an_old_version_that_is_nowhere_says_where_it_was_looked_for(home: Home) -> None:
    git(home.template, "tag", "--delete", "v1.0.0")
    before = home.everything()
    result = home.update()
    assert result.exit_code == 2
    assert f"neither in {home.template}, nor in this Roadbed's own template" in result.stderr
    assert "refs/roadbed/pristine" in result.stderr
    assert "Give --template a clone that has it" in result.stderr
    assert home.everything() == before


def test_a_template_that_has_moved_is_found_by_option_and_recorded(home: Home) -> None:
    moved = home.template.rename(home.template.with_name("moved"))
    lost = home.update()
    assert lost.exit_code == 2
    assert f"There is no template at {home.template}" in lost.stderr
    assert "Give --template" in lost.stderr
    result = home.update("--template", str(moved))
    assert result.exit_code == 0, result.output
    assert yaml.safe_load(home.text(".copier-answers.yml"))["_src_path"] == str(moved)


def test_a_template_out_of_reach_is_replaced_by_roadbeds_own(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service from another machine, updated with what this Roadbed carries."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(snapshot), str(clone))
    service = made(snapshot, tmp_path / "orders", "v9.9.9")
    answers = service / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(snapshot), "/nowhere/roadbed"))
    git(service, "commit", "--quiet", "--all", "--message", "Elsewhere")
    with (clone / "template/alembic.ini").open("a") as file:
        file.write("# FIX\n")
    git_save(clone, tag="v10.0.0")
    monkeypatch.setattr("roadbed.template.CHECKOUT", clone)
    result = CliRunner().invoke(app, ["update", str(service), "--no-verify"])
    assert result.exit_code == 0, result.output
    assert "versions come from this Roadbed's own template instead" in result.stderr
    assert "# FIX" in (service / "alembic.ini").read_text()
    assert yaml.safe_load(answers.read_text())["_src_path"] == "/nowhere/roadbed"


def test_a_sub_folder_of_a_larger_repository_is_updated_alone(home: Home, tmp_path: Path) -> None:
    mono = tmp_path / "mono"
    (mono / "other").mkdir(parents=True)
    (mono / "other/a.txt").write_text(lines())
    git_save(mono)
    service = made(home.template, mono / "services/orders")
    git_save(mono, "The service")
    (mono / "other/a.txt").write_text("uncommitted\n")
    before = git(mono, "rev-parse", "HEAD:other")
    result = CliRunner().invoke(app, ["update", str(service / "new"), "--no-verify"])
    assert result.exit_code == 0, result.output
    assert (service / "a.txt").read_text() == lines(at20="FIX")
    assert git(mono, "rev-parse", "HEAD:other") == before
    assert git(mono, "status", "--porcelain") == "M other/a.txt"
    assert (mono / "other/a.txt").read_text() == "uncommitted\n"


def test_a_linked_work_tree_is_updated_as_any_other(home: Home, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(home.service, "worktree", "add", "--quiet", "-b", "side", str(linked))
    assert CliRunner().invoke(app, ["update", str(linked), "--no-verify"]).exit_code == 0
    assert (linked / "a.txt").read_text() == lines(at20="FIX")
    assert git(linked, "status", "--porcelain") == ""
    assert home.text("a.txt") == lines()


def test_windows_line_ends_of_a_work_tree_stay(home: Home) -> None:
    git(home.service, "config", "core.autocrlf", "true")
    for name in ("a.txt", "b.txt"):
        (home.service / name).unlink()
    git(home.service, "checkout", "--", ".")
    assert b"line 1\r\n" in (home.service / "a.txt").read_bytes()
    assert home.update().exit_code == 0
    assert b"line 19\r\nFIX\r\nline 21\r\n" in (home.service / "a.txt").read_bytes()
    assert home.status() == ""


def test_submodules_keep_their_places(home: Home, tmp_path: Path) -> None:
    """With git's setting to recurse, a temporary work tree would become theirs."""
    build_file_tree(tmp_path / "library", {"l.txt": "l\n"})
    git_save(tmp_path / "library")
    git(home.service, "config", "--global", "protocol.file.allow", "always")
    git(home.service, "config", "--global", "submodule.recurse", "true")
    git(home.service, "submodule", "--quiet", "add", str(tmp_path / "library"), "vendor/library")
    home.commit()
    settings = home.service / ".git/modules/vendor/library/config"
    before = settings.read_text()
    home.write("Makefile", "install test:\n\t@true\n")
    home.commit()
    result = home.roadbed("update")
    assert result.exit_code == 0, result.output
    assert settings.read_text() == before
    assert home.status() == ""


def test_a_signal_that_another_thread_takes_does_not_cut_it_in_half(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the live display is such a thread, and Python then acts in the main one."""
    rename = moving.rename

    def interrupted(file: Path, place: Path) -> None:
        rename(file, place)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)

    monkeypatch.setattr(moving, "rename", interrupted)
    done = threading.Event()
    threading.Thread(target=done.wait, daemon=True).start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = home.update()
    finally:
        done.set()
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 0, result.output
    assert home.text("a.txt") == lines(at20="FIX")
    assert home.status() == ""


def test_a_service_that_signs_nothing_is_not_signed(home: Home) -> None:
    git(home.service, "config", "--global", "commit.gpgSign", "true")
    git(home.service, "config", "--global", "gpg.program", "false")
    git(home.service, "config", "commit.gpgSign", "false")
    assert home.update().exit_code == 0


def test_a_signed_commit_that_cant_be_signed_is_refused(home: Home) -> None:
    git(home.service, "config", "commit.gpgSign", "true")
    git(home.service, "config", "gpg.program", "false")
    before = home.everything()
    result = home.update()
    assert result.exit_code == 2
    assert "The commit can't be made" in result.stderr
    assert {**home.everything(), "for-each-ref": ""} == {**before, "for-each-ref": ""}


def _no_repository(home: Home) -> None:
    (home.service / ".git").rename(home.service.with_name("history"))


def _no_commit(home: Home) -> None:
    _no_repository(home)
    git(home.service, "init", "--quiet")


def _detached(home: Home) -> None:
    git(home.service, "checkout", "--quiet", "--detach")


def _nobody(home: Home) -> None:
    git(home.service, "config", "--global", "--unset", "user.email")


def _answers(content: str | None) -> object:
    def write(home: Home) -> None:
        home.write(".copier-answers.yml", content)
        git(home.service, "commit", "--quiet", "--all", "--message", "Broken")

    return write


def _picking(home: Home) -> None:
    home.begin_a_cherry_pick()


def _merging(home: Home) -> None:
    home.begin_a_cherry_pick()
    git(home.service, "cherry-pick", "--abort")
    subprocess.run(["git", "merge", "other"], cwd=home.service, check=False, capture_output=True)


def _another_git(home: Home) -> None:
    (home.service / ".git/index.lock").touch()


def _torn_journal(home: Home) -> None:
    (home.service / ".git/roadbed").mkdir()
    (home.service / ".git/roadbed/move.json").write_text('{"kind": "upd')


def _read_only(home: Home) -> None:
    (home.service / ".git/roadbed").write_text("a file where a folder has to be")


@pytest.mark.parametrize(
    ("spoil", "arguments", "sentence"),
    [
        (_no_repository, [], "is in no git repository"),
        (_no_commit, [], "has no commit yet"),
        (_detached, [], "is on no branch (detached HEAD)"),
        (_nobody, [], "there is no user.name or user.email"),
        (_answers(None), [], "There is no service at"),
        (_answers("a: ["), [], "is no YAML"),
        (_answers("- a\n"), [], "holds no mapping"),
        (_answers("team: x\n"), [], "does not record “_commit” and “_src_path”"),
        (_picking, [], "A cherry-pick is in progress"),
        (_merging, [], "A merge is in progress"),
        (_another_git, [], "Another git works in"),
        (_torn_journal, ["--abort"], "can't be read. See git status"),
        (_read_only, [], "Nothing can be written in"),
        (None, ["--to", "v7"], "has no tag, branch or commit “v7”. Its newest"),
        (None, ["--template", "nowhere"], "no template at nowhere"),
        (None, ["-d", "team"], "“-d team” is no answer"),
        (None, ["-d", "teem=x"], "no question “teem”. Did you mean “team”?"),
        (None, ["-d", "service_name=other"], "“service_name” was decided when"),
        (None, ["--branch", "a b"], "“a b” can't be the name of a branch"),
        (None, ["--branch", "main"], "The branch main is there already"),
        (None, ["--continue"], "No update is in progress"),
        (None, ["--abort"], "No update is in progress"),
        (None, ["--abort", "--to", "v2.0.0"], "Leave the other options out"),
        (None, ["--continue", "--abort"], "Leave the other options out"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_changed(
    home: Home, spoil: object, arguments: list[str], sentence: str
) -> None:
    if callable(spoil):
        spoil(home)
    files = {p: p.read_bytes() for p in sorted(home.service.rglob("*")) if p.is_file()}
    result = home.update(*arguments)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output
    assert result.stdout == ""
    kept = {p: c for p, c in files.items() if "objects" not in p.parts}
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_no_service_here_is_a_sentence(tmp_path: Path) -> None:
    for place in (str(tmp_path), "~nobody-of-that-name", "n" * 300):
        result = CliRunner().invoke(app, ["update", place])
        assert result.exit_code == 2
        assert result.stderr.startswith("Error: ")


def test_an_old_git_is_a_sentence(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(tmp_path, {"bin/git": "#!/bin/sh\necho 'git version 2.37.9'\n"})
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    result = home.update()
    assert result.exit_code == 2
    assert "needs 2.38 or newer" in result.stderr
