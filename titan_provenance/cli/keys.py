"""`titan-provenance keys generate|public`: managed keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from titan_provenance.attest.signer import (
    KEY_TYPES,
    generate_key,
    load_signer,
    write_private_key,
)
from titan_provenance.cli.command import command as make_command
from titan_provenance.cli.passphrase import ask_passphrase
from titan_provenance.document import dump_json
from titan_provenance.errors import UsageError
from titan_provenance.files import write_atomic

if TYPE_CHECKING:
    from titan_provenance.attest.public_key import PublicKey
    from titan_provenance.cli.console import Console


@click.group("keys", no_args_is_help=True)
def command() -> None:
    """Make and show managed keys."""


@make_command("generate", output=False)
@click.option("--out", required=True, metavar="FILE", help="Where the private key goes.")
@click.option(
    "--type", "kind", type=click.Choice(KEY_TYPES), default="ecdsa-p256", show_default=True
)
@click.option("--public-out", metavar="FILE", help="Where the public key goes; default FILE.pub.")
def generate(console: Console, out: str, kind: str, public_out: str | None) -> None:
    """Make a key pair: the private key encrypted and mode 0600, the public key beside it.

    The passphrase is asked for, or taken from TITAN_PROVENANCE_KEY_PASSPHRASE. No private key is
    written into a trust directory or a git work tree.
    """
    path = public_out or f"{out}.pub"
    if os.path.lexists(path) or os.path.realpath(path) == os.path.realpath(out):
        raise UsageError(f"{path} is taken; a key is never overwritten")
    pem, public = generate_key(kind, ask_passphrase(confirm=True))
    write_private_key(out, pem)
    write_atomic(path, public.pem(), replace=False)
    console.note(f"wrote {out} (private, keep it) and {path} (public, hint {public.hint})")


@make_command("public", formats=("pem", "json"))
@click.option("--key", required=True, metavar="REF", help="Key reference as for sign.")
def public(console: Console, key: str) -> None:
    """Print the public key of a private one, and its hint."""
    signer = load_signer(key, os.environ, ask_passphrase)
    _show(console, signer.public_key)


def _show(console: Console, key: PublicKey) -> None:
    if console.format == "json":
        facts = {"algorithm": key.algorithm, "hint": key.hint, "pem": key.pem().decode()}
        console.result(dump_json({"kind": "PublicKey", "schemaVersion": 1, **facts}))
        return
    console.note(f"{key.algorithm}, hint {key.hint}")
    console.result(key.pem())


command.add_command(generate)
command.add_command(public)
