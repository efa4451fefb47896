"""What all commands share: common options, and the outermost frame that turns errors into exits.

A command is a function decorated with `command(...)`. It gets a `Console` first, then its own
options, and returns its exit code (None is 0). Exit codes: 0 passed, 1 checked and failed, 2 usage
or configuration, 3 could not check.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from titan_provenance.cli import COMMANDS
from titan_provenance.cli.console import Console, show_error
from titan_provenance.errors import CouldNotCheckError, TitanProvenanceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENVIRONMENT_PREFIX = "TITAN_PROVENANCE"
_INTERRUPTED = 130
_CONFIG_LIMIT = 1 << 20

# Shared by every command that asks registries.
INSECURE_REGISTRY = click.option(
    "--insecure-registry", "insecure", multiple=True, metavar="HOST", help="Allow plain http."
)


def command(
    name: str, *, formats: Sequence[str] = ("text",), output: bool = True
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a click command named `name` with the common options.

    `formats` are the values of --format, the first one the default; `output` says whether --output
    makes sense.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        own = list(reversed(getattr(function, "__click_params__", [])))
        options = own + _common_options(formats, output=output)

        def callback(**values: Any) -> int | None:
            console = _console(values)
            _note_style(console, debug=values.pop("debug"))
            _refuse_empty(options, values)
            return function(console, **values)

        callback.__doc__ = function.__doc__
        return _Command(
            name,
            callback=callback,
            params=options,
            help=function.__doc__,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    return decorate


class _Command(click.Command):
    """A command whose options also come from variables called as the options are."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each option its variable, then parse: click goes by the name of the parameter."""
        for option in self.params:
            if isinstance(option, click.Option) and ctx.auto_envvar_prefix:
                name = _option_key(option).replace("-", "_").upper()
                option.envvar = f"{ctx.auto_envvar_prefix}_{name}"
                option.allow_from_autoenv = False
        return super().parse_args(ctx, args)


class _ErrorStyle:
    """How errors are shown: by the words of the command line, until the options are known."""

    def __init__(self, words: Sequence[str]) -> None:
        self.json = _json_asked(words)
        self.debug = "--debug" in words
        self.color = False if "--no-color" in words or "NO_COLOR" in os.environ else None


def run(  # noqa: PLR0911 - each way out has its own exit code
    entry: click.Command, program: str, arguments: Sequence[str] | None = None
) -> int:
    """Run `entry` and return its exit code; what went wrong is one line and a hint on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    style = _ErrorStyle(words)
    try:
        outcome = entry.main(args=words, prog_name=program, standalone_mode=False, obj=style)
        if sys.stdout:
            sys.stdout.flush()
    except TitanProvenanceError as error:
        return _report(error, style)
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except click.ClickException as error:
        return _report_usage(error, style)
    except BrokenPipeError:
        # Whoever read our output stopped reading.
        _drop_output()
        return CouldNotCheckError.exit_code
    except OSError as error:
        return _report(TitanProvenanceError(f"the operating system refused: {error}"), style)
    except Exception as error:  # noqa: BLE001 - the outermost frame: no traceback reaches a user
        fault = f"internal error: {type(error).__name__}"
        return _report(
            TitanProvenanceError(fault, hint="Run again with --debug and report what it prints."),
            style,
        )
    return outcome if isinstance(outcome, int) else 0


def _report(error: TitanProvenanceError, style: _ErrorStyle) -> int:
    # Where nothing can be written (a full disk, a closed pipe) the exit code still tells.
    with suppress(OSError):
        if style.debug:
            import traceback

            traceback.print_exc()
        show_error(error, as_json=style.json, color=style.color)
    _drop_output()
    return error.exit_code


def _report_usage(error: click.ClickException, style: _ErrorStyle) -> int:
    context = getattr(error, "ctx", None)
    hint = f"See: {context.command_path} --help" if context else ""
    return _report(UsageError(error.format_message(), hint=hint), style)


def _drop_output() -> None:
    """Drop what cannot be written, so that the interpreter does not try again at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
    return Console(
        format=values.pop("format_"),
        output=values.pop("output", None),
        quiet=values.pop("quiet"),
        verbose=values.pop("verbose"),
        color=False if no_color else None,
    )


def _note_style(console: Console, *, debug: bool) -> None:
    """Show errors as the options say, also where they come from the environment or a config."""
    style = click.get_current_context().find_object(_ErrorStyle)
    if style:
        style.json, style.debug, style.color = console.format == "json", debug, console.color


def _refuse_empty(options: Sequence[click.Parameter], values: dict[str, Any]) -> None:
    """Raise for `--keys "$UNSET"`: what was asked for must not read as not asked for."""
    for option in options:
        value = values.get(str(option.name))
        if isinstance(option, click.Option) and value in {"", ("",)}:
            raise UsageError(f"--{_option_key(option)} is empty")


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
    options = {_option_key(option): option for option in context.command.params}
    settings = section.mapping(options)
    for node in settings.values():
        if isinstance(node.value, float):
            node.fail("expected text, found a number (write it in quotes)")
    context.default_map = {str(options[key].name): node.plain() for key, node in settings.items()}


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
