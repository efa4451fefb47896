"""`titan-provenance completion SHELL`: the script that completes commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from titan_provenance.cli.command import command as make_command

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console

SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@make_command("completion")
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def command(context: click.Context, console: Console, shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: eval "$(titan-provenance completion bash)" in ~/.bashrc.
    """
    root = context.find_root()
    program = root.info_name or "titan-provenance"
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    script = SHELLS[shell](root.command, {}, program, variable)
    console.result(script.source() + "\n")
