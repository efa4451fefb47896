"""Very many names in little memory: joined by zero bytes, compressed as they come."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from titan_provenance.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# Linux takes no longer path (limits.h, PATH_MAX).
MAX_NAME = 4096
_PENDING = 2048
_LIMIT = _PENDING * (MAX_NAME + 1)
_LEVEL = 1


class NameList:
    """Names (without zero byte, `MAX_NAME` bytes at most) in the order in which they were added.

    Three million names of a layer take 20 MB here and 300 MB as objects.
    """

    __slots__ = ("_blocks", "_count", "_pending")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._pending: list[bytes] = []
        self._count = 0

    def add(self, name: bytes) -> None:
        """Add one name."""
        self._pending.append(name)
        if len(self._pending) >= _PENDING:
            self._flush()

    def __iter__(self) -> Iterator[bytes]:
        for names in self.blocks():
            yield from names

    def __len__(self) -> int:
        return self._count + len(self._pending)

    def blocks(self) -> Generator[list[bytes]]:
        """Yield the names, some thousand at a time.

        Raises DocumentError when the bytes that this was made of are damaged.
        """
        for block in self._blocks:
            yield _unpack(block)
        if self._pending:
            yield self._pending

    def packed(self) -> list[bytes]:
        """Return the compressed blocks, for `of_packed`."""
        self._flush()
        return self._blocks

    @classmethod
    def of_packed(cls, blocks: list[bytes], count: int) -> NameList:
        """Return the `count` names whose `packed` blocks these are."""
        names = cls()
        names._blocks = blocks
        names._count = count
        return names

    def _flush(self) -> None:
        if self._pending:
            self._blocks.append(zlib.compress(b"\0".join(self._pending), _LEVEL))
            self._count += len(self._pending)
            self._pending = []


def pairs(names: NameList) -> Iterator[tuple[bytes, bytes]]:
    """Return names that were added in pairs."""
    iterator = iter(names)
    return zip(iterator, iterator, strict=False)


def _unpack(block: bytes) -> list[bytes]:
    decompressor = zlib.decompressobj()
    try:
        data = decompressor.decompress(block, _LIMIT)
    except zlib.error as error:
        raise DocumentError("names are damaged") from error
    if not decompressor.eof:
        raise DocumentError("names are cut short or too many")
    return data.split(b"\0")
