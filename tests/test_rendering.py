"""Answers and a version of the template become files, the same ones that Copier makes."""

from __future__ import annotations

import filecmp
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from histories import build_file_tree, git, git_save
from hypothesis import given
from hypothesis import strategies as st
from jinja2_ansible_filters.core_filters import to_nice_yaml

from roadbed import rendering
from roadbed.errors import RoadbedError
from roadbed.rendering import ANSWERS_FILE, questions, read_answers, render
from roadbed.template import Version, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = Version("v1.0.0", "0" * 40)


def files(root: Path) -> Iterator[Path]:
    return (path.relative_to(root) for path in sorted(root.rglob("*")) if not path.is_dir())


def rendered(template: Path, folder: Path, answers: dict[str, Any], ref: str | None = None) -> Path:
    """Render as `roadbed new` does."""
    tree = folder.with_name(f"{folder.name}-tree")
    with opened(str(template)) as source:
        version = source.version(ref)
        source.write(version, tree)
        render(tree, folder, answers, version=version, source=source.source)
    return folder


def copied(template: Path, folder: Path, answers: dict[str, str], ref: str) -> Path:
    """Render as `copier copy` does, in a process of its own and without --trust."""
    data = [f"--data={name}={answer}" for name, answer in answers.items()]
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", "--vcs-ref", ref]
    subprocess.run([*command, *data, str(template), str(folder)], check=True)
    return folder


def assert_same(ours: Path, theirs: Path) -> None:
    names = [str(path) for path in files(ours)]
    assert names == [str(path) for path in files(theirs)]
    assert ANSWERS_FILE in names
    assert filecmp.cmpfiles(ours, theirs, names, shallow=False) == (names, [], [])
    modes = [[(root / name).stat().st_mode for name in names] for root in (ours, theirs)]
    assert modes[0] == modes[1]


@pytest.mark.parametrize(
    "answers", [{}, {"team": "Straße: 'a' #1, and more of it " * 5, "deployment": "compose"}]
)
def test_copier_makes_the_same_bytes_from_a_small_template(
    small: Path, tmp_path: Path, answers: dict[str, str]
) -> None:
    given = {"service_name": "orders", **answers}
    ours = rendered(small, tmp_path / "ours", given, "v1.0.0")
    assert_same(ours, copied(small, tmp_path / "theirs", given, "v1.0.0"))


@pytest.mark.parametrize("ref", ["v9.9.9", "HEAD"])
def test_copier_makes_the_same_bytes_from_our_template(
    snapshot: Path, tmp_path: Path, ref: str
) -> None:
    answers = {"service_name": "invoice-api", "team": "@acme/billing", "deployment": "compose"}
    ours = rendered(snapshot, tmp_path / "ours", answers, ref)
    assert_same(ours, copied(snapshot, tmp_path / "theirs", answers, ref))


def test_a_second_rendering_is_identical(snapshot: Path, tmp_path: Path) -> None:
    first = rendered(snapshot, tmp_path / "first", {"service_name": "orders"})
    assert_same(first, rendered(snapshot, tmp_path / "second", {"service_name": "orders"}))


def test_an_origin_is_all_that_differs(small: Path, tmp_path: Path) -> None:
    before = rendered(small, tmp_path / "before", {"service_name": "orders"})
    git(small, "remote", "add", "origin", "git@example.com:x.git")
    after = rendered(small, tmp_path / "after", {"service_name": "orders"})
    changed = [
        name for name in files(before) if not filecmp.cmp(before / name, after / name, False)
    ]
    assert [str(name) for name in changed] == [ANSWERS_FILE]
    assert read_answers(after / ANSWERS_FILE)["_src_path"] == "git@example.com:x.git"


@given(
    commit=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
    source=st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
)
def test_any_version_and_source_are_written_as_copier_writes_them(commit: str, source: str) -> None:
    facts = {"_commit": commit, "_src_path": source}
    whole = to_nice_yaml({**facts, "team": "web"}).encode()
    assert rendering._yaml(facts) + b"team: web\n" == whole  # noqa: SLF001
    assert yaml.safe_load(whole)["_src_path"] == source


def test_the_answers_are_those_to_the_questions(small: Path, tmp_path: Path) -> None:
    folder = rendered(small, tmp_path / "orders", {"service_name": "orders", "team": "web"})
    assert read_answers(folder / ANSWERS_FILE) == {
        "_commit": "v1.0.0",
        "_src_path": str(small),
        "deployment": "kubernetes",
        "paging": "",
        "service_name": "orders",
        "team": "web",
    }
    assert (folder / "README.md").read_text() == "Orders of web\n"


def test_this_users_copier_settings_have_no_say(
    small: Path, tmp_path: Path, nobodys_home: Path
) -> None:
    settings = nobodys_home / ".config/copier/settings.yml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"defaults: {{team: mine}}\ntrust: ['{tmp_path}/']\n")
    folder = rendered(small, tmp_path / "orders", {"service_name": "orders"})
    assert read_answers(folder / ANSWERS_FILE)["team"] == ""


@pytest.mark.parametrize("answer", ["nope", "maybe", "2", "", "yes please"])
def test_a_switch_is_answered_by_yes_or_no(tmp_path: Path, answer: str) -> None:
    (tmp_path / "copier.yml").write_text("oidc: {type: bool, default: false}\nteam: {type: str}\n")
    asked = questions(tmp_path)
    for known in (True, False, "yes", "No", "ON", "false", 1, 0):
        asked.check({"oidc": known, "team": answer})
    with pytest.raises(RoadbedError, match="is neither yes nor no, for “oidc”"):
        asked.check({"oidc": answer})


def test_questions_know_what_is_computed(small: Path) -> None:
    asked = questions(small)
    assert asked.asked == ("service_name", "team", "paging", "deployment")
    assert asked.computed == ("title",)
    assert asked.answers_file == ANSWERS_FILE


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("teem", "no question “teem”. Did you mean “team”?"),
        ("xyz", "no question “xyz”. Its questions are service_name, team, paging, deployment."),
        ("title", "“title” is no question: it is computed"),
        ("_subdirectory", "no question “_subdirectory”."),
    ],
)
def test_an_answer_without_a_question_is_a_sentence(small: Path, name: str, sentence: str) -> None:
    with pytest.raises(RoadbedError) as refused:
        questions(small).check({"team": "web", name: "x"})
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"service_name": "a b"}, "“a b” won't do as service_name: A name is a word. Give another"),
        ({"service_name": "a", "deployment": "moon"}, "“moon” is no choice for deployment. Choose"),
        ({}, "The question service_name has no default"),
        ({"service_name": None}, "can't be rendered"),
    ],
)
def test_a_refused_answer_is_a_sentence(
    small: Path, tmp_path: Path, answers: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RoadbedError) as refused:
        render(small, tmp_path / "x", answers, version=VERSION, source="")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"copier.yml": "_tasks: [touch hacked]\n"}, "wants to run code"),
        ({"copier.yml": "_jinja_extensions: [os.path]\n"}, "wants to run code"),
        ({"copier.yml": "a: [\n"}, "copier.yml can't be read"),
        ({"x.jinja": "{{ 1 +\n"}, "can't be rendered"),
        ({"x.jinja": "{{ service_name.nothing.more }}\n"}, "can't be rendered"),
        ({"{{_copier_conf.answers_file}}.jinja": "team: web\n"}, "where it came from"),
        ({}, "no .copier-answers.yml"),
    ],
)
def test_a_broken_template_is_a_sentence(
    tmp_path: Path, broken: dict[str, str], sentence: str
) -> None:
    build_file_tree(tmp_path / "t", {"copier.yml": "a: 1\n", **broken})
    with pytest.raises(RoadbedError) as refused:
        render(tmp_path / "t", tmp_path / "x", {}, version=VERSION, source="")
    assert sentence in str(refused.value)
    assert not list(tmp_path.rglob("hacked"))


def test_no_copier_yml_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RoadbedError, match=r"no copier\.yml"):
        questions(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"- team\n", "no mapping"),
        (b"a: [", "no YAML"),
        (b"\xff", "no YAML"),
        (None, "can't be read"),
    ],
)
def test_a_bad_answers_file_is_a_sentence(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "answers.yml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RoadbedError, match=f"{file}.*{sentence}"):
        read_answers(file)


def test_a_tag_moves_the_version_not_the_files(small: Path, tmp_path: Path) -> None:
    git_save(small, tag="v1.1.0")
    old = rendered(small, tmp_path / "old", {"service_name": "orders"}, "v1.0.0")
    new = rendered(small, tmp_path / "new", {"service_name": "orders"})
    assert read_answers(new / ANSWERS_FILE)["_commit"] == "v1.1.0"
    assert (old / "README.md").read_bytes() == (new / "README.md").read_bytes()
