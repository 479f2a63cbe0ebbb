"""The next three versions of Roadbed's template, and teams that live with it: for tests and bench.

The versions do what versions do: they mend the kit, move a part of it, change its schema, its rules,
its operations, its documents and its tool configuration. The teams add modules and fields, extend
settings, Makefile and runbook, and some patch the kit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from histories import git_save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

VERSIONS = ("1.0.0", "2.0.0", "3.0.0", "4.0.0")
KIT = "template/src/{{package_name}}/kit"
_KUBERNETES = "template/ops/{%if(deployment=='kubernetes')%}kubernetes{%endif%}"


def future(template: Path) -> None:
    """Give a copy of this repository the versions 1.0.0 (as it is) to 4.0.0."""
    git_save(template, tag=VERSIONS[0])
    for version, next_ in zip(VERSIONS[1:], (_mended, _new_schema, _moved), strict=True):
        next_(template)
        _edit(
            template / "CHANGELOG.md", "\n## ", f"\n## {version}\n\n- What {version} brings.\n\n## "
        )
        git_save(template, tag=version)


def _mended(template: Path) -> None:
    """Kit, operations, README, pyproject: what changes with every version."""
    _append(template / KIT / "headers.py", '\n\nHSTS = "max-age=63072000"\n')
    _edit(template / KIT / "pagination.py", '"""', '"""In version 2: ')
    _edit(
        template / _KUBERNETES / "deployment.yaml.jinja",
        "kind: Deployment\n",
        "kind: Deployment  # version 2\n",
    )
    _edit(template / "template/README.md.jinja", "## Run it\n", "## Run it (version 2)\n")
    _edit(
        template / "template/pyproject.toml.jinja",
        "[tool.mypy]\n",
        "[tool.mypy]\nshow_error_end = true\n",
    )
    _edit(
        template / "template/RUNBOOK.md.jinja",
        "\n## ",
        "\n## New in version 2\n\nRead this first.\n\n## ",
    )


def _new_schema(template: Path) -> None:
    """A column more in a table of the kit, with its model, its migration and a new kit file."""
    folder = template / "template/migrations/kit"
    last = max(path.name for path in folder.glob("[0-9]*"))
    number = int(last.partition("_")[0])
    migration = f'''"""Accounts have a region."""

import sqlalchemy as sa
from alembic import op

revision = "kit_{number + 1:04}"
down_revision = "kit_{number:04}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("region", sa.Text(), server_default="eu", nullable=False))


def downgrade() -> None:
    op.drop_column("accounts", "region")
'''
    (folder / f"{number + 1:04}_account_regions.py").write_text(migration)
    account = "class Account(Audited, Base):"
    _edit(
        template / KIT / "auth.py",
        "    name: Mapped[str]\n",
        '    name: Mapped[str]\n    region: Mapped[str] = mapped_column(server_default="eu")\n',
        after=account,
    )
    auth = template / KIT / "auth.py"
    if "mapped_column" not in auth.read_text().partition(account)[0]:
        _edit(auth, "import Mapped", "import Mapped, mapped_column")
    (template / KIT / "regions.py").write_text(
        '"""Where accounts are."""\n\nREGIONS = ("eu", "us")\n'
    )


def _moved(template: Path) -> None:
    """A file of the kit gets another name, another one a new default; Makefile and tests change."""
    (template / KIT / "body_limit.py").rename(template / KIT / "request_size.py")
    for file in (template / "template").rglob("*"):
        if file.is_file() and "body_limit" in file.read_text():
            file.write_text(file.read_text().replace("body_limit", "request_size"))
    for file in (template / "template").rglob("*.py*"):
        file.write_text(_imports_sorted(file.read_text()))
    _edit(
        template / "template/Makefile.jinja",
        "shell: install",
        "version: ## Show the version of this service\n\t@sed -n 's/^version = //p' pyproject.toml\n\nshell: install",
    )
    _edit(template / "template/Makefile.jinja", ".PHONY: help ", ".PHONY: help version ")
    _edit(
        template / "template/ARCHITECTURE.md.jinja",
        "## Components\n",
        "## Components (version 4)\n",
    )
    _edit(template / "template/tests/rules/__init__.py", '"""', '"""In version 4: ')


def _imports_sorted(text: str) -> str:
    """The kit's imports in their order again, after a module got another name."""
    block = re.compile(r"(?:^from \.+kit\.\w+ import [^(\n]+\n)+", re.MULTILINE)
    return block.sub(lambda found: "".join(sorted(found[0].splitlines(keepends=True))), text)


def team(service: Path, dice: Random) -> list[str]:
    """Let a team live in a service: some of what teams do, chosen by dice; says what it did."""
    habits: list[Callable[[Path], None]] = [
        add_module, add_field, extend_settings, extend_makefile, extend_runbook, own_readme, add_incident,
    ]  # fmt: skip
    chosen = dice.sample(habits, dice.randint(2, len(habits)))
    done = []
    for habit in habits:
        if habit in chosen:
            habit(service)
            done.append(habit.__name__)
    return done


def package(service: Path) -> Path:
    """The folder of its Python package."""
    (found,) = (service / "src").iterdir()
    return found


def first_module(service: Path) -> str:
    """The name of its first module, a plural."""
    return min(path.parent.name for path in package(service).glob("modules/*/routes.py"))


def add_module(service: Path) -> None:
    """Another module, `refunds`, made as teams do it: from the first one."""
    plural = first_module(service)
    models = (package(service) / "modules" / plural / "models.py").read_text()
    class_ = re.findall(r"^class (\w+)\(", models, re.MULTILINE)[0]
    noun = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", class_).lower()
    names = {
        plural.replace("_", "-"): "refunds",
        plural: "refunds",
        plural.replace("_", " "): "refunds",
        class_: "Refund",
        noun: "refund",
        noun.replace("_", " "): "refund",
    }
    first = min((service / "migrations/service").glob("*.py"))
    copies = {
        **{
            f: package(service) / "modules/refunds" / f.name
            for f in (package(service) / "modules" / plural).glob("*.py")
        },
        **{
            f: service / "tests/modules/refunds" / f.name.replace(plural, "refunds")
            for f in (service / "tests/modules" / plural).glob("*.py")
        },
        first: service / "migrations/service/0002_refunds.py",
    }
    for source, target in copies.items():
        text = source.read_text()
        for old, new in names.items():
            text = text.replace(old, new)
        if source is first or target.name == "0002_refunds.py":
            text = text.replace("service_0001", "service_0002")
            text = text.replace("down_revision = None", 'down_revision = "service_0001"')
            text = text.replace('branch_labels = ("service",)', "branch_labels = None")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def add_field(service: Path) -> None:
    """A field more in the first module's answers."""
    schemas = package(service) / "modules" / first_module(service) / "schemas.py"
    _edit(schemas, '"""\n\n', '"""\n\n    origin: str = "till"\n', after="Read(Output)")


def extend_settings(service: Path) -> None:
    """Settings of the team's own."""
    _append(
        package(service) / "settings.py",
        '\n    refund_days: int = 30\n    support_email: str = ""\n',
    )


def extend_makefile(service: Path) -> None:
    """A target at the end of the Makefile."""
    _append(service / "Makefile", "\nreport: install ## Our monthly report\n\t@$(RUN) report\n")


def extend_runbook(service: Path) -> None:
    """A section before the incidents."""
    _edit(
        service / "RUNBOOK.md",
        "## Incidents\n",
        "## Our partners\n\nThe bank: ask in #bank.\n\n## Incidents\n",
    )


def add_incident(service: Path) -> None:
    """An incident between its marks."""
    _edit(
        service / "RUNBOOK.md",
        "<!-- incidents:start -->\n",
        "<!-- incidents:start -->\n\n### 2026-11-01 The pool ran dry\n\n- What: no connection was free.\n",
    )


def own_readme(service: Path) -> None:
    """Words of its own."""
    _edit(service / "README.md", "## Run it\n", "## Why\n\nSomebody has to.\n\n## Run it\n")


def patch_kit(service: Path) -> None:
    """A change in a place of the kit that the next version changes as well."""
    _edit(package(service) / "kit/pagination.py", '"""', '"""Patched by the team: ')


def patch_kit_elsewhere(service: Path) -> None:
    """A change in a place of the kit that stays, in a file that moves."""
    _append(package(service) / "kit/body_limit.py", "\n\nTEAMS_LIMIT = 1\n")


def _append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def _edit(file: Path, old: str, new: str, *, after: str = "") -> None:
    text = file.read_text()
    start = text.index(after)
    assert old in text[start:], f"{old!r} is not in {file}"
    file.write_text(text[:start] + text[start:].replace(old, new, 1))
