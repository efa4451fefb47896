"""The rpm database as ndb, `Packages.db` (rpm, `lib/backend/ndb/rpmpkg.c`): SUSE.

Little-endian: a header of 32 bytes with the number of pages of slots; slots of 16 bytes that say
which blob begins where, in units of 16 bytes; blobs with a header of 16 bytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.rpm_header import HOME, MAX_BLOB, MAX_SIZE, read_headers

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC, _SLOT, _BLOB = b"RpmP", b"Slot", b"BlbS"
_PAGE = 4096
_UNIT = 16
_HEAD = 32


def parse(path: str, data: bytes) -> Found:
    """Return the packages; raises ParseError where none can be read."""
    if data[:4] != _MAGIC or len(data) < _HEAD:
        raise ParseError(f"{path}: no ndb database")
    return read_headers(path, _blobs(path, data))


def _blobs(path: str, data: bytes) -> Iterator[bytes]:
    pages = struct.unpack_from("<I", data, 12)[0]
    left = len(data)
    for place in range(_HEAD, min(pages * _PAGE, len(data) - _UNIT + 1), _UNIT):
        magic, number, unit = struct.unpack_from("<4sII", data, place)
        if magic != _SLOT:
            raise ParseError(f"{path}: the list of packages is damaged")
        if not unit:
            continue
        begin = unit * _UNIT
        if begin + _UNIT > len(data):
            raise ParseError(f"{path}: a package lies behind the end")
        magic, owner, _, size = struct.unpack_from("<4sIII", data, begin)
        # Blobs do not overlap: all together are no larger than the file.
        left -= size
        if magic != _BLOB or owner != number or size > MAX_BLOB or left < 0:
            raise ParseError(f"{path}: a package is damaged")
        yield data[begin + _UNIT : begin + _UNIT + size]


CATALOGER = Cataloger(
    name="rpm-ndb",
    version=1,
    pattern=rf"{HOME}/Packages\.db",
    endings=("rpm/Packages.db",),
    max_size=MAX_SIZE,
    parse=parse,
)
