"""What the tests of generated services share: the template as it lies here, services, a machine."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pytest_copie.plugin import Copie

from . import machine
from .answers import Combination, combinations
from .everyday import Home
from .rendering import Service, keep, render, taken_from
from .toolbox import Toolbox, copied, install, once


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that takes a `combination` runs for all of them."""
    if "combination" in metafunc.fixturenames:
        rows = combinations(Path(metafunc.config.getoption("template")))
        metafunc.parametrize("combination", rows, ids=map(str, rows), scope="session")


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, everyone: Path) -> Path:
    """A copy of the template as it lies in the work tree, committed or not, and without git.

    Nobody who edits a file while the tests run changes what they see.
    """
    source = Path(request.config.getoption("template"))
    folder = everyone / "as-it-lies"

    def copy() -> None:
        shutil.copytree(source / "template", folder / "template")
        shutil.copy(source / "copier.yml", folder)

    return once(folder, copy)


@pytest.fixture(scope="session")
def rendered(copie_session: Copie, template: Path) -> Callable[..., Service]:
    """Renders the service of some answers, anew in each call."""

    def with_answers(**answers: str | bool) -> Service:
        return render(copie_session, template, {"service_name": "orders", **answers})

    return with_answers


@pytest.fixture(scope="session")
def service(
    combination: Combination,
    rendered: Callable[..., Service],
    everyone: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Service:
    """The service of a combination, rendered once for all processes; the folder is this one's own."""
    kept = everyone / "combinations" / str(combination)
    kept.parent.mkdir(exist_ok=True)
    once(kept, lambda: keep(rendered(**combination.answers), kept))
    return taken_from(kept, tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="session")
def default_service(rendered: Callable[..., Service]) -> Service:
    """The service of the default answers."""
    return rendered()


@pytest.fixture(scope="session")
def largest_service(rendered: Callable[..., Service]) -> Service:
    """The service that installs most."""
    return rendered(oidc=True, redis=True, tracing=True)


@pytest.fixture(scope="session")
def everyone(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of this run that all of its processes share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a developer who has uv."""
    folder = tmp_path_factory.mktemp("developer")
    (folder / "home").mkdir()
    path = machine.path_with_uv(folder / "bin")
    return machine.environment(folder / "home", path=path) | {"UV_PYTHON": sys.executable}


@pytest.fixture(scope="session")
def fresh_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine that never saw Python's tools: uv comes from the index."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "home").mkdir()
    path = machine.path_without_uv(folder / "bin")
    assert shutil.which("uv", path=path) is None
    return machine.environment(folder / "home", path=path)


@pytest.fixture(scope="session")
def toolbox(everyone: Path, env: dict[str, str], largest_service: Service) -> Toolbox:
    """The tools of a service, installed once for all combinations and processes."""
    folder = everyone / "toolbox"
    return Toolbox(once(folder, lambda: install(largest_service, folder, env)), env)


@pytest.fixture(scope="session")
def types_cache(
    everyone: Path,
    toolbox: Toolbox,
    largest_service: Service,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What mypy knows about the libraries after one service, in a copy of this process's own."""
    known = everyone / "types"
    once(known, lambda: _check_types(toolbox, largest_service, known))
    return copied(known, tmp_path_factory.mktemp("mypy") / "types")


def _check_types(toolbox: Toolbox, service: Service, cache: Path) -> None:
    toolbox.run(service, "mypy", "--cache-dir", cache)


def commit(folder: Path, env: dict[str, str]) -> None:
    """Put a service under git, as `roadbed new` leaves it."""
    someone = ["-c", "user.name=Somebody", "-c", "user.email=somebody@localhost"]
    machine.run("git", "init", "--quiet", cwd=folder, env=env)
    machine.run("git", "add", ".", cwd=folder, env=env)
    machine.run("git", *someone, "commit", "--quiet", "-m", "A service", cwd=folder, env=env)


@pytest.fixture(scope="session")
def town(rendered: Callable[..., Service]) -> Iterator[Callable[..., Service]]:
    """Renders services that PostgreSQL can run in.

    For root it runs as a user of its own, which has to reach its files, and every session of pytest
    that begins closes the folder of all temporary folders to everybody else.
    """
    with ExitStack() as stack:

        def outside(**answers: str | bool) -> Service:
            service = rendered(**answers)
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="services-")))
            moved = folder / service.answers["service_name"]
            return Service(Path(shutil.move(service.folder, moved)), service.answers)

        yield outside


@pytest.fixture(scope="session")
def installed(town: Callable[..., Service], toolbox: Toolbox) -> Callable[..., Service]:
    """Renders services that can run."""

    def furnished(**answers: str | bool) -> Service:
        service = town(**answers)
        toolbox.furnish(service)
        return service

    return furnished


@pytest.fixture(scope="session")
def default_home(town: Callable[..., Service], env: dict[str, str]) -> Home:
    """The service of the default answers, set up as its README says."""
    service = town()
    commit(service.folder, env)
    return Home(service, env, machine.run("make", "setup", cwd=service.folder, env=env))


@pytest.fixture(scope="session")
def different_home(
    template: Path,
    town: Callable[..., Service],
    fresh_env: dict[str, str],
    types_cache: Path,
) -> Home:
    """The service that differs most from the default, on a machine that has no uv.

    Its type checker starts from what is known about the libraries, to save a third of a minute.
    """
    service = town(**combinations(template)[1].answers)
    commit(service.folder, fresh_env)
    env = fresh_env | {"MYPY_CACHE_DIR": str(types_cache)}
    tested = machine.run("make", "test", cwd=service.folder, env=env)
    return Home(service, env, tested + machine.run("make", "setup", cwd=service.folder, env=env))
