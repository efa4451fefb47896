"""`titan-provenance trust init|show|add|revoke|check`: the life of the trust policy."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from titan_provenance.attest.trust import ROLES, TRUST_FILE, TrustPolicy, load_trust
from titan_provenance.attest.trust_edit import (
    add_signer,
    editing,
    examine,
    init_policy,
    new_signer,
    revoke_signer,
    write_policy,
)
from titan_provenance.cli.command import command as make_command
from titan_provenance.document import dump_json
from titan_provenance.errors import UsageError
from titan_provenance.fleet_file import find_fleet, load_fleet
from titan_provenance.model.instant import parse_instant
from titan_provenance.model.names import parse_line
from titan_provenance.release.gate import find_trust
from titan_provenance.report.json_v1 import trust_json
from titan_provenance.report.text import trust_text

if TYPE_CHECKING:
    from typing import Any

    from titan_provenance.cli.console import Console


@click.group("trust", no_args_is_help=True)
def command() -> None:
    """Read and change the trust policy."""


_KEYS = click.option("--keys", metavar="DIR", help="Directory of the trust policy.")
_ROLE = click.option(
    "--role", type=click.Choice(ROLES), default="release", show_default=True, help="Purpose."
)
_FROM = click.option("--valid-from", metavar="TIME", help="From when signatures count.")
_UNTIL = click.option("--valid-until", metavar="TIME", help="Until when signatures count.")


@make_command("init", output=False)
@click.argument("name")
@click.argument("public_key")
@click.option("--keys", default="keys", show_default=True, metavar="DIR")
@_ROLE
@_FROM
@_UNTIL
def init(console: Console, name: str, public_key: str, keys: str, role: str, **window: Any) -> None:
    """Start a trust policy with the signer NAME, whose key is the file PUBLIC_KEY."""
    signer = new_signer(name, public_key, *_window(window))
    os.makedirs(keys, exist_ok=True)
    with editing(keys):
        if os.path.lexists(os.path.join(keys, TRUST_FILE)):
            raise UsageError(f"{keys} has a trust policy", hint="titan-provenance trust add")
        write_policy(init_policy(signer, role), keys)
    console.note(f"wrote {os.path.join(keys, TRUST_FILE)}: {name} may sign for {role}")


@make_command("show", formats=("text", "json"))
@_KEYS
def show(console: Console, keys: str | None) -> None:
    """Print who may sign for what."""
    directory = _directory(keys)
    policy, now = load_trust(directory), datetime.now(UTC)
    if console.format == "json":
        console.result(dump_json(trust_json(policy)))
        return
    console.result(trust_text(policy, directory, now))


@make_command("add", output=False)
@click.argument("name")
@click.argument("public_key")
@_KEYS
@_ROLE
@click.option("--threshold", type=int, metavar="N", help="New threshold of the role.")
@_FROM
@_UNTIL
def add(  # noqa: PLR0913, PLR0917 - one argument an option
    console: Console,
    name: str,
    public_key: str,
    keys: str | None,
    role: str,
    threshold: int | None,
    **window: Any,
) -> None:
    """Let the signer NAME, whose key is the file PUBLIC_KEY, sign for a role."""
    signer = new_signer(name, public_key, *_window(window))
    directory = _directory(keys)
    with editing(directory):
        _write(console, add_signer(load_trust(directory), signer, role, threshold), directory)


@make_command("revoke", output=False)
@click.argument("name")
@_KEYS
@click.option("--reason", required=True, help="Why; kept in the policy.")
@click.option("--date", metavar="TIME", help="From when on; default now.")
def revoke(console: Console, name: str, keys: str | None, reason: str, date: str | None) -> None:
    """Let nothing by the signer NAME count any more."""
    directory = _directory(keys)
    moment = parse_instant(date) if date else datetime.now(UTC).replace(microsecond=0)
    with editing(directory):
        policy = revoke_signer(load_trust(directory), name, moment, parse_line(reason))
        _write(console, policy, directory)


@make_command("check", formats=("text", "json"))
@_KEYS
def check(console: Console, keys: str | None) -> int:
    """Examine the trust policy: exit code 1 when something is wrong with it."""
    directory = _directory(keys)
    policy, problems, warnings = examine(directory, datetime.now(UTC))
    if console.format == "json":
        facts = {"version": policy.version, "problems": problems, "warnings": warnings}
        console.result(dump_json({"kind": "TrustCheck", "schemaVersion": 1, **facts}))
        return 1 if problems else 0
    lines = [f"problem: {problem}" for problem in problems]
    lines += [f"warning: {warning}" for warning in warnings]
    signers, roles = len(policy.signers), len(policy.roles)
    lines.append(f"{directory}: version {policy.version}, {signers} signers, {roles} roles")
    console.result("\n".join(lines) + "\n")
    return 1 if problems else 0


def _directory(keys: str | None) -> str:
    path = find_fleet(os.getcwd())
    fleet = load_fleet(path) if path and not keys else None
    if not keys and not fleet and os.path.isfile(os.path.join("keys", TRUST_FILE)):
        return "keys"
    return find_trust(keys, os.environ, fleet)


def _window(options: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    start, end = options["valid_from"], options["valid_until"]
    return (parse_instant(start) if start else None, parse_instant(end) if end else None)


def _write(console: Console, policy: TrustPolicy, directory: str) -> None:
    write_policy(policy, directory)
    console.note(f"wrote {os.path.join(directory, TRUST_FILE)}, version {policy.version}")
    _, problems, _ = examine(directory, datetime.now(UTC))
    for problem in problems:
        console.note(f"warning: {problem}")


for _command in (init, show, add, revoke, check):
    command.add_command(_command)
