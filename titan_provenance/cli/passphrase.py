"""The passphrase of a private key: from the environment, else asked on the terminal."""

from __future__ import annotations

import os
import sys

import click

from titan_provenance.attest.signer import PASSPHRASE_VARIABLE
from titan_provenance.errors import UsageError


def ask_passphrase(*, confirm: bool = False) -> str:
    """Return the passphrase; raises UsageError when there is neither variable nor terminal."""
    if passphrase := os.environ.get(PASSPHRASE_VARIABLE):
        return passphrase
    if not sys.stdin.isatty():
        raise UsageError(
            "the key needs a passphrase, and there is no terminal to ask on",
            hint=f"Set {PASSPHRASE_VARIABLE}.",
        )
    answer = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return str(answer)
