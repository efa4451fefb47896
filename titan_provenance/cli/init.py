"""`titan-provenance init`: a first fleet file from the compose files found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from titan_provenance.cli.command import command as make_command
from titan_provenance.errors import UsageError
from titan_provenance.files import write_atomic
from titan_provenance.fleet_file import FILE_NAME
from titan_provenance.model.fleet import parse_fleet
from titan_provenance.release.init import fleet_text, propose_fleet

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console
    from titan_provenance.release.init import Proposal


@make_command("init", output=False)
@click.argument("tree", default=".", metavar="[TREE]")
@click.option(
    "--compose",
    multiple=True,
    metavar="FILE",
    help="A compose file of the deployment, relative to TREE; repeat it in the order of the merge.",
)
def command(console: Console, tree: str, compose: tuple[str, ...]) -> None:
    """Write TREE/titan-provenance.yaml from the compose files found; never overwrite one.

    Without --compose the production file at the top of TREE is used, or else the base file and its
    override. The result is a proposal to read and change; what could not be known says FILL IN.
    """
    path = os.path.normpath(os.path.join(tree, FILE_NAME))
    if os.path.lexists(path):
        raise UsageError(
            f"{path}: exists already", hint="Change it, or move it away and run init again."
        )
    proposal = propose_fleet(tree, compose)
    text = fleet_text(proposal).encode()
    parse_fleet(text, path)
    write_atomic(path, text, replace=False)
    _describe(console, proposal)
    console.result(f"{path}\n")
    console.note(_next_step(proposal, path))


def _describe(console: Console, proposal: Proposal) -> None:
    console.note(f"fleet {proposal.fleet} from {', '.join(proposal.compose)}:")
    width = max(len(service.name) for service in proposal.services)
    for service in proposal.services:
        mark = "  (FILL IN)" if service.fill_in else ""
        console.note(f"  {service.name:{width}}  {service.image}{mark}")
    if proposal.unused:
        console.note(f"not used: {', '.join(proposal.unused)}")


def _next_step(proposal: Proposal, path: str) -> str:
    count = proposal.to_fill_in()
    if count:
        places = "place" if count == 1 else "places"
        return f"next: fill in the {count} marked {places} of {path}, then: titan-provenance doctor"
    return f"next: read {path}, then: titan-provenance doctor"
