"""`add resource`: the files of the first module, for another noun and other fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from roadbed import rendering
from roadbed.adding import formatting, revisions
from roadbed.adding.described import described
from roadbed.adding.modules import modules, modules_folder, parent
from roadbed.adding.names import check_noun
from roadbed.adding.notation import fields
from roadbed.adding.plan import Plan
from roadbed.adding.writing import Change, require_free
from roadbed.errors import RoadbedError
from roadbed.update.origins import Origins

if TYPE_CHECKING:
    from roadbed.adding.modules import Module
    from roadbed.adding.notation import Field
    from roadbed.service import Service
    from roadbed.template import Version

_MIGRATIONS = "migrations/service"
# The files of the first module in the template.
_FILES = ("src/*/modules/*/**", "tests/modules/**", f"{_MIGRATIONS}/*")


@dataclass(frozen=True)
class Request:
    """What to add.

    Attributes:
        noun: the resource, in the singular.
        fields: in the notation.
        unique: names of fields whose values no two live rows share.
        template: where its template is, if not where the service says.
    """

    noun: str
    fields: list[str]
    unique: list[str] = field(default_factory=list)
    template: str | None = None


def plan(request: Request, service: Service) -> Plan:
    """What adding a resource comes to; nothing is written.

    Raises:
        RoadbedError: it can't be added.
    """
    noun = request.noun
    asked = fields(request.fields, request.unique, noun)
    folder = modules_folder(service.folder)
    present = modules(folder)
    if noun in present:
        raise RoadbedError(
            f"There is a module {noun} already.", "Give another noun, in the singular."
        )
    migrations = service.folder / _MIGRATIONS
    head = revisions.head(migrations)
    values: dict[str, Any] = {
        "fields": [described(each) for each in asked if each.kind != "ref"],
        "parents": [_parent(each, present) for each in asked if each.kind == "ref"],
        "resource_added": True,
        "revision": revisions.revision(head, noun),
        "down_revision": head,
    }
    with Origins(request.template) as origins:
        origin = origins.of(service)
        if origin.old is None:
            raise RoadbedError(
                f"{' '.join(origin.warnings)} A resource is rendered from that version.",
                "Give --template the path or address of a template that has it.",
            )
        files = _rendered(service, origin.tree(origin.old), origin.old, noun, values)
    made = {Path(path).parent.name for path in files if "/modules/" in path and "src" in path}
    (plural,) = made
    _check_new(noun, plural, present)
    changes = [
        Change(path, None, text)
        for path, text in sorted(formatting.formatted(service.folder, files).items())
    ]
    require_free(service.folder, changes)
    return Plan(service, changes, origin.warnings)


def _parent(asked: Field, present: dict[str, Module]) -> dict[str, Any]:
    module, table, model = parent(asked.name, present)
    return {
        "name": asked.name,
        "required": asked.required,
        "module": module.name,
        "table": table,
        "model": model,
    }


def _rendered(
    service: Service, tree: Path, version: Version, noun: str, values: dict[str, Any]
) -> dict[str, str]:
    missing = values.keys() - set(rendering.questions(tree).computed)
    if missing:
        raise RoadbedError(
            f"The template {version.name}, which this service is from, has no way yet to add a"
            " resource.",
            "Bring a newer one in first: roadbed update.",
        )
    with TemporaryDirectory(prefix="roadbed-add-") as scratch:
        root = Path(scratch, service.name)
        try:
            rendering.render_files(tree, root, {**service.answers, "module": noun}, values, _FILES)
        except RoadbedError as error:
            if "won't do as module" not in error.what:
                raise
            what = error.what.replace("as module", "as a resource")
            raise RoadbedError(what, "Give another noun, in the singular.") from error
        return {
            path.relative_to(root).as_posix(): path.read_bytes().decode()
            for path in root.rglob("*")
            if path.is_file()
        }


def _check_new(noun: str, plural: str, present: dict[str, Module]) -> None:
    if plural in present:
        raise RoadbedError(
            f"There is a module {plural} already: {present[plural].folder}.", "Give another noun."
        )
    model = "".join(word.capitalize() for word in noun.split("_"))
    for module in present.values():
        if plural in module.tables or model in module.tables.values():
            raise RoadbedError(
                f"The module {module.name} has a table {plural} or a model {model} already.",
                "Give another noun.",
            )
    check_noun(noun, plural)
