"""A content digest: SHA-256, the only algorithm that registries and this project sign for."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from titan_provenance.errors import DocumentError

_PREFIX = "sha256:"
_HEX = frozenset("0123456789abcdef")
_HEX_DIGITS = 64


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A SHA-256 digest, 64 lower-case hexadecimal digits (OCI image-spec, "Digests")."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Return the digest written `sha256:<64 hex>`; raises DocumentError for anything else."""
        prefix, digits = text[: len(_PREFIX)], text[len(_PREFIX) :]
        if prefix != _PREFIX or len(digits) != _HEX_DIGITS or not _HEX.issuperset(digits):
            raise DocumentError(
                f'"{text[:100]}" is no digest',
                hint="A digest is written sha256: and 64 lower-case hexadecimal digits.",
            )
        return cls(digits)

    @classmethod
    def parse_hex(cls, text: str) -> Digest:
        """Return the digest whose 64 hexadecimal digits stand alone, as in in-toto digest sets."""
        return cls.parse(_PREFIX + text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the digest of `data`."""
        # hashlib would load a second OpenSSL: 3 ms of every verification.
        digest = hashes.Hash(hashes.SHA256())
        digest.update(data)
        return cls(digest.finalize().hex())

    def __str__(self) -> str:
        return _PREFIX + self.hex
