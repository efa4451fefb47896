"""Public keys of managed signers: read, named by their hint, and used to check a signature.

Algorithms (sigstore protobuf-specs, PublicKeyDetails): ECDSA P-256 with SHA-256, ECDSA P-384 with
SHA-384, Ed25519, RSA of at least 2048 bits with PKCS#1 v1.5 and SHA-256. The key decides the
algorithm; nothing in a bundle can.
"""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from titan_provenance.errors import DocumentError

MAX_KEY_FILE = 16 << 10
_MIN_RSA_BITS = 2048
_BEGIN = b"-----BEGIN "

VerifyingKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class PublicKey:
    """A public key that signatures can be checked with. Equal keys have equal SPKI bytes."""

    __slots__ = ("_key", "algorithm", "der")

    def __init__(self, key: object) -> None:
        """Take a key object of `cryptography`; raises DocumentError for other algorithms."""
        self.algorithm = _algorithm(key)
        self._key: VerifyingKey = key  # type: ignore[assignment]  # _algorithm refused all others
        self.der = self._key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @classmethod
    def parse(cls, data: bytes, name: str) -> PublicKey:
        """Return the key in the PEM file called `name` (SPKI, RFC 7468 section 13).

        Raises DocumentError when it is something else, most of all when it is a private key.
        """
        if b"PRIVATE KEY" in data:
            raise DocumentError(
                f"{name}: holds a private key",
                hint="Remove it, treat it as leaked, and use the public key in its place.",
                file=name,
            )
        if data.count(_BEGIN) != 1:
            raise DocumentError(f"{name}: expected exactly one PEM block", file=name)
        try:
            return cls(serialization.load_pem_public_key(data))
        except DocumentError as error:
            raise DocumentError(f"{name}: {error.message}", hint=error.hint, file=name) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise DocumentError(f"{name}: is no public key in PEM form", file=name) from error

    @property
    def hint(self) -> str:
        """Return base64(SHA-256(SPKI DER)): how bundles name a managed key."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.der)
        return base64.b64encode(digest.finalize()).decode()

    def pem(self) -> bytes:
        """Return the key as a PEM file."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Say whether `signature` was made over `message` by the private half of this key."""
        try:
            if isinstance(self._key, ec.EllipticCurvePublicKey):
                self._key.verify(signature, message, ecdsa(self._key.curve))
            elif isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            else:
                self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)


def ecdsa(curve: ec.EllipticCurve) -> ec.ECDSA:
    """Return the one ECDSA variant that goes with `curve`."""
    return ec.ECDSA(hashes.SHA384() if isinstance(curve, ec.SECP384R1) else hashes.SHA256())


def _algorithm(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        names = {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384"}
        if key.curve.name in names:
            return names[key.curve.name]
    elif isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    elif isinstance(key, rsa.RSAPublicKey):
        if key.key_size >= _MIN_RSA_BITS:
            return f"rsa-{key.key_size}"
        raise DocumentError(f"RSA key of {key.key_size} bits, at least {_MIN_RSA_BITS} are needed")
    raise DocumentError(
        "this kind of key is not supported",
        hint="Use ECDSA P-256 or P-384, Ed25519, or RSA of at least 2048 bits.",
    )
