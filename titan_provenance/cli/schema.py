"""`titan-provenance schema NAME`: the JSON Schemas that ship in the package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

import titan_provenance
from titan_provenance.cli.command import command as make_command
from titan_provenance.document import nearest
from titan_provenance.errors import UsageError

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console

SCHEMAS = (
    "fleet",
    "trust",
    "release-manifest-v1",
    "fragment",
    "verdict",
    "manifest-diff",
    "error",
)
_LIMIT = 1 << 20


@make_command("schema")
@click.argument("name", required=False)
def command(console: Console, name: str | None) -> None:
    """Print the JSON Schema called NAME; without NAME, list them."""
    from titan_provenance.files import read_bounded

    if name is None:
        console.result("".join(f"{schema}\n" for schema in SCHEMAS))
        return
    if name not in SCHEMAS:
        raise UsageError(f'no schema "{name}"', hint=nearest(name, SCHEMAS))
    folder = os.path.join(os.path.dirname(titan_provenance.__file__), "schema")
    console.result(read_bounded(os.path.join(folder, f"{name}.schema.json"), _LIMIT))
