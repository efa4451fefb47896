"""`titan-provenance sign MANIFEST`: one more bundle beside the manifest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from titan_provenance.attest.bundle import MAX_BUNDLE, parse_bundle
from titan_provenance.attest.signer import load_signer, sign_manifest
from titan_provenance.attest.verify import MAX_MANIFEST
from titan_provenance.cli.command import command as make_command
from titan_provenance.cli.passphrase import ask_passphrase
from titan_provenance.errors import TitanProvenanceError, UsageError
from titan_provenance.files import read_bounded, write_atomic
from titan_provenance.model.names import parse_name
from titan_provenance.release.gate import BUNDLE_SUFFIX

if TYPE_CHECKING:
    from titan_provenance.cli.console import Console


@make_command("sign", output=False)
@click.argument("manifest")
@click.option(
    "--key",
    metavar="REF",
    help="Key file, env:NAME, or awskms: gcpkms: azurekms: hv: hsm: address.",
)
@click.option("--signer", metavar="NAME", help="Name in the bundle's file name.")
@click.option("--keyless", is_flag=True, hidden=True)
def command(
    console: Console, manifest: str, key: str | None, signer: str | None, *, keyless: bool
) -> None:
    """Sign the release MANIFEST and write the bundle beside it.

    The bundle is MANIFEST.sigstore.json, or MANIFEST.NAME.sigstore.json with --signer NAME.
    """
    if keyless:
        raise UsageError("--keyless is not available in this version", hint="Sign with --key REF.")
    if key is None:
        raise UsageError("--key REF is missing", hint="titan-provenance keys generate makes a key.")
    data = read_bounded(manifest, MAX_MANIFEST, follow_symlink=False)
    path = f"{manifest}.{parse_name(signer)}" if signer else manifest
    path += BUNDLE_SUFFIX
    loaded = load_signer(key, os.environ, ask_passphrase)
    bundle = sign_manifest(data, manifest, loaded)
    refuse_other_signer(path, data, loaded.public_key.hint, MAX_BUNDLE)
    write_atomic(path, bundle)
    console.note(f"wrote {path} ({loaded.public_key.algorithm}, hint {loaded.public_key.hint})")


def refuse_other_signer(path: str, payload: bytes, hint: str, limit: int) -> None:
    """Keep the bundle of another signer over the same payload; a stale one is replaced."""
    if not os.path.lexists(path):
        return
    try:
        existing = parse_bundle(read_bounded(path, limit), path)
    except TitanProvenanceError as error:
        raise UsageError(
            f"{path} exists and is no bundle", hint="Remove it, or pass --signer NAME."
        ) from error
    if existing.envelope.payload == payload and existing.hint != hint:
        raise UsageError(
            f"{path} holds the signature of another key", hint="Pass --signer NAME to add yours."
        )
