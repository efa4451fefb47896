"""Keys that never leave their store: cloud KMS, Vault and PKCS#11, through securesystemslib.

References are securesystemslib's: `awskms:KEY_ID`, `gcpkms:projects/…/cryptoKeyVersions/1`,
`azurekms://VAULT.vault.azure.net/keys/NAME/VERSION`, `hv:KEY/1`, `hsm:KEYID?label=TOKEN`.
Credentials are those of each store's own client; the PIN of a PKCS#11 token comes from
TITAN_PROVENANCE_HSM_PIN, its module from PYKCS11LIB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from titan_provenance.attest.public_key import PublicKey
from titan_provenance.errors import CouldNotCheckError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

SCHEMES = ("awskms:", "azurekms:", "gcpkms:", "hsm:", "hv:")
MODULE_VARIABLE = "PYKCS11LIB"
PIN_VARIABLE = "TITAN_PROVENANCE_HSM_PIN"


class StoredKeySigner:
    """Signs by asking the store."""

    def __init__(self, reference: str, signer: Any, public_key: PublicKey) -> None:
        self._reference = reference
        self._signer = signer
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`.

        Raises CouldNotCheckError when the store refuses, UsageError without the token's PIN.
        """
        try:
            return bytes.fromhex(self._signer.sign(message).signature)
        except UsageError:
            raise
        except Exception as error:
            raise _refused(self._reference, error) from error


def open_key_store(reference: str, environment: Mapping[str, str]) -> StoredKeySigner:
    """Return a signer for the key that `reference` names; its public key is asked from the store.

    Raises UsageError when the extra is not installed, CouldNotCheckError when the store refuses.
    """
    signers = _import_signers()
    if reference.startswith("hsm:") and not environment.get(MODULE_VARIABLE):
        raise UsageError(
            f"the environment variable {MODULE_VARIABLE} is not set",
            hint="It names the PKCS#11 module of the token, a shared library.",
        )

    def pin(_: str) -> str:
        if not environment.get(PIN_VARIABLE):
            raise UsageError(f"the environment variable {PIN_VARIABLE} is not set")
        return environment[PIN_VARIABLE]

    try:
        address, key = _find_key(signers, reference, pin)
        signer = signers.Signer.from_priv_key_uri(address, key, pin)
    except UsageError:
        raise
    except Exception as error:
        raise _refused(reference, error) from error
    return StoredKeySigner(reference, signer, _read_public_key(key, reference))


def _import_signers() -> ModuleType:
    try:
        from securesystemslib import signer
    except ImportError as error:
        raise _missing_extra() from error
    return signer


def _find_key(signers: ModuleType, reference: str, pin: Callable[[str], str]) -> tuple[str, Any]:
    """Ask the store for the key that `reference` names; return its full address and public half."""
    scheme, _, address = reference.partition(":")
    if scheme == "hsm":
        return reference, signers.HSMSigner.import_(*_hsm_key(address), pin)[1]
    if scheme == "awskms":
        found: tuple[str, Any] = signers.AWSSigner.import_(address)
        if found[1].keytype == "rsa":
            return signers.AWSSigner.import_(address, "rsa-pkcs1v15-sha256")  # type: ignore[no-any-return]
        return found
    if scheme == "gcpkms":
        return signers.GCPSigner.import_(address)  # type: ignore[no-any-return]
    if scheme == "hv":
        found = signers.VaultSigner.import_(address.partition("/")[0])
    else:
        vault, _, name = address.removeprefix("//").partition("/keys/")
        found = signers.AzureSigner.import_(vault.split(".")[0], name.split("/")[0])
    if not found[0].startswith(reference):
        raise UsageError(f"{reference} is not the newest version of that key: {found[0]} is")
    return found


def _hsm_key(address: str) -> tuple[int, str | None]:
    """Return number and token label of `[NUMBER][?label=TOKEN]`; 2 is PIV's signature key.

    Raises UsageError for anything else, and does not repeat it: it may be a PIN.
    """
    number, _, query = address.partition("?")
    options = parse_qs(query)
    if set(options) - {"label"} or (number and not number.isdecimal()):
        raise UsageError(
            "hsm: takes a key number and a token label only",
            hint=f"Write hsm:2?label=TOKEN; the PIN comes from {PIN_VARIABLE}.",
        )
    return int(number or 2), options.get("label", [None])[0]


def _read_public_key(key: Any, reference: str) -> PublicKey:
    """Return the public key as securesystemslib keeps it: raw hex for Ed25519, PEM for the rest."""
    public = key.keyval["public"]
    if key.keytype == "ed25519":
        return PublicKey(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    return PublicKey.parse(public.encode(), reference)


def _missing_extra() -> UsageError:
    return UsageError(
        "keys in a store need an extra that is not installed",
        hint="pip install 'titan-provenance[kms]' (or [hsm] for PKCS#11 alone)",
    )


def _refused(reference: str, error: Exception) -> CouldNotCheckError | UsageError:
    """Wrap what a store's client raised: each has exceptions of its own, none of ours."""
    from securesystemslib.exceptions import UnsupportedLibraryError

    if isinstance(error, UnsupportedLibraryError):
        return _missing_extra()
    text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return CouldNotCheckError(
        f"{reference}: the key store refused: {text}",
        hint="Check the address of the key and the store's credentials.",
    )
