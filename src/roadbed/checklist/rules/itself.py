"""RB0: the check itself. What could not be read, and waivers that waive nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadbed.checklist.evidence import failed, passed
from roadbed.checklist.rule import Item, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.service import Service


def unreadable_file(service: Service) -> Iterator[Evidence]:
    """Everything that should be looked at can be. Asked last: the others read the files."""
    for place, why in service.tree.problems:
        yield failed(f"{place.path} {why}", place, subject=place.path)
    if not service.tree.problems:
        yield passed(f"{len(service.tree.files)} files could be read")


def _by_the_waivers(service: Service) -> Iterator[Evidence]:
    """What is said about waivers is found where they are applied."""
    return iter(())


RULES = (
    Rule(
        code="RB001",
        name="unreadable-file",
        item=Item.ITSELF,
        promise="Every file that the check looks at can be read and parsed.",
        why="What can't be parsed can't be verified, and a pass would be a lie.",
        how="Python, YAML, JSON and TOML are parsed by this Python and its libraries.",
        mistakes="Code for a newer Python than the one that runs the check.",
        mend="Mend the file, exclude it (`exclude` in [tool.roadbed.check]), or use a newer Python.",
        sources=(),
        check=unreadable_file,
    ),
    Rule(
        code="RB002",
        name="broken-waiver",
        item=Item.ITSELF,
        promise="Every waiver names a rule and gives its reason.",
        why="A waiver without a reason is a failure that somebody hid.",
        how="Comments `checklist: allow[rule] reason` and [[tool.roadbed.check.waive]].",
        mistakes="None are known.",
        mend="Write down why it is right here; `until=2027-01-31` where it is not for ever.",
        sources=(),
        check=_by_the_waivers,
    ),
    Rule(
        code="RB003",
        name="stale-waiver",
        item=Item.ITSELF,
        promise="Every waiver is needed, and its day has not passed.",
        why="A waiver that nothing needs hides the next failure.",
        how="It warns and never fails: a service does not turn red without a commit.",
        mistakes="None are known.",
        mend="Delete it, or look at its reason again and move its day.",
        sources=(),
        check=_by_the_waivers,
    ),
)
