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
from titan_provenance.model.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from titan_provenance.image.source import Descriptor


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


class PlainLayer:
    """The plain tar of a layer from its bytes as they are stored, compressed or not.

    Iterating it raises CouldNotCheckError as `inflate` does, and at the end VerificationError when
    the tar does not hash to `expected`, where that is given. `size` counts the bytes so far.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        where: str,
        *,
        expected: Digest | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._chunks = chunks
        self._where = where
        self._expected = expected
        self._limits = limits or Limits()
        self._hasher = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Generator[bytes]:
        for piece in inflate(self._chunks, self._where, self._limits):
            self._hasher.update(piece)
            self.size += len(piece)
            yield piece
        if self._expected and self.diff_id != self._expected:
            raise VerificationError(
                f"{self._where}: unpacks to {self.diff_id}, the image's config says "
                f"{self._expected}",
                hint="The layer was changed or damaged: do not use it.",
            )

    @property
    def diff_id(self) -> Digest:
        """The digest of what was read so far: the layer's diffID once all of it was."""
        return Digest(self._hasher.hexdigest())
