"""Where one image can be read from: a small interface, and what follows from it for every source.

A source knows two things: the descriptor of the image's root, and the bytes of a manifest or blob.
It need not be trusted: `read_verified` and `stream_verified` hold every byte to its descriptor.

Source: OCI image-spec, "Content Descriptors" (size and digest SHOULD be verified by readers).
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from titan_provenance.errors import CouldNotCheckError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from titan_provenance.model.digest import Digest

# OCI distribution-spec, "Pushing Manifests": registries hold manifests to 4 MiB.
MANIFEST_LIMIT = 4 << 20
CONFIG_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of one content: its type, digest and exact size.

    `platform` is `os/architecture[/variant]` and `artifact_type` the type of what is no image,
    where an index states them.
    """

    media_type: str
    digest: Digest
    size: int
    platform: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    artifact_type: str = ""


class ImageSource(Protocol):
    """One image that can be read: from a registry, a layout directory or an archive."""

    @property
    def name(self) -> str:
        """The image reference with its transport, `registry:ghcr.io/titan/brain:1.4.0`."""

    def root(self) -> Descriptor:
        """Return the descriptor of the index or manifest that the image's name stands for."""

    def open(self, descriptor: Descriptor) -> Generator[bytes]:
        """Yield the raw bytes of a manifest or blob of this image, unchecked."""


def read_verified(source: ImageSource, descriptor: Descriptor, limit: int) -> bytes:
    """Return the bytes that `descriptor` describes, of which there may be `limit` at most.

    Raises VerificationError when they have another size or digest, CouldNotCheckError when they
    are too many or cannot be read.
    """
    if descriptor.size > limit:
        raise CouldNotCheckError(
            f"{source.name}: {descriptor.digest} has {descriptor.size} bytes, "
            f"more than the limit of {limit}"
        )
    return b"".join(stream_verified(source, descriptor))


def stream_verified(source: ImageSource, descriptor: Descriptor) -> Generator[bytes]:
    """Yield the bytes that `descriptor` describes, never more than its size.

    They are proven only when the iteration has ended: it raises VerificationError when the bytes
    turn out to be more or fewer than the size, or to have another digest.
    """
    hasher = hashlib.sha256()
    received = 0
    with closing(source.open(descriptor)) as chunks:
        for chunk in chunks:
            received += len(chunk)
            if received > descriptor.size:
                raise VerificationError(
                    f"{source.name}: {descriptor.digest} has more than the "
                    f"{descriptor.size} bytes that its descriptor states"
                )
            hasher.update(chunk)
            yield chunk
    if received != descriptor.size:
        raise VerificationError(
            f"{source.name}: {descriptor.digest} has {received} bytes, "
            f"its descriptor states {descriptor.size}"
        )
    if hasher.hexdigest() != descriptor.digest.hex:
        raise VerificationError(
            f"{source.name}: the bytes of {descriptor.digest} hash to sha256:{hasher.hexdigest()}",
            hint="The content was changed or damaged: do not use it.",
        )
