"""One layer of an image, read in one pass: digest, inflating, diffID, entries.

Source: OCI image-spec 1.1, "Layer DiffID": the digest of the uncompressed tar. Digests of both
forms are taken as the bytes flow and hold only when the last byte has passed, so nothing that was
learned from a layer may be used before its iteration has ended.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titan_provenance.errors import VerificationError
from titan_provenance.image.inflate import Limits, inflate

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from titan_provenance.image.source import Descriptor
    from titan_provenance.model.digest import Digest


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image: `index` counts from 0, the lowest.

    `descriptor` is None where the source keeps layers without a manifest (the engine, a
    docker-archive). `created_by` is the line of the image's history that made the layer.
    """

    index: int
    diff_id: Digest
    descriptor: Descriptor | None = None
    created_by: str = ""


def read_layer(
    chunks: Iterable[bytes], diff_id: Digest, where: str, limits: Limits | None = None
) -> Generator[bytes]:
    """Yield the plain tar of a layer from its bytes as they are stored, compressed or not.

    Raises CouldNotCheckError as `inflate` does, and VerificationError at the end when the tar does
    not hash to `diff_id`.
    """
    hasher = hashlib.sha256()
    for piece in inflate(chunks, where, limits or Limits()):
        hasher.update(piece)
        yield piece
    if hasher.hexdigest() != diff_id.hex:
        raise VerificationError(
            f"{where}: unpacks to sha256:{hasher.hexdigest()}, the image's config says {diff_id}",
            hint="The layer was changed or damaged: do not use it.",
        )
