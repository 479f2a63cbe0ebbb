"""What may be answered, and what is made of it. Copier validates `data`, as `roadbed new` gives it."""

import ast
import keyword
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from .answers import AWKWARD, computed
from .rendering import Service
from .toolbox import Toolbox

Ask = Callable[..., dict[str, Any]]

PACKAGE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NOUN = re.compile(r"[a-z]+(_[a-z]+)*")


@pytest.fixture
def ask(template: Path, tmp_path: Path) -> Ask:
    """Answers the questions of a template without files; returns what is computed from them too."""
    asking = tmp_path / "asking"
    (asking / "template").mkdir(parents=True)
    shutil.copy(template / "copier.yml", asking)

    def answers(**data: str) -> dict[str, Any]:
        given = {"service_name": "orders"} | data
        worker = copier.run_copy(
            str(asking), tmp_path / "asked", data=given, defaults=True, quiet=True
        )
        return dict(worker.answers.combined)

    return answers


@pytest.mark.parametrize("name", ["orders", "q4", "customer-invoice-api", "a-1", "x2y"])
def test_a_good_name_is_taken(ask: Ask, name: str) -> None:
    answers = ask(service_name=name)
    assert answers["service_name"] == name
    assert answers["package_name"].isidentifier()


@pytest.mark.parametrize(
    "name",
    [
        *("", "a", "a" * 21, "1x", "Orders", "ORDERS", "-orders", "orders-", "a--b", "my_service"),
        *("my service", "orders\n", "\norders", "orders/api", "../orders", "órders", "a.b", "a:b"),
        *("json", "class", "fastapi", "kit", "tests", "main", "importlinter", "import-linter"),
        *("no", "on", "yes", "off", "true", "false", "null"),
        *("postgres", "template0", "template1"),
    ],
)
def test_a_bad_name_is_refused(ask: Ask, name: str) -> None:
    with pytest.raises(ValueError, match="service_name"):
        ask(service_name=name)


@pytest.mark.parametrize(
    ("noun", "plural", "class_name", "path"),
    [
        ("payment", "payments", "Payment", "payments"),
        ("fee", "fees", "Fee", "fees"),
        ("category", "categories", "Category", "categories"),
        ("day", "days", "Day", "days"),
        ("box", "boxes", "Box", "boxes"),
        ("address", "addresses", "Address", "addresses"),
        ("batch", "batches", "Batch", "batches"),
        ("line_item", "line_items", "LineItem", "line-items"),
        ("tax_category", "tax_categories", "TaxCategory", "tax-categories"),
        (
            "subscription_renewal",
            "subscription_renewals",
            "SubscriptionRenewal",
            "subscription-renewals",
        ),
    ],
)
def test_a_noun_has_a_plural_a_class_and_a_path(
    ask: Ask, noun: str, plural: str, class_name: str, path: str
) -> None:
    answers = ask(module=noun)
    assert answers["module_plural"] == plural
    assert answers["module_class"] == class_name
    assert answers["module_path"] == path
    assert answers["module_label"] == noun.replace("_", " ")
    assert (
        answers["description"]
        == f"Keeps {answers['module_label_plural']} and serves them over HTTP."
    )


@pytest.mark.parametrize(
    "noun",
    [
        *("", "ab", "a" * 21, "Payment", "line-item", "line item", "line__item", "_item", "item_"),
        *("payment2", "payment\n", "paymént", "class", "match", "list", "module", "session"),
    ],
)
def test_a_bad_noun_is_refused(ask: Ask, noun: str) -> None:
    with pytest.raises(ValueError, match="module"):
        ask(module=noun)


LONGEST = {"description": 120, "team": 80, "chat": 200, "paging": 200}


@pytest.mark.parametrize("question", LONGEST)
def test_a_text_may_hold_anything_up_to_its_length(ask: Ask, question: str) -> None:
    text = AWKWARD.ljust(LONGEST[question], "…")[: LONGEST[question]]
    assert ask(**{question: text})[question] == text


@pytest.mark.parametrize("question", LONGEST)
@pytest.mark.parametrize("text", ["one\ntwo", "one\n", "delete\x7f"])
def test_a_text_is_one_line(ask: Ask, question: str, text: str) -> None:
    with pytest.raises(ValueError, match=question):
        ask(**{question: text})


@pytest.mark.parametrize("question", LONGEST)
def test_a_text_is_not_too_long(ask: Ask, question: str) -> None:
    with pytest.raises(ValueError, match=question):
        ask(**{question: "a" * (LONGEST[question] + 1)})


@pytest.mark.parametrize("text", ["", "   "])
def test_a_description_says_something(ask: Ask, text: str) -> None:
    with pytest.raises(ValueError, match="description"):
        ask(description=text)


def test_only_what_is_offered_can_be_chosen(ask: Ask) -> None:
    with pytest.raises(ValueError, match="deployment"):
        ask(deployment="elsewhere")


@pytest.mark.parametrize("name", ["taken_package_names", "taken_nouns"])
def test_the_lists_of_taken_words_hold_words_in_order(template: Path, name: str) -> None:
    words = computed(template, name)
    assert all(isinstance(word, str) for word in words), "YAML reads on, no and null as no words"
    assert words == sorted(set(words))


def test_no_service_takes_a_package_name_of_python(template: Path) -> None:
    names = {*sys.stdlib_module_names, *keyword.kwlist, *keyword.softkwlist}
    assert could_be_services(names) <= set(computed(template, "taken_package_names"))


def test_no_service_takes_the_name_of_what_it_installs(template: Path, toolbox: Toolbox) -> None:
    """Neither as it is imported nor as it is published: a project cannot depend on itself."""
    script = (
        "from importlib.metadata import packages_distributions as found; "
        "print(*found(), *{name.lower() for names in found().values() for name in names})"
    )
    python = toolbox.folder / ".venv" / "bin" / "python"
    names = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    installed = {name.replace("-", "_").replace(".", "_") for name in names.stdout.split()}
    assert {"fastapi", "import_linter"} <= installed
    assert could_be_services(installed) <= set(computed(template, "taken_package_names"))


def test_no_service_takes_the_name_of_one_of_its_own_folders(
    template: Path, default_service: Service
) -> None:
    service = default_service
    package = service.folder / "src" / service.package
    rooms = {path.stem for path in [*service.folder.iterdir(), *package.iterdir()]}
    rooms -= {service.package}
    packages = {room for room in rooms if list(service.folder.glob(f"**/{room}/*.py"))}
    assert {"kit", "dev", "tests"} <= packages
    assert could_be_services(packages) <= set(computed(template, "taken_package_names"))


def test_no_service_takes_a_name_that_yaml_reads_as_something_else(template: Path) -> None:
    words = ["no", "on", "yes", "off", "true", "false", "null", "none"]
    misread = {word for word in words if yaml.safe_load(word) != word}
    assert could_be_services(misread) <= set(computed(template, "taken_package_names"))


def test_no_noun_is_a_word_of_python(template: Path) -> None:
    # Python's `site` adds exit(), license() and others for people at the prompt.
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "print(*dir(__builtins__))"],
        check=True,
        capture_output=True,
        text=True,
    )
    words = {*keyword.kwlist, *keyword.softkwlist, *shown.stdout.split()}
    words |= {word.lower() for word in keyword.kwlist}  # of `none` the class would be `None`
    assert {"list", "match", "class"} <= words
    assert could_be_nouns(words) <= set(computed(template, "taken_nouns"))


def test_no_noun_is_a_name_of_the_module_that_it_names(
    template: Path, default_service: Service
) -> None:
    """A class `Index` would hide SQLAlchemy's in the file that defines it."""
    service = default_service
    files = [bound(ast.parse(text)) for text in service.texts("modules/payments/*.py").values()]
    names = {name for file in files if "Payment" in file for name in file}
    names = {name for name in names if "payment" not in name.lower()}
    assert {"Index", "Reading", "Calling"} <= names
    nouns = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names}
    hidden = {noun for noun in nouns if "".join(map(str.capitalize, noun.split("_"))) in names}
    assert could_be_nouns(hidden) <= set(computed(template, "taken_nouns"))


def bound(tree: ast.Module) -> set[str]:
    """The names that a file has after it is imported."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names


def could_be_services(names: set[str]) -> set[str]:
    return {name for name in names if PACKAGE.fullmatch(name) and 2 <= len(name) <= 20}


def could_be_nouns(names: set[str]) -> set[str]:
    return {name for name in names if NOUN.fullmatch(name) and 3 <= len(name) <= 20}
