"""The harness of the benchmarks: what holds, what is missed, and what README says of it."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import jinja2
import pytest

from bench import __main__ as program
from bench import chart, new, peers, readme, results
from bench.results import Figure, Goal, Result

CHECKOUT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("goal", "holds"),
    [
        (Goal("x", 1.2, 1.1, 1.3, 1.25), True),
        (Goal("missed by less than the spread", 1.3, 1.2, 1.4, 1.25), True),
        (Goal("missed", 1.4, 1.3, 1.5, 1.25), False),
        (Goal("x", 2.4, 2.2, 2.6, 2, at_most=False), True),
        (Goal("missed by less than the spread", 1.9, 1.8, 2.0, 2, at_most=False), True),
        (Goal("missed", 1.8, 1.7, 1.9, 2, at_most=False), False),
        (results.guard("a limit has no spread", [1.0, 1.2, 1.2, 1.3], 1.25), True),
        (results.guard("missed", [1.0, 1.3, 1.3, 1.3], 1.25), False),
        (results.none("x", 0), True),
        (results.none("x", 1), False),
    ],
)
def test_a_goal_is_missed_when_it_is_missed_by_more_than_the_spread(
    goal: Goal, holds: bool
) -> None:
    assert goal.holds is holds
    assert goal.words[-1] == ("holds" if holds else "MISSED")


def test_a_ratio_is_of_neighbouring_runs() -> None:
    """A machine that gets slower in the middle slows both, and no ratio."""
    goal = results.times("x", [1, 1, 3, 3, 3], [2, 2, 6, 6, 6], 1)
    assert (goal.value, goal.low, goal.high) == (0.5, 0.5, 0.5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results go there, and into a README there."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(readme, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(readme, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text(f"Fast.\n{readme.BEGIN}old\n{readme.END}Bye.\n")
    return tmp_path


def test_what_is_run_is_kept_beside_what_ran_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fast = Result("fast", "s", [Figure("a", 1, 0.9, 1.1)], [Goal("is fast:", 1, 0.9, 1.1, 2)])
    slow = Result("slow", goals=[Goal("is slow:", 3, 2.9, 3.1, 2)])
    monkeypatch.setattr(program, "BENCHMARKS", {"fast": lambda: fast, "slow": lambda: slow})
    assert program.main(["fast"]) == 0
    assert program.main(["slow"]) == 1
    assert program.main(["nothing"]) == 2
    assert "| slow | is slow: ≤ 2 x | 3 x | 2.9 to 3.1 | MISSED |" in capsys.readouterr().out
    (file,) = (folder / "results").glob("*.json")
    assert json.loads(file.read_text())["results"].keys() == {"fast", "slow"}
    said = (folder / "README.md").read_text()
    assert "| fast | is fast: ≤ 2 x | 1 x | 0.9 to 1.1 | holds |" in said
    assert "| slow | is slow: ≤ 2 x | 3 x | 2.9 to 3.1 | MISSED |" in said
    assert f"{file.stem}-fast.svg" in said
    assert said.startswith("Fast.")
    assert said.endswith("Bye.\n")


def test_a_benchmark_that_fails_does_not_stop_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmarks = {"broken": lambda: 1 / 0, "fast": lambda: Result("fast")}
    monkeypatch.setattr(program, "BENCHMARKS", benchmarks)
    assert program.main([]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert said.endswith("Did not come to an end: broken\n")
    (file,) = (folder / "results").glob("*.json")
    assert json.loads(file.read_text())["results"].keys() == {"fast"}


def test_a_profile_stands_beside_the_results_and_names_no_folder_of_this_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = (
        "0.2 read  /opt/x/lib/python3/site-packages/orders/kit/base.py:12\n0.1 <module>  /a/b\n"
    )
    slow = Result("slow", profile=profile, failed={"a-rival==1": "no such version"})
    plain = Result("plain", "s", [Figure("a", 1, 1, 1)])
    monkeypatch.setattr(program, "BENCHMARKS", {"slow": lambda: slow, "plain": lambda: plain})
    assert program.main([]) == 0
    (text,) = (folder / "results").glob("*.profile.txt")
    assert text.read_text() == "0.2 read  …/kit/base.py:12\n0.1 <module>  …/b\n"
    said = (folder / "README.md").read_text()
    assert f"Where the time goes: [slow](bench/results/{text.name})." in said
    assert "Of the rivals in `slow`, a-rival==1 does not run: `no such version`" in said
    (file,) = (folder / "results").glob("*.json")
    _, (again, _) = results.read(file)
    assert again.failed == slow.failed


def test_a_rival_that_does_not_install_is_told_and_not_fatal(tmp_path: Path) -> None:
    failed = peers.install(Path(sys.executable), [f"{tmp_path}/gone.whl"], into=tmp_path / "into")
    (words,) = failed.values()
    assert "gone.whl" in words
    assert str(tmp_path) not in words


@pytest.mark.parametrize(
    "text",
    ["import orders.kit", "${{ secrets.x }} of orders", "{% if a %}{# b #}", "{{ orders }}"],
)
def test_cookiecutter_has_a_template_of_the_same_files(text: str) -> None:
    template = jinja2.Template(new.templated(text.encode()).decode())
    assert template.render(cookiecutter={"name": "orders"}) == text
    assert "orders" not in new.templated(text.encode()).decode()


def test_a_chart_is_a_picture_of_every_figure() -> None:
    drawn = chart.draw("a <b>", "s", [Figure("x & y", 1, 0.9, 1.1), Figure("z", 3, 2, 4)])
    root = ET.fromstring(drawn)  # noqa: S314 it was made here
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a <b>, s", "x & y", "1", "z", "3"]
    ours, theirs = (
        float(rect.attrib["width"])
        for rect in list(root.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    )
    assert theirs == pytest.approx(3 * ours, rel=0.01)


def test_readme_says_what_the_newest_results_say() -> None:
    text = (CHECKOUT / "README.md").read_text("utf-8")
    assert readme.written(text, readme.section(readme.newest())) == text
    assert all((CHECKOUT / link).exists() for link in _links(text))


def _links(text: str) -> list[str]:
    return [part.split(")")[0] for part in text.split("](")[1:] if part.startswith("bench/")]
