"""Hatchling's build hook: the template's history goes into the wheel, as a git bundle.

With it `roadbed new` and `roadbed update` work offline and on a machine without this repository.
An sdist carries the bundle too, so that a wheel built from it has the same one. An editable
installation has none: it works on the checkout.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = ("template.bundle", "template.json")
_REFUSAL = "Roadbed can't be built with its template:"


class TemplateBundle(BuildHookInterface[Any]):
    """Puts `template.bundle`, and `template.json` with its origin, beside the code."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the bundle, unless this is an editable build or a tree that has it already."""
        root = Path(self.root)
        if version == "editable" or all((root / "src/roadbed" / name).is_file() for name in FILES):
            return
        self._scratch = TemporaryDirectory(prefix="roadbed-bundle-")
        made = Path(self._scratch.name)
        bundle(root, made)
        inside = "roadbed" if self.target_name == "wheel" else "src/roadbed"
        build_data["force_include"] |= {str(made / name): f"{inside}/{name}" for name in FILES}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was made."""
        if hasattr(self, "_scratch"):
            self._scratch.cleanup()


def bundle(root: Path, folder: Path) -> None:
    """Write the history of the checkout `root` to `folder`: `HEAD` and all tags.

    Raises:
        SystemExit: there is no history, or only a part of it.
    """
    sys.path.insert(0, str(root / "src"))
    from roadbed import git
    from roadbed.template import origin_of

    try:
        here = Path(git.run("rev-parse", "--show-toplevel", at=root))
        git.run("rev-parse", "--verify", "--quiet", "HEAD", at=root)
        shallow = git.run("rev-parse", "--is-shallow-repository", at=root) == "true"
    except git.GitError:
        sys.exit(f"{_REFUSAL} {root} has no git history.\nBuild it in a clone of its repository.")
    if here.resolve() != root.resolve():
        sys.exit(
            f"{_REFUSAL} {root} has no git history of its own (it lies in {here}).\n"
            "Build it in a clone of its repository."
        )
    if shallow:
        sys.exit(f"{_REFUSAL} {root} is a shallow clone.\nRun git fetch --unshallow --tags first.")
    if git.run("status", "--porcelain", at=root):
        sys.stderr.write("Uncommitted changes are not in the template that this build carries.\n")
    # One thread, so that the same history gives the same bytes.
    pack = ("-c", "pack.threads=1", "bundle", "create", "--quiet")
    git.run(*pack, str(folder / "template.bundle"), "HEAD", "--tags", at=root)
    origin = json.dumps({"origin": origin_of(root)})
    (folder / "template.json").write_text(origin + "\n", encoding="utf-8")
