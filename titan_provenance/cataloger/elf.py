"""Which parts of an ELF executable are worth a look (System V gABI, chapters 4 and 5).

Most of a program is machine code. What it says of itself stands in its data, and the program
headers at its start tell where that is.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGIC = b"\x7fELF"

# A position, and the one behind the last.
Ranges = tuple[tuple[int, int], ...]

_PROGRAMS = frozenset({2, 3})  # ET_EXEC, ET_DYN
_CLASS_64 = 2  # ELFCLASS64
_LOAD = 1  # PT_LOAD
_EXECUTABLE, _WRITABLE = 1, 2  # PF_X, PF_W
_IDENT, _MAX_HEADERS = 16, 128
_END = 1 << 62
_WHOLE: Ranges = ((0, _END),)


class Layout(NamedTuple):
    """Where in the file the constants and the variables of a program lie.

    `rest` is what is not loaded when it runs, behind all segments: notes of tools, debugging data.
    """

    constants: Ranges = _WHOLE
    variables: Ranges = _WHOLE
    rest: Ranges = ()


def read_layout(head: bytes) -> Layout | None:
    """Return where the data lies in the executable or shared object that starts with `head`.

    None when it is neither. Headers that cannot be read leave the whole file to look at. Where a
    linker has put constants and code into one segment, it is looked at as constants.
    """
    if len(head) < _IDENT + 4 or head[:4] != MAGIC or head[5] not in {1, 2}:
        return None
    order = "<" if head[5] == 1 else ">"
    if struct.unpack_from(f"{order}H", head, _IDENT)[0] not in _PROGRAMS:
        return None
    try:
        segments = _segments(head, order)
    except (struct.error, OverflowError):
        segments = []
    if not segments:
        return Layout()
    readable = [(start, end) for start, end, flags in segments if not flags & _WRITABLE]
    constants = [
        (start, end) for start, end, flags in segments if not flags & (_WRITABLE | _EXECUTABLE)
    ]
    variables = [(start, end) for start, end, flags in segments if flags & _WRITABLE]
    return Layout(
        constants=_joined(constants or readable) or _WHOLE,
        variables=_joined(variables) or _WHOLE,
        rest=((max(end for _, end, _ in segments), _END),),
    )


def _segments(head: bytes, order: str) -> list[tuple[int, int, int]]:
    """Return start, end and flags of what is loaded from the file."""
    wide = head[4] == _CLASS_64
    table = f"{order}32xQ14xHH" if wide else f"{order}28xI10xHH"
    offset, size, count = struct.unpack_from(table, head)
    segments = []
    for index in range(min(count, _MAX_HEADERS)):
        place = offset + index * size
        if wide:
            kind, flags, start, length = struct.unpack_from(f"{order}IIQ16xQ", head, place)
        else:
            kind, start, length, flags = struct.unpack_from(f"{order}II8xI4xI", head, place)
        if kind == _LOAD and length:
            segments.append((start, start + length, flags))
    return segments


def _joined(ranges: list[tuple[int, int]]) -> Ranges:
    """Return sorted ranges that do not overlap."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
