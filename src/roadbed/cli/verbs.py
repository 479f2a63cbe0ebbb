"""Verbs that are imported and built when they are called: all of them take longer than one search."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context


class Verbs(TyperGroup):
    """A group of verbs; those that are registered with Typer follow in its list.

    Attributes:
        later: where each verb is, as `module:function`, in the order of `--help`. The module's
            `EXAMPLES` end its help.
    """

    later: ClassVar[dict[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._eager = dict(self.commands)
        # Typer proposes what is in here for a verb that is misspelt, and looks at the names alone.
        self.commands = {**dict.fromkeys(self.later, self), **self._eager}

    def list_commands(self, ctx: Context) -> list[str]:
        """Their names."""
        return list(self.commands)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """The verb of that name."""
        if cmd_name not in self.later:
            return self._eager.get(cmd_name)
        file, _, function = self.later[cmd_name].partition(":")
        module = import_module(file)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(cmd_name, epilog=module.EXAMPLES)(getattr(module, function))
        return typer.main.get_command(alone)
