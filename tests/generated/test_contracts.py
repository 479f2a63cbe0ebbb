"""A service's promises to its clients: versions, the frozen contract, and nothing for the hostile.

What lies in `contracts/` and `fuzz/` runs inside the service, with the service's own tools.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .machine import run
from .rendering import Service

HERE = Path(__file__).parent
CASES = HERE / "contracts"
# Here pytest must not take them for this repository's.
NAMES = {"fixtures.py": "conftest.py"} | {
    f"{name}.py": f"test_{name}.py" for name in ("hostile", "versions")
}
FUZZ_SECONDS = 10  # `make bench only=fuzz` takes ten minutes


@pytest.fixture(scope="module")
def promising(rendered: Callable[..., Service], env: Mapping[str, str]) -> Iterator[Path]:
    """The default service, installed, with its contract."""
    # Not in the folder of temporary folders, which is closed to the user that PostgreSQL runs as.
    with TemporaryDirectory(prefix="services-") as home:
        folder = Path(home) / "orders"
        shutil.copytree(rendered().folder, folder)
        Path(home).chmod(0o755)
        run("uv", "lock", "--quiet", cwd=folder, env=env)
        run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
        run("make", "--silent", "contract", "accept=1", cwd=folder, env=env)
        yield folder


@pytest.fixture
def copied(promising: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """The same, free to be changed."""
    kept = promising.with_name("kept")
    shutil.copytree(promising / "src", kept)
    contract = (promising / "openapi" / "v1.json").read_text()
    yield promising
    shutil.rmtree(promising / "src")
    shutil.move(kept, promising / "src")
    shutil.rmtree(promising / "openapi")
    (promising / "openapi").mkdir()
    (promising / "openapi" / "v1.json").write_text(contract)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def contract(folder: Path, env: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """How `make contract` ends, and what it says."""
    done = subprocess.run(
        ["make", "--silent", "contract", *arguments],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_would_break_clients_is_refused_in_words(copied: Path, env: Mapping[str, str]) -> None:
    """Accepted or not: what is promised stays as it is."""
    before = (copied / "openapi" / "v1.json").read_bytes()
    payments = copied / "src" / "orders" / "modules" / "payments"
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
    for arguments in ((), ("accept=1",)):
        code, said = contract(copied, env, *arguments)
        assert code == 2
        for sentence in (
            "v1: DELETE /api/v1/payments/{public_id} is gone",
            "v1: POST /api/v1/payments: the body.memo is new and required",
            "v1: GET /api/v1/payments: the 200 answer.items[].currency is gone",
            "serve the change in the next version, from a routes_v2.py",
        ):
            assert sentence in said
        assert (copied / "openapi" / "v1.json").read_bytes() == before


def test_what_is_added_wants_one_command(copied: Path, env: Mapping[str, str]) -> None:
    payments = copied / "src" / "orders" / "modules" / "payments"
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


def test_a_contract_that_is_lost_is_missed(copied: Path, env: Mapping[str, str]) -> None:
    """A gate that was taken away must not stand open."""
    (copied / "openapi" / "v1.json").unlink()
    code, said = contract(copied, env)
    assert code == 2
    assert "v1 is not frozen" in said


def test_versions_live_side_by_side_and_the_hostile_get_nothing(
    copied: Path, env: Mapping[str, str]
) -> None:
    inside = copied / "tests" / "contracts"
    inside.mkdir()
    (inside / "__init__.py").touch()
    for file in CASES.glob("*.py"):
        shutil.copy(file, inside / NAMES[file.name])
    for module in ("parcels", "letters"):
        shutil.copytree(CASES / module, copied / "src" / "orders" / "modules" / module)
    run(".venv/bin/python", "-m", "pytest", "--quiet", "tests/contracts", cwd=copied, env=env)


def test_schemathesis_finds_nothing(promising: Path, env: Mapping[str, str]) -> None:
    shutil.copytree(HERE / "fuzz", promising / "tests" / "fuzz")
    siege = ["-m", "tests.fuzz.siege", str(FUZZ_SECONDS)]
    said = run(".venv/bin/python", *siege, cwd=promising, env=env)
    assert "Tested: 6" in said
    assert re.search(r"\d+ generated, \d+ passed", said)
