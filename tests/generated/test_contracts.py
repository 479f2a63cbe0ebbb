"""A service's promises to its clients: versions, the frozen contract, and nothing for the hostile.

What lies in `contracts/` and `fuzz/` runs inside the service, with the service's own tools.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from .cases import lay_over, run_cases
from .machine import run
from .rendering import Service

HERE = Path(__file__).parent
CASES = HERE / "contracts"
# A few inputs of each operation; `make bench only=fuzz` goes on for ten minutes.
SHORT = ("--max-examples=5", "--phases=examples,coverage,stateful")


@pytest.fixture(scope="module")
def promising(installed: Callable[..., Service], env: Mapping[str, str]) -> Service:
    """The default service, installed, with its contract."""
    service = installed()
    run("make", "--silent", "contract", "accept=1", cwd=service.folder, env=env)
    return service


@pytest.fixture
def copied(promising: Service) -> Iterator[Service]:
    """The same, free to be changed: it is whole again afterwards."""
    kept = promising.folder.with_name("kept")
    for part in ("src", "openapi"):
        shutil.copytree(promising.folder / part, kept / part)
    yield promising
    for part in ("src", "openapi"):
        shutil.rmtree(promising.folder / part)
        shutil.move(kept / part, promising.folder / part)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def contract(service: Service, env: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """How `make contract` ends, and what it says."""
    done = subprocess.run(
        ["make", "--silent", "contract", *arguments],
        cwd=service.folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_would_break_clients_is_refused_in_words(
    copied: Service, env: Mapping[str, str]
) -> None:
    """And can't be accepted: what is promised stays as it is."""
    before = (copied.folder / "openapi" / "v1.json").read_bytes()
    payments = copied.folder / "src" / "orders" / "modules" / "payments"
    replace(payments / "schemas.py", "    currency: Currency\n    created_at", "    created_at")
    replace(
        payments / "schemas.py",
        "    amount: Amount\n    currency",
        "    amount: Amount\n    memo: str\n    currency",
    )
    replace(
        payments / "routes.py",
        '@router.delete(\n    "/{public_id}"',
        '@router.delete(\n    "/{public_id}/now"',
    )
    code, said = contract(copied, env, "accept=1")
    assert code == 2
    for sentence in (
        "v1: DELETE /api/v1/payments/{public_id} is gone",
        "v1: POST /api/v1/payments: the body.memo is new and required",
        "v1: GET /api/v1/payments: the 200 answer.items[].currency is gone",
        "serve the change in the next version, from a routes_v2.py",
    ):
        assert sentence in said
    assert (copied.folder / "openapi" / "v1.json").read_bytes() == before


def test_what_is_added_wants_one_command(copied: Service, env: Mapping[str, str]) -> None:
    payments = copied.folder / "src" / "orders" / "modules" / "payments"
    replace(
        payments / "schemas.py", "    created_at", "    memo: str | None = None\n    created_at"
    )
    for module in ("parcels", "letters"):
        shutil.copytree(CASES / module, payments.parent / module)
    code, said = contract(copied, env)
    assert code == 2
    for sentence in (
        "v1: GET /api/v1/payments takes or answers more",
        "v1: GET /api/v1/parcels is new",
        "v2 is not frozen: there is no openapi/v2.json",
        "make contract accept=1, then commit openapi/",
    ):
        assert sentence in said
    assert "restore takes" in said
    assert "DELETE" not in said
    assert contract(copied, env, "accept=1")[0] == 0
    assert contract(copied, env) == (0, "")


def test_a_contract_that_is_lost_is_missed(copied: Service, env: Mapping[str, str]) -> None:
    """A gate that was taken away must not stand open."""
    (copied.folder / "openapi" / "v1.json").unlink()
    code, said = contract(copied, env)
    assert code == 2
    assert "v1 is not frozen" in said


def test_versions_live_side_by_side_and_the_hostile_get_nothing(
    copied: Service, env: Mapping[str, str]
) -> None:
    lay_over(copied, "contracts")
    run_cases(copied, "contracts", env)


def test_schemathesis_finds_nothing(promising: Service, env: Mapping[str, str]) -> None:
    shutil.copytree(HERE / "fuzz", promising.folder / "tests" / "fuzz")
    siege = ["-m", "tests.fuzz.siege", *SHORT]
    said = run(".venv/bin/python", *siege, cwd=promising.folder, env=env)
    assert "Tested: 6" in said
    assert re.search(r"\d+ generated, \d+ passed", said)
