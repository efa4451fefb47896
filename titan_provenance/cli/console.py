"""Where a command's words go: results to standard output or a file, everything else to stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from titan_provenance.errors import UnreadableError
from titan_provenance.files import write_atomic
from titan_provenance.report.text import printable

if TYPE_CHECKING:
    from titan_provenance.errors import TitanProvenanceError


class Console(NamedTuple):
    """The output side of one command run, made from the common options.

    `format` is one of the command's formats, `output` a file for the result or None for standard
    output.
    """

    format: str
    output: str | None = None
    quiet: bool = False
    verbose: bool = False
    color: bool | None = None

    def result(self, text: str | bytes) -> None:
        """Write the result: to the output file, whole or not at all, or to standard output."""
        data = text.encode() if isinstance(text, str) else text
        if self.output:
            write_atomic(self.output, data)
            self.note(f"wrote {self.output}")
            return
        if sys.stdout is None:
            raise UnreadableError("standard output is closed", hint="Or name a file with --output.")
        if isinstance(text, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        click.echo(text, nl=False, color=self.color)

    def note(self, line: str) -> None:
        """Say what was done, unless --quiet."""
        if not self.quiet:
            click.echo(line, err=True, color=self.color)

    def detail(self, line: str) -> None:
        """Say more, with --verbose."""
        if self.verbose:
            click.echo(line, err=True, color=self.color)


def show_error(error: TitanProvenanceError, *, as_json: bool, color: bool | None = None) -> None:
    """Print an error: as JSON to standard output, else one line of what, one of what to do."""
    if as_json:
        from titan_provenance.document import dump_json
        from titan_provenance.report.json_v1 import error_json

        document = error_json(error.code, error.message, error.hint)
        click.echo(dump_json(document), nl=False)
        return
    mark, arrow = click.style("error", fg="red", bold=True), click.style("→", fg="cyan")
    click.echo(f"{mark}: {printable(error.message)}", err=True, color=color)
    if error.hint:
        click.echo(f"  {arrow} {printable(error.hint)}", err=True, color=color)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from titan_provenance.report.github import annotation

        file, line = getattr(error, "file", ""), getattr(error, "line", 0)
        click.echo(annotation("error", error.message, file=file, line=line), err=True)
