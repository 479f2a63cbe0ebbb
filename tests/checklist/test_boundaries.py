"""RB6: owners, contracts between modules, and the contract with callers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from checked import TODAY, ask, openapi, state
from histories import build_file_tree

from roadbed.checklist import application, catalogue, checking, configuration
from roadbed.checklist.evidence import State
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path

MODULES = {
    "src/orders/__init__.py": "",
    "src/orders/kit/__init__.py": "",
    "src/orders/modules/__init__.py": "",
    "src/orders/modules/payments/__init__.py": "",
    "src/orders/modules/refunds/__init__.py": "",
}


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ("/src/orders/modules/ @acme/pay\n", State.PASS),
        ("src/orders/modules/* @acme/pay\n", State.PASS),
        ("/src/orders/modules/** ann@acme.io\n", State.PASS),
        ("* @acme/all\npayments/ @acme/pay\nrefunds/ @ann # who knows it\n", State.PASS),
        ("/src/orders/modules/payments/ @acme/pay\n/src/**/refunds @acme/re\n", State.PASS),
        ("* @acme/all\n", State.WARN),
        ("* @acme/all\n/src/orders/modules/refunds/\n", State.FAIL),
        ("/src/orders/modules/payments/ @acme/pay\n", State.FAIL),
        ("/src/orders/modules/ The payments team\n", State.FAIL),
        ("# nobody yet\n", State.FAIL),
        ("/src/orders/mod @acme/pay\n", State.FAIL),
        (None, State.FAIL),
    ],
)
def test_owners(tmp_path: Path, owners: str | None, expected: State) -> None:
    files = MODULES | ({".github/CODEOWNERS": owners} if owners else {})
    assert state(tmp_path, files, "unowned-module") is expected


@pytest.mark.parametrize(
    "files",
    [
        {"app/__init__.py": "", "CODEOWNERS": "* @ann\n"},
        {"src/app/__init__.py": "", "docs/CODEOWNERS": "/src/app @ann\n"},
        {"app/__init__.py": "", "tests/__init__.py": "", "CODEOWNERS": "/app/ @ann\n"},
    ],
)
def test_a_service_of_one_package_may_have_one_owner(tmp_path: Path, files: dict[str, str]) -> None:
    assert state(tmp_path, files, "RB601") is State.PASS


def test_without_a_package_there_is_nothing_to_own(tmp_path: Path) -> None:
    for name in ("RB601", "RB602"):
        assert state(tmp_path, {"main.py": "x = 1\n", "CODEOWNERS": ""}, name) is State.NA


# RB602 ----------------------------------------------------------------------------------------

CONTRACT = '[[tool.importlinter.contracts]]\nname = "x"\ntype = "layers"\n'


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"pyproject.toml": f"[tool.importlinter]\nroot_package = 'orders'\n{CONTRACT}"},
            State.PASS,
        ),
        ({".importlinter": "[importlinter]\n[importlinter:contract:1]\nname=x\n"}, State.PASS),
        ({"setup.cfg": "[importlinter]\n[importlinter:contract:1]\nname=x\n"}, State.PASS),
        ({"tach.toml": "[[modules]]\npath = 'orders'\n"}, State.PASS),
        ({"pyproject.toml": "[tool.importlinter]\nroot_package = 'orders'\n"}, State.FAIL),
        ({"pyproject.toml": "# [tool.importlinter]\n"}, State.FAIL),
        ({"setup.cfg": "[isort]\n"}, State.FAIL),
        ({}, State.FAIL),
    ],
)
def test_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: State
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))  # without import-linter
    assert state(tmp_path, MODULES | files, "no-module-boundary") is expected


LINTER = f"""\
    #!{sys.executable}
    import sys
    sys.path.insert(0, "src")
    from importlinter.cli import lint_imports_command
    lint_imports_command()
"""
SETUP = """
    [tool.importlinter]
    root_package = "orders"
    [[tool.importlinter.contracts]]
    name = "The kit names no module"
    type = "layers"
    layers = ["orders.modules", "orders.kit"]
"""


def test_import_linter_has_the_word_where_it_is_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This repository's own import-linter, which finds a service's packages in src/."""
    build_file_tree(tmp_path, {"bin/lint-imports": LINTER})
    (tmp_path / "bin/lint-imports").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    root, files = tmp_path / "orders", MODULES | {"pyproject.toml": SETUP}
    kept = ask(root, files, "RB602")
    assert kept.evidence[-1].message == "import-linter finds no import that breaks them"
    kit = {"src/orders/kit/__init__.py": "from orders.modules import payments\n"}
    broken = ask(root, files | kit, "RB602")
    assert broken.state is State.FAIL
    assert "The kit names no module BROKEN" in broken.evidence[0].message
    assert not (root / ".import_linter_cache").exists()


def test_an_import_linter_without_the_service_has_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of another environment on PATH; a package that nobody has is a finding all the same."""
    build_file_tree(tmp_path, {"bin/lint-imports": LINTER.replace('sys.path.insert(0, "src")', "")})
    (tmp_path / "bin/lint-imports").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    root = tmp_path / "orders"
    untried = ask(root, MODULES | {"pyproject.toml": SETUP}, "RB602")
    assert untried.state is State.PASS
    assert "an environment without this service" in untried.evidence[-1].message
    wrong = SETUP.replace('root_package = "orders"', 'root_package = "nobody"')
    assert ask(root, MODULES | {"pyproject.toml": wrong}, "RB602").state is State.FAIL


def test_nothing_in_the_services_folder_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its virtual environment, nor contract types that import-linter would import."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'nowhere'}")
    trap = "#!/bin/sh\ntouch ran\n"
    files = MODULES | {"pyproject.toml": SETUP, ".venv/bin/lint-imports": trap, "promtool": trap}
    build_file_tree(tmp_path, files)
    for name in (".venv/bin/lint-imports", "promtool"):
        (tmp_path / name).chmod(0o755)
    assert state(tmp_path, files, "RB602") is State.PASS
    build_file_tree(tmp_path, {"bin/lint-imports": trap})
    (tmp_path / "bin/lint-imports").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    own = SETUP + '    contract_types = ["mine: orders.contracts.Mine"]\n'
    assert state(tmp_path, files | {"pyproject.toml": own}, "RB602") is State.PASS
    assert not (tmp_path / "ran").exists()


# RB603 ----------------------------------------------------------------------------------------

DOCUMENT = openapi({"/api/v1/things": {"get": {}}})
APP = """
    class App:
        def openapi(self):
            return {"openapi": "3.1.0", "info": {}, "paths": {"/api/v1/things": {"get": %s}}}
    def create_app():
        return App()
    app = App()
"""


def compared(root: Path, files: dict[str, str], name: str) -> checking.Result:
    ask(root, files, "RB603")  # writes them
    app = application.imported(root, name)
    rules = catalogue.select(["RB603"], [])
    report = checking.check(root, rules, configuration.Configuration(), TODAY, app)
    return report.results[0]


def test_a_committed_document_is_a_promise(tmp_path: Path) -> None:
    result = ask(tmp_path, {"openapi/v1.json": DOCUMENT}, "openapi-drift")
    assert [each.state for each in result.evidence] == [State.PASS, State.NA]
    assert "--import-app" in result.evidence[1].message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from fastapi import FastAPI\n", State.UNKNOWN),
        ("from flask import Flask\n", State.UNKNOWN),
        ("x = 1\n", State.NA),
    ],
)
def test_without_a_document(tmp_path: Path, source: str, expected: State) -> None:
    assert state(tmp_path, {"src/app/main.py": source}, "RB603") is expected


@pytest.mark.parametrize("name", ["orders.main:app", "orders.main:create_app"])
def test_the_application_serves_what_is_promised(tmp_path: Path, name: str) -> None:
    files = {"openapi/v1.json": DOCUMENT, "src/orders/main.py": APP % "{}"}
    assert compared(tmp_path, files, name).state is State.PASS
    files["src/orders/main.py"] = APP % "{'deprecated': True}"
    drifted = compared(tmp_path, files, name)
    assert drifted.state is State.FAIL
    assert "“paths / /api/v1/things / get / deprecated” is served and not promised" in (
        drifted.evidence[0].message
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("orders", "“orders” names no application."),
        ("orders.main:app; import os", "names no application."),
        ("orders.gone:app", "ModuleNotFoundError: No module named 'orders.gone'"),
        ("orders.main:gone", "AttributeError"),
        ("orders.unset:app", "ValueError: 1 error for Settings database_url Field required."),
        ("orders.broken:app", "gave no OpenAPI document: RuntimeError: no settings"),
    ],
)
def test_an_application_that_gives_none(tmp_path: Path, name: str, sentence: str) -> None:
    files = {
        "src/orders/main.py": APP % "{}",
        "src/orders/unset.py": "raise ValueError('1 error for Settings\\ndatabase_url\\n  Field required')",
        "src/orders/broken.py": "raise RuntimeError('no settings')\n",
    }
    build_file_tree(tmp_path, files)
    with pytest.raises(RoadbedError) as raised:
        application.imported(tmp_path, name)
    assert sentence in str(raised.value)


def test_an_application_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "PATIENCE", 0.5)
    build_file_tree(tmp_path, {"slow.py": "import time\ntime.sleep(60)\n"})
    with pytest.raises(RoadbedError, match=r"gave no OpenAPI document in 0\.5 s"):
        application.imported(tmp_path, "slow:app")
