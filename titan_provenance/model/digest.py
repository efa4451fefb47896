"""A content digest: SHA-256, the only algorithm that registries and this project sign for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from titan_provenance.errors import DocumentError

_FORM = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A SHA-256 digest, 64 lower-case hexadecimal digits (OCI image-spec, "Digests")."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Return the digest written `sha256:<64 hex>`; raises DocumentError for anything else."""
        if not _FORM.fullmatch(text):
            raise DocumentError(
                f'"{text[:100]}" is no digest',
                hint="A digest is written sha256: and 64 lower-case hexadecimal digits.",
            )
        return cls(text[7:])

    @classmethod
    def parse_hex(cls, text: str) -> Digest:
        """Return the digest whose 64 hexadecimal digits stand alone, as in in-toto digest sets."""
        return cls.parse("sha256:" + text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the digest of `data`."""
        return cls(hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        return "sha256:" + self.hex
