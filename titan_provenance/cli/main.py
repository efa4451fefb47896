"""`titan-provenance`: the group of all commands, each imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from titan_provenance.cli import COMMANDS
from titan_provenance.cli.command import ENVIRONMENT_PREFIX, run

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """A group whose commands live in one module each and are imported when they are called."""

    def __init__(
        self, name: str, package: str, commands: Mapping[str, str], **settings: str
    ) -> None:
        super().__init__(name, no_args_is_help=True, **settings)  # type: ignore[arg-type]  # help=…
        self._package = package
        self._commands = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are used."""
        del ctx
        return list(self._commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in self._commands:
            return None
        command = import_module(f"{self._package}.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is no such one."""
        if args and args[0] not in self._commands and not args[0].startswith("-"):
            from titan_provenance.document import nearest
            from titan_provenance.errors import UsageError

            raise UsageError(f'no command "{args[0]}"', hint=nearest(args[0], self._commands))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self._commands.items()))


def program() -> click.Group:
    """Return the `titan-provenance` command."""
    from titan_provenance import __version__

    group = LazyGroup(
        "titan-provenance",
        "titan_provenance.cli",
        COMMANDS,
        help="Is what we run exactly what we released, and is it still safe?",
    )
    group.context_settings = {
        "auto_envvar_prefix": ENVIRONMENT_PREFIX,
        "help_option_names": ["-h", "--help"],
    }
    return click.version_option(__version__, prog_name="titan-provenance")(group)


def main() -> None:
    """Run `titan-provenance` and exit with its code."""
    sys.exit(run(program(), "titan-provenance"))
