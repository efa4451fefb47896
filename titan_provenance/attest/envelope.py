"""DSSE, the Dead Simple Signing Envelope: what exactly is signed.

Source: secure-systems-lab/dsse, protocol v1.0.
"""

from __future__ import annotations

from typing import NamedTuple


class Envelope(NamedTuple):
    """A payload, its type, and the signatures over both."""

    payload: bytes
    payload_type: str
    signatures: tuple[bytes, ...]

    def pae(self) -> bytes:
        """Return the bytes that are signed."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding; both lengths count bytes, not characters."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
