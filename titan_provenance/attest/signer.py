"""Managed private keys: made, read and used to sign. They never lie in `keys/` or a git work tree.

A key reference is a path to a PKCS#8 PEM file, `env:NAME` for one in an environment variable, or
the address of a key that never leaves its store (titan_provenance/attest/key_store.py).
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from titan_provenance.attest.bundle import write_bundle
from titan_provenance.attest.envelope import pae
from titan_provenance.attest.public_key import MAX_KEY_FILE, PublicKey, ecdsa
from titan_provenance.attest.statement import PAYLOAD_TYPE, parse_manifest
from titan_provenance.attest.trust import TRUST_FILE
from titan_provenance.errors import CouldNotCheckError, DocumentError, UnreadableError, UsageError
from titan_provenance.files import read_bounded, write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY_TYPES = ("ecdsa-p256", "ed25519", "ecdsa-p384")
PASSPHRASE_VARIABLE = "TITAN_PROVENANCE_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
_ENVIRONMENT = "env:"
_MIN_PASSPHRASE = 8

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


class Signer(Protocol):
    """Whatever can sign: a key in memory or in a store."""

    @property
    def public_key(self) -> PublicKey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""


class KeySigner:
    """Signs with a private key in memory."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.public_key = PublicKey(key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, by the algorithm that goes with the key."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ecdsa(self._key.curve))
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(message)


def generate_key(kind: str, passphrase: str) -> tuple[bytes, PublicKey]:
    """Return a new private key of `kind` as encrypted PKCS#8 PEM, and its public key.

    Raises UsageError for a kind not in `KEY_TYPES` and for a passphrase of fewer than 8 characters.
    """
    if len(passphrase) < _MIN_PASSPHRASE:
        raise UsageError(f"the passphrase has fewer than {_MIN_PASSPHRASE} characters")
    key = _new_key(kind)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(_passphrase_bytes(passphrase)),
    )
    return pem, PublicKey(key.public_key())


def write_private_key(path: str, pem: bytes) -> None:
    """Write a private key, mode 0600, to a path that does not exist yet.

    Raises UsageError inside a trust directory or a git work tree, where it would be shared.
    """
    _refuse_shared_place(path)
    if os.path.lexists(path):
        raise UsageError(f"{path} exists; a key is never overwritten")
    write_atomic(path, pem, mode=0o600, replace=False)


def load_signer(
    reference: str, environment: Mapping[str, str], ask_passphrase: Callable[[], str]
) -> Signer:
    """Return the signer that `reference` names; asks for a passphrase only when the key has one.

    Raises UsageError for a reference that cannot be used, UnreadableError for a missing file and
    CouldNotCheckError when a key store does not answer.
    """
    from titan_provenance.attest.key_store import SCHEMES, open_key_store

    if "PRIVATE KEY" in reference:
        raise UsageError(
            "the key reference is the text of a private key; others can see command lines",
            hint="Pass --key env:NAME, with the name of the variable that holds the key.",
        )
    scheme = reference.partition(":")[0] + ":"
    if scheme in SCHEMES:
        return open_key_store(reference, environment)
    if scheme == _ENVIRONMENT:
        name = reference.removeprefix(_ENVIRONMENT)
        if not environment.get(name):
            raise UsageError(f"the environment variable {name} is not set")
        return _parse_private_key(environment[name].encode(), reference, ask_passphrase)
    data = read_bounded(reference, MAX_KEY_FILE)
    if stat.S_IMODE(os.stat(reference).st_mode) & 0o077:
        raise UsageError(
            f"{reference} can be read or written by others", hint=f"chmod 600 {reference}"
        )
    return _parse_private_key(data, reference, ask_passphrase)


def sign_manifest(manifest: bytes, name: str, signer: Signer) -> bytes:
    """Return the bundle with the signature of `signer` over a release manifest called `name`.

    Raises DocumentError when the bytes are no release manifest: nothing else gets signed, and
    CouldNotCheckError when the signature does not verify (a faulty key store).
    """
    parse_manifest(manifest, name)
    return sign_statement(manifest, signer)


def sign_statement(statement: bytes, signer: Signer) -> bytes:
    """Return the bundle with the signature of `signer` over a statement that the caller made.

    Raises CouldNotCheckError when the signature does not verify (a faulty key store).
    """
    message = pae(PAYLOAD_TYPE, statement)
    signature = signer.sign(message)
    if not signer.public_key.accepts(signature, message):
        raise CouldNotCheckError("the signature just made does not verify; nothing was written")
    return write_bundle(statement, PAYLOAD_TYPE, signature, signer.public_key.hint)


def _new_key(kind: str) -> PrivateKey:
    if kind == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "ecdsa-p384":
        return ec.generate_private_key(ec.SECP384R1())
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    raise UsageError(f'no key type "{kind}"', hint=f"One of: {', '.join(KEY_TYPES)}.")


def _parse_private_key(data: bytes, name: str, ask_passphrase: Callable[[], str]) -> KeySigner:
    passphrase = None
    if b"ENCRYPTED" in data:
        passphrase = _passphrase_bytes(ask_passphrase())
    try:
        key = serialization.load_pem_private_key(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = "wrong passphrase, or " if passphrase is not None else ""
        raise UsageError(f"{name}: {reason}no PKCS#8 private key in PEM form") from error
    try:
        return KeySigner(key)  # type: ignore[arg-type]  # PublicKey refuses all other kinds
    except DocumentError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from error


def _passphrase_bytes(passphrase: str) -> bytes:
    """Return the passphrase as typed or set, also where that is no UTF-8 text."""
    return passphrase.encode(errors="surrogateescape")


def _refuse_shared_place(path: str) -> None:
    directory = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(directory):
        raise UnreadableError(f"{directory}: is no directory", hint=f"mkdir -p {directory}")
    hint = "Keep private keys outside every checkout, for example in ~/.config/titan-provenance/."
    while True:
        if os.path.lexists(os.path.join(directory, TRUST_FILE)) or (
            os.path.basename(directory) == "keys"
        ):
            raise UsageError(
                f"{directory} holds public trust; no private key goes there", hint=hint
            )
        if os.path.lexists(os.path.join(directory, ".git")):
            raise UsageError(
                f"{directory} is a git work tree; no private key goes there", hint=hint
            )
        parent = os.path.dirname(directory)
        if parent == directory:
            return
        directory = parent
