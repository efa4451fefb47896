"""What all commands share: common options, and the outermost frame that turns errors into exits.

A command is a function decorated with `command(...)`. It gets a `Console` first, then its own
options, and returns its exit code (None is 0). Exit codes: 0 passed, 1 checked and failed, 2 usage
or configuration, 3 could not check.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from titan_provenance.cli import COMMANDS
from titan_provenance.cli.console import Console, show_error
from titan_provenance.errors import TitanProvenanceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENVIRONMENT_PREFIX = "TITAN_PROVENANCE"
_INTERRUPTED = 130
_CONFIG_LIMIT = 1 << 20


def command(
    name: str, *, formats: Sequence[str] = ("text",), output: bool = True
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a click command named `name` with the common options.

    `formats` are the values of --format, the first one the default; `output` says whether --output
    makes sense.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        def callback(**values: Any) -> int | None:
            return function(_console(values), **values)

        callback.__doc__ = function.__doc__
        own = list(reversed(getattr(function, "__click_params__", [])))
        return click.Command(
            name,
            callback=callback,
            params=own + _common_options(formats, output=output),
            help=function.__doc__,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    return decorate


def run(  # noqa: PLR0911 - each way out has its own exit code
    entry: click.Command, program: str, arguments: Sequence[str] | None = None
) -> int:
    """Run `entry` and return its exit code; what went wrong is one line and a hint on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        outcome = entry.main(args=words, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
    except TitanProvenanceError as error:
        return _report(error, words)
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except click.ClickException as error:
        return _report_usage(error, words)
    except BrokenPipeError:
        # Whoever read our output stopped reading: keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _report(TitanProvenanceError(f"the operating system refused: {error}"), words)
    except Exception as error:  # noqa: BLE001 - the outermost frame: no traceback reaches a user
        fault = f"internal error: {type(error).__name__}"
        return _report(
            TitanProvenanceError(fault, hint="Run again with --debug and report what it prints."),
            words,
        )
    return outcome if isinstance(outcome, int) else 0


def _report(error: TitanProvenanceError, words: Sequence[str]) -> int:
    if _asked(words, "--debug"):
        import traceback

        traceback.print_exc()
    show_error(error, as_json=_json_asked(words))
    return error.exit_code


def _report_usage(error: click.ClickException, words: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    hint = f"See: {context.command_path} --help" if context else ""
    return _report(UsageError(error.format_message(), hint=hint), words)


def _asked(words: Sequence[str], flag: str) -> bool:
    return flag in words


def _json_asked(words: Sequence[str]) -> bool:
    pairs = zip(words, [*words[1:], ""], strict=False)
    return any(
        word == "--format=json" or (word, value) == ("--format", "json") for word, value in pairs
    )


def _common_options(formats: Sequence[str], *, output: bool) -> list[click.Parameter]:
    options: list[click.Parameter] = [
        click.Option(
            ["--format", "format_"],
            type=click.Choice(list(formats)),
            default=formats[0],
            show_default=True,
            help="Form of the result.",
        ),
    ]
    if output:
        options.append(
            click.Option(["--output", "-o"], metavar="FILE", help="Write the result to FILE.")
        )
    options += [
        click.Option(["--quiet", "-q"], is_flag=True, help="Print results and errors only."),
        click.Option(["--verbose", "-v"], is_flag=True, help="Print more about what is done."),
        click.Option(["--debug"], is_flag=True, help="Show a traceback when something fails."),
        click.Option(["--no-color"], is_flag=True, help="No colors (also: NO_COLOR)."),
        click.Option(
            ["--config"],
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_read_config,
            help="YAML file with defaults for options, by command.",
        ),
    ]
    return options


def _console(values: dict[str, Any]) -> Console:
    """Take the common options out of `values`."""
    no_color = values.pop("no_color") or "NO_COLOR" in os.environ
    values.pop("debug")
    return Console(
        format=values.pop("format_"),
        output=values.pop("output", None),
        quiet=values.pop("quiet"),
        verbose=values.pop("verbose"),
        color=False if no_color else None,
    )


def _read_config(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Use the section of this command in the file as its defaults; unknown keys are errors."""
    del parameter
    if not value:
        return
    from titan_provenance.document import parse_yaml
    from titan_provenance.files import read_bounded

    section = parse_yaml(read_bounded(value, _CONFIG_LIMIT), value)
    for name, known in _command_path(context):
        keys = section.mapping(known)
        if name not in keys:
            return
        section = keys[name]
    names = {_option_key(option): option.name for option in context.command.params}
    settings = section.mapping(names)
    context.default_map = {str(names[key]): node.plain() for key, node in settings.items()}


def _command_path(context: click.Context) -> list[tuple[str, list[str]]]:
    """Return each name that leads to this command, with all names there are beside it."""
    path = []
    while context.parent and isinstance(context.parent.command, click.Group):
        names = context.parent.command.list_commands(context.parent)
        path.append((str(context.command.name), names))
        context = context.parent
    if path:
        return path[::-1]
    return [(str(context.command.name), list(COMMANDS))]


def _option_key(option: click.Parameter) -> str:
    return max(option.opts, key=len).lstrip("-")
