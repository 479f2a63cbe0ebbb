"""What the template alone makes of a service's answers, as a tree in the service's repository.

The ref `refs/roadbed/pristine` keeps each rendering that a service came to: the next update needs
not render it again, and finds it even when the template's old version can no longer be had. It is
a cache: without it, the old version is rendered anew.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import git, rendering

if TYPE_CHECKING:
    from roadbed.rendering import Answers
    from roadbed.repository import Repository
    from roadbed.service import Service
    from roadbed.template import Version

REF = "refs/roadbed/pristine"
_BY_ROADBED = {
    "GIT_AUTHOR_NAME": "Roadbed",
    "GIT_AUTHOR_EMAIL": "noreply@roadbed.invalid",
    "GIT_COMMITTER_NAME": "Roadbed",
    "GIT_COMMITTER_EMAIL": "noreply@roadbed.invalid",
}


@dataclass(frozen=True)
class Pristine:
    """A rendering that nobody has touched.

    Attributes:
        tree: its files, at the root of the tree.
        record: the id of its answers file's content: version, place and answers in one.
        team: the patterns of the files that belong to the team from then on.
        ignored: its files that its own `.gitignore` keeps out of the repository.
    """

    tree: str
    record: str
    team: tuple[str, ...]
    ignored: tuple[str, ...]


def render(
    service: Service, template: Path, version: Version, source: str, answers: Answers
) -> Pristine:
    """Render `version`, whose files are in the folder `template`, for a service.

    The files become git's as they would in the service: by its attributes and line ends.

    Raises:
        RoadbedError: an answer is refused, or the template can't be rendered.
    """
    with TemporaryDirectory(prefix="roadbed-render-") as scratch:
        # The names of the service's own folders, since a template may ask for them.
        root = Path(scratch, service.repository.root.name)
        folder = root / service.prefix
        folder.parent.mkdir(parents=True, exist_ok=True)
        done = rendering.render(template, folder, answers, version=version, source=source)
        _write_attributes_above(service, root)
        places = {
            "GIT_DIR": str(service.repository.git_dir),
            "GIT_WORK_TREE": str(root),
            "GIT_INDEX_FILE": str(Path(scratch, "index")),
        }
        repository = replace(
            service.repository, root=root, env={**service.repository.env, **places}
        )
        repository.run("add", "--force", "--", str(folder))
        tree = repository.run("write-tree", f"--prefix={service.prefix}")
        listed = ("ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore")
        ignored = repository.run(*listed).split("\0")[:-1]
    return Pristine(
        tree=tree,
        record=service.repository.run("rev-parse", f"{tree}:{rendering.ANSWERS_FILE}"),
        team=done.team,
        ignored=tuple(path.removeprefix(service.prefix) for path in ignored),
    )


def remembered(repository: Repository, record: str) -> Pristine | None:
    """The rendering whose answers file has the id `record`, if the repository keeps it."""
    wanted = ("--fixed-strings", f"--grep={record}", "--max-count=1", "--format=%B")
    try:
        (facts, *_) = repository.run("log", *wanted, REF, "--").splitlines() or [""]
        known = json.loads(facts)
        return Pristine(
            known["tree"], known["record"], tuple(known["team"]), tuple(known["ignored"])
        )
    except (git.GitError, ValueError, KeyError):
        return None


def remember(repository: Repository, pristine: Pristine) -> None:
    """Keep a rendering for the next update. It is a cache: where nothing can be written, so be it."""
    with suppress(git.GitError):
        before = repository.commit(REF)
        parent = ["-p", before] if before else []
        facts = json.dumps(asdict(pristine))
        made = repository.run(
            *("commit-tree", pristine.tree, *parent), env=_BY_ROADBED, stdin=facts + "\n"
        )
        repository.run("update-ref", REF, made, before or "0" * len(made))


def _write_attributes_above(service: Service, root: Path) -> None:
    """Line ends and filters of a service in a larger repository are also decided above it."""
    folder = Path()
    for part in Path(service.prefix).parts:
        with suppress(git.GitError):
            name = (folder / ".gitattributes").as_posix()
            content = service.repository.read("cat-file", "blob", f"{service.head}:{name}")
            (root / name).write_bytes(content)
        folder /= part
