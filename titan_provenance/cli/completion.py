"""`titan-provenance completion SHELL`: the script that completes commands and options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from titan_provenance.cli.command import command as make_command
from titan_provenance.errors import UsageError

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console

SHELLS = ("bash", "zsh", "fish")


@make_command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, console: Console, shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: eval "$(titan-provenance completion bash)" in ~/.bashrc.
    """
    root = context.find_root()
    script = get_completion_class(shell)
    if script is None:
        raise UsageError(f"no completion for {shell}")
    program = root.info_name or "titan-provenance"
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    console.result(script(root.command, {}, program, variable).source() + "\n")
