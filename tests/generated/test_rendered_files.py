"""The files of every combination are clean before any tool looks at their language."""

import configparser
import filecmp
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

from .answers import Combination, combinations
from .checklist import verdict
from .rendering import Service


def without_answers(text: str, service: Service) -> str:
    """The template's own part of a text: people may answer what looks like Jinja."""
    for answer in sorted(map(str, service.answers.values()), key=len, reverse=True):
        if "{" in answer:
            for spelling in (answer, json.dumps(answer, ensure_ascii=False)[1:-1]):
                text = text.replace(spelling, "")
    return text


def without_legends(text: str, path: str) -> str:
    """A dashboard names what it draws by the labels of a metric."""
    return re.sub(r"\{\{\w+\}\}", "", text) if path == "ops/dashboard.json" else text


def test_a_second_rendering_is_the_same_to_the_byte(
    combination: Combination, service: Service, rendered: Callable[..., Service]
) -> None:
    again = rendered(**combination.answers)
    names = [path.relative_to(service.folder) for path in service.files()]
    assert names == [path.relative_to(again.folder) for path in again.files()]
    _, differ, failed = filecmp.cmpfiles(service.folder, again.folder, names, shallow=False)
    assert (differ, failed) == ([], [])


def test_no_jinja_is_left_in_a_text_or_a_name(service: Service) -> None:
    left = {
        path: found
        for path, text in service.texts().items()
        # `${{ … }}` is the language of GitHub's workflows, `{{ $value }}` of Prometheus and
        # `{{status}}` of Grafana.
        if (
            found := re.findall(
                r"(?<!\$)\{\{(?! \$\w)|\{%|\{#|\.jinja\b",
                path + without_legends(without_answers(text, service), path),
            )
        )
        and path != ".copier-answers.yml"
    }
    assert left == {}


def test_no_file_and_no_folder_is_empty(service: Service) -> None:
    assert [path for path in service.files() if not path.read_text("utf-8").strip()] == []
    folders = (path for path in service.folder.rglob("*") if path.is_dir())
    assert [path for path in folders if not any(path.iterdir())] == []


def test_lines_end_where_they_should(service: Service) -> None:
    for path, text in service.texts().items():
        assert "\r" not in text, path
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert re.findall(r".*[ \t]$", text, re.MULTILINE) == [], path


def test_no_two_empty_lines_follow_each_other_in_prose(service: Service) -> None:
    """A branch of the template that was not taken leaves no hole."""
    for path, text in service.texts("*.md", "*.toml", "*.y*ml", "Makefile", "Dockerfile").items():
        prose = re.sub(r"^```python\n.*?^```$", "code", text, flags=re.MULTILINE | re.DOTALL)
        assert "\n\n\n" not in prose, path


PARSERS: dict[str, Callable[[str], object]] = {
    "*.yml": lambda text: list(yaml.safe_load_all(text)),
    "*.yaml": lambda text: list(yaml.safe_load_all(text)),
    "*.toml": tomllib.loads,
    "*.json": json.loads,
    "*.ini": lambda text: configparser.RawConfigParser().read_string(text),
}


def test_data_can_be_read(service: Service) -> None:
    for pattern, parse in PARSERS.items():
        for path, text in service.texts(pattern).items():
            assert parse(text) != [None], path


def test_answers_reach_the_metadata_unharmed(service: Service) -> None:
    project = tomllib.loads(service.texts("pyproject.toml")["pyproject.toml"])["project"]
    assert project["name"] == service.answers["service_name"]
    assert project["description"] == service.answers["description"]


def test_answers_reach_the_documents_unharmed(service: Service) -> None:
    documents = service.texts("*.md")
    for question, document in (
        ("description", "README.md"),
        ("team", "README.md"),
        ("chat", "README.md"),
        ("chat", "RUNBOOK.md"),
        ("paging", "RUNBOOK.md"),
    ):
        assert service.answers[question] in documents[document]


# What the services of other answers are about, by question and answer.
def traces(rows: list[Combination]) -> dict[str, dict[str, str]]:
    nouns = {str(row.answers.get("module", "payment")) for row in rows}
    return {
        "service_name": {
            name: rf"\b{name.replace('-', '[-_]')}\b"
            for name in {str(row.answers["service_name"]) for row in rows}
        },
        "module": {
            noun: rf"(?<![a-z]){noun.removesuffix('y').replace('_', '[-_ ]?')}(y|ies|s)?(?![a-z])"
            for noun in nouns
        },
        "deployment": {
            "kubernetes": r"kube|kustom|init container",
            "compose": r"compose\b",
        },
        "team": {"@acme/ledger": r"\bledger\b"},
    }


def test_nothing_tells_of_another_combination(
    template: Path, combination: Combination, service: Service
) -> None:
    for question, answers in traces(combinations(template)).items():
        for answer, trace in answers.items():
            if answer != service.answers[question]:
                told = {
                    f"{path}: {line.strip()}"
                    for path, text in service.texts().items()
                    if path != ".copier-answers.yml"
                    for line in (path, *text.splitlines())
                    if re.search(trace, line, re.IGNORECASE)
                }
                assert told == set(), answer


def test_the_checklist_holds_but_for_what_needs_a_person(service: Service) -> None:
    assert verdict.found(service) == verdict.expected(service)
