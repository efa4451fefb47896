"""`verify-release MANIFEST`, the same as `titan-provenance verify`: deploy or not, offline."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from titan_provenance.cli.command import ENVIRONMENT_PREFIX, INSECURE_REGISTRY, run
from titan_provenance.cli.command import command as make_command
from titan_provenance.errors import UsageError
from titan_provenance.files import is_inside
from titan_provenance.fleet_file import find_fleet, load_fleet
from titan_provenance.model.instant import parse_instant
from titan_provenance.release.gate import (
    Gate,
    find_trust,
    refuse_inside,
    verify_legacy_on_host,
    verify_on_host,
)
from titan_provenance.report.text import verdict_text

if TYPE_CHECKING:
    from typing import Any

    from titan_provenance.cli.console import Console
    from titan_provenance.model.fleet import Fleet
    from titan_provenance.model.verdict import Verdict


@make_command("verify", formats=("text", "json"))
@click.argument("manifest")
@click.option("--keys", metavar="DIR", help="Directory of the trust policy (trust.yaml).")
@click.option("--fleet", "fleet_path", metavar="F", help="Fleet file to hold the services against.")
@click.option(
    "--bundle", "bundles", multiple=True, metavar="B", help="Bundle; default: those beside it."
)
@click.option("--files", metavar="DIR", help="Directory to hold the bound files against.")
@click.option("--registry", is_flag=True, help="Check that each digest is in its registry.")
@INSECURE_REGISTRY
@click.option("--state", metavar="F", help="Record of accepted releases.")
@click.option("--no-state", is_flag=True, help="Do not compare with earlier releases.")
@click.option("--allow-rollback", metavar="VERSION", help="Accept this older release once more.")
@click.option("--at", metavar="TIME", help="Verify as of TIME; records and writes nothing.")
@click.option("--override", metavar="F", help="Write the compose digest override after PASSED.")
@click.option("--legacy", is_flag=True, help="MANIFEST is an old digests.json.")
@click.option("--public-key", metavar="F", help="With --legacy: the Ed25519 public key.")
@click.option("--signature", metavar="F", help="With --legacy: default MANIFEST.sig.")
@click.option("--compose", "compose_files", multiple=True, metavar="F", hidden=True)
@click.option("--running", is_flag=True, hidden=True)
@click.option("--evidence", metavar="DIR", hidden=True)
@click.option("--vsa", metavar="F", hidden=True)
def command(console: Console, **asked: Any) -> int:
    """Verify the release MANIFEST and say whether to deploy it.

    Exit code 0: PASSED. 1: FAILED. 2: usage or configuration. 3: could not check.
    """
    _refuse_unavailable(asked)
    _refuse_contradictions(asked)
    fleet = _fleet(asked["fleet_path"], asked["manifest"])
    moment = parse_instant(asked["at"]) if asked["at"] else datetime.now(UTC)
    gate = Gate(
        manifest=asked["manifest"],
        now=moment,
        bundles=asked["bundles"],
        fleet=fleet,
        files=asked["files"],
        registry=asked["registry"],
        insecure=asked["insecure"],
        state=_state(asked),
        rollback_to=asked["allow_rollback"],
        override=asked["override"],
        audit=bool(asked["at"]),
    )
    if asked["legacy"]:
        _refuse_overwriting(console, gate, asked["public_key"])
        verdict = verify_legacy_on_host(gate, asked["public_key"], asked["signature"])
    else:
        trust = find_trust(asked["keys"], os.environ, fleet)
        console.note(f"trust: {trust}")
        _refuse_overwriting(console, gate, trust)
        verdict = verify_on_host(gate, trust)
    _render(console, verdict)
    if asked["override"] and verdict.outcome == "PASSED":
        console.note(f"wrote {asked['override']}")
    return verdict.exit_code


def main() -> None:
    """Run `verify-release` and exit with its code."""
    command.context_settings["auto_envvar_prefix"] = f"{ENVIRONMENT_PREFIX}_VERIFY"
    code = run(command, "verify-release")
    # Everything is written and flushed. Taking the interpreter apart would be a sixth of the time
    # that a verification takes, for nothing.
    os._exit(code)


def _refuse_unavailable(asked: dict[str, Any]) -> None:
    """Raise for checks that cannot be made: asked for, they must not look like passed."""
    for option in ("compose_files", "running", "evidence", "vsa"):
        if asked[option]:
            flag = "--" + option.removesuffix("_files")
            raise UsageError(f"{flag} is not available in this version")


def _refuse_contradictions(asked: dict[str, Any]) -> None:
    if asked["legacy"] and not asked["public_key"]:
        raise UsageError("--legacy needs --public-key F")
    for option in ("public_key", "signature"):
        if asked[option] and not asked["legacy"]:
            raise UsageError(f"--{option.replace('_', '-')} goes with --legacy")
    if asked["legacy"]:
        for option in ("keys", "bundles", "allow_rollback", "state", "files"):
            if asked[option]:
                raise UsageError(f"--{option.replace('_', '-')} has no meaning with --legacy")
    if asked["state"] and asked["no_state"]:
        raise UsageError("--state and --no-state contradict each other")
    if asked["no_state"] and asked["allow_rollback"]:
        raise UsageError("--allow-rollback needs the record of accepted releases")
    if asked["at"] and asked["override"]:
        raise UsageError(
            "--override does not go with --at",
            hint="What passes at another time is no reason to deploy now.",
        )


def _refuse_overwriting(console: Console, gate: Gate, trusted: str) -> None:
    """Raise UsageError when a result would take the place of what this verification reads."""
    manifest = os.path.realpath(gate.manifest)
    inputs = [*gate.bundles, gate.state or manifest]
    if gate.fleet:
        inputs.append(gate.fleet.path)
        inputs += [os.path.join(gate.fleet.directory, path) for path in gate.fleet.compose]
    for option, target in (("--override", gate.override), ("--output", console.output)):
        path = os.path.realpath(target) if target else ""
        if path and (
            path == manifest
            or path.startswith(f"{manifest}.")  # its bundles, its old signature
            or is_inside(path, trusted)
            or path in map(os.path.realpath, inputs)
        ):
            raise UsageError(
                f"{option} {target} would overwrite what the release is verified with",
                hint="Name a file of its own for it.",
            )


def _state(asked: dict[str, Any]) -> str | None:
    if asked["no_state"] or asked["legacy"]:
        return None
    if asked["state"]:
        refuse_inside(asked["state"], asked["manifest"])
        return str(asked["state"])
    from titan_provenance.release.state import default_state_path

    return default_state_path()


def _fleet(explicit: str | None, manifest: str) -> Fleet | None:
    """Read the fleet file: the one named, else the nearest above the working directory.

    One that lies with the manifest is never picked up by itself: it would come with the release.
    """
    if explicit:
        return load_fleet(explicit)
    path = find_fleet(os.getcwd())
    if path is None:
        return None
    if is_inside(path, os.path.dirname(manifest) or "."):
        raise UsageError(
            f"the fleet file {path} lies in the directory of the manifest under test",
            hint="Name the one you trust with --fleet, or keep releases in their own directory.",
        )
    return load_fleet(path)


def _render(console: Console, verdict: Verdict) -> None:
    in_github = os.environ.get("GITHUB_ACTIONS") == "true"
    if console.format == "json":
        from titan_provenance.document import dump_json
        from titan_provenance.report.json_v1 import verdict_json

        console.result(dump_json(verdict_json(verdict)))
    elif in_github and not console.output:
        title = f"verify-release: {verdict.outcome}"
        console.result(f"::group::{title}\n{verdict_text(verdict)}::endgroup::\n")
    else:
        console.result(verdict_text(verdict))
    if in_github:
        from titan_provenance.cli.github import publish_verdict

        publish_verdict(console, verdict)
