"""The rpm database as a Berkeley DB hash, `Packages` (libdb, `dbinc/db_page.h`): CentOS 5 to 8.

Pages of one size in the byte order of the machine. A hash page lists keys and values by turns; a
package is too large for it and stands on a chain of overflow pages, each names the next.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.rpm_header import HOME, MAX_SIZE, read_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = 0x061561
_SIZES = frozenset(512 << shift for shift in range(8))
_HEAD = 26
_KIND = 25
_HASHES = frozenset({2, 13})
_OVERFLOW = 7
_LARGE, _LARGE_SIZE = 3, 12


def parse(path: str, data: bytes) -> Found:
    """Return the packages; raises ParseError where none can be read."""
    if len(data) >= min(_SIZES):
        for order in ("<", ">"):
            magic, size = struct.unpack_from(f"{order}12xI4xI", data)
            if magic == _MAGIC and size in _SIZES:
                return read_headers(path, _Hash(path, data, size, order).values())
    raise ParseError(f"{path}: no Berkeley DB hash")


class _Hash:
    """The pages of a database."""

    def __init__(self, path: str, data: bytes, size: int, order: str) -> None:
        self._path = path
        self._data = data
        self._size = size
        self._order = order
        # Each overflow page belongs to one value; holding to that ends every cycle.
        self._seen: set[int] = set()

    def values(self) -> Iterator[bytes]:
        """Return the values that stand on overflow pages."""
        for page in range(0, len(self._data) - self._size + 1, self._size):
            if self._data[page + _KIND] not in _HASHES:
                continue
            (count,) = self._unpack("20xH", page)
            for index in range(1, min(count, (self._size - _HEAD) // 2), 2):
                (entry,) = self._unpack("H", page + _HEAD + 2 * index)
                if entry + _LARGE_SIZE <= self._size and self._data[page + entry] == _LARGE:
                    first, length = self._unpack("4xII", page + entry)
                    yield self._chain(first, length)

    def _chain(self, page: int, length: int) -> bytes:
        parts: list[bytes] = []
        while page:
            start = page * self._size
            if (
                page in self._seen
                or start + self._size > len(self._data)
                or self._data[start + _KIND] != _OVERFLOW
            ):
                raise ParseError(f"{self._path}: a package is damaged")
            self._seen.add(page)
            page, used = self._unpack("16xI2xH", start)
            parts.append(self._data[start + _HEAD : start + min(_HEAD + used, self._size)])
        value = b"".join(parts)
        if len(value) < length:
            raise ParseError(f"{self._path}: a package is cut off")
        return value[:length]

    def _unpack(self, form: str, place: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + form, self._data, place)


CATALOGER = Cataloger(
    name="rpm-bdb",
    version=1,
    pattern=rf"{HOME}/Packages",
    endings=("rpm/Packages",),
    max_size=MAX_SIZE,
    parse=parse,
)
