"""`titan-provenance doctor`: one table of what is ready and how to fix what is not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from titan_provenance.cli.command import INSECURE_REGISTRY
from titan_provenance.cli.command import command as make_command
from titan_provenance.document import dump_json
from titan_provenance.fleet_file import find_fleet, load_fleet
from titan_provenance.release.doctor import examine
from titan_provenance.release.state import default_state_path
from titan_provenance.report.text import columns

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console


@make_command("doctor", formats=("text", "json"))
@click.option("--fleet", "fleet_path", metavar="F", help="Fleet file.")
@click.option("--state", metavar="F", help="Record of accepted releases.")
@INSECURE_REGISTRY
def command(
    console: Console, fleet_path: str | None, state: str | None, insecure: tuple[str, ...]
) -> int:
    """Say what is ready on this machine and how to fix what is not.

    Exit code 3 when something is not ok. Changes nothing.
    """
    path = fleet_path or find_fleet(os.getcwd())
    fleet = load_fleet(path) if path else None
    findings = examine(
        fleet,
        state or default_state_path(),
        os.environ,
        datetime.now(UTC),
        insecure=insecure,
    )
    if console.format == "json":
        rows = [finding._asdict() for finding in findings]
        console.result(dump_json({"kind": "Doctor", "schemaVersion": 1, "findings": rows}))
    else:
        table = [("WHAT", "STATUS", "DETAIL", "FIX")]
        table += [(f.subject, f.status, f.detail, f.fix) for f in findings]
        console.result(columns(table))
    return 3 if any(finding.status == "not ok" for finding in findings) else 0
