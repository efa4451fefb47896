"""The fields of tar headers: numbers, checksums, pax records, sparse maps, names."""

from __future__ import annotations

from typing import NoReturn

from titan_provenance.errors import CouldNotCheckError

SparseMap = list[tuple[int, int]]

_ADLER_MODULUS = 65521
_PADDING = b" \0"
_SPARSE_ENTRY = 24
_BASE_256 = 0x80
_NEGATIVE = 0x40
_MAX_SIZE = 1 << 63
_LENGTH_DIGITS = 8
# Values that are names end at a zero byte for C readers and go on for others.
_NAMES = frozenset((b"path", b"linkpath", b"GNU.sparse.name"))
_SPARSE_PAIR = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")


def clean_name(name: bytes) -> bytes:
    """Return a name relative to the root, without empty, `.` and `..` steps; the root is empty.

    `..` takes back the step before it and stays in the root, as for a process whose root it is.
    """
    if name[-1:] == b"/":
        name = name[:-1]
    if b"./" not in name and b"//" not in name and name[:1] != b"/" and name[-1:] not in b"/.":
        return name
    steps: list[bytes] = []
    for step in name.split(b"/"):
        if step == b"..":
            del steps[-1:]
        elif step not in {b"", b"."}:
            steps.append(step)
    return b"/".join(steps)


def parse_number(field: bytes, where: str) -> int:
    """Return a number in octal digits, or in base 256 if the first bit is set (GNU, star).

    An empty field is zero. Raises CouldNotCheckError for anything else and for what takes more
    than 63 bits.
    """
    if field[0] & _BASE_256:
        if field[0] & _NEGATIVE:
            number = int.from_bytes(field, signed=True)
        else:
            number = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
        if not -_MAX_SIZE <= number < _MAX_SIZE:
            _fail(where, "a header has a number of more than 63 bits")
        return number
    digits = field.strip(_PADDING).partition(b"\0")[0]
    if not digits:
        return 0
    octal = parse_octal(digits)
    return _fail(where, "a header has a number that is none") if octal is None else octal


def parse_octal(digits: bytes) -> int | None:
    """Return the number, None for what is no octal digits."""
    try:
        # int() alone would take a sign, an underscore and a prefix.
        return int(digits, 8) if digits.isdigit() else None
    except ValueError:
        return None


def is_checksum_right(header: bytes, total: int, checksum: bytes) -> bool:
    """Say whether `checksum` is right for a header whose bytes sum up to `total`, modulo 65521.

    It is taken as if its own eight bytes were spaces; old writers took bytes as signed.
    """
    digits = checksum.strip(_PADDING).partition(b"\0")[0]
    stated = parse_octal(digits)
    if stated is None:
        return False
    blanked = total - sum(checksum) + 256
    if (blanked - stated) % _ADLER_MODULUS == 0:
        return True
    signed = sum(byte - 256 if byte > 127 else byte for byte in header)  # noqa: PLR2004
    signed_field = sum(byte - 256 if byte > 127 else byte for byte in checksum)  # noqa: PLR2004
    return signed - signed_field + 256 == stated


def parse_records(data: bytes, where: str) -> dict[bytes, bytes]:
    """Return the records `LENGTH KEY=VALUE` of a pax header, the last one of a key.

    The pairs of sparse format 0.0, which repeat their keys, come out as the list of format 0.1.
    Raises CouldNotCheckError for anything else.
    """
    records: dict[bytes, bytes] = {}
    pairs: list[bytes] = []
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + _LENGTH_DIGITS)
        digits = data[position : max(space, position)]
        end = position + int(digits) if digits.isdigit() else -1
        # What is no number leads nowhere, and a length has to lead on.
        if not position < space < end <= len(data) or data[end - 1] != ord("\n"):
            _fail(where, "an extended header is malformed")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not key or not equals:
            _fail(where, "an extended header is malformed")
        if key in _NAMES and b"\0" in value:
            _fail(where, "an extended header has a name with a zero byte")
        if key in _SPARSE_PAIR:
            if key != _SPARSE_PAIR[len(pairs) % 2]:
                _fail(where, "the map of a sparse file is malformed")
            pairs.append(value)
        else:
            records[key] = value
        position = end
    if pairs:
        records[b"GNU.sparse.map"] = b",".join(pairs)
    return records


def parse_sparse_pairs(numbers: list[bytes], where: str) -> SparseMap:
    """Return the pieces of a sparse file from decimal offsets and lengths in turn."""
    if numbers == [b""]:
        return []
    digits = len(str(_MAX_SIZE))
    if len(numbers) % 2 or not all(n.isdigit() and len(n) <= digits for n in numbers):
        _fail(where, "the map of a sparse file is malformed")
    values = list(map(int, numbers))
    return list(zip(values[::2], values[1::2], strict=True))


def parse_sparse_blocks(data: bytes, where: str) -> SparseMap:
    """Return the pieces of an old GNU sparse file from fields of twelve bytes each."""
    pieces: SparseMap = []
    for start in range(0, len(data) - len(data) % _SPARSE_ENTRY, _SPARSE_ENTRY):
        if not data[start]:
            break
        offset = parse_number(data[start : start + 12], where)
        pieces.append((offset, parse_number(data[start + 12 : start + 24], where)))
    return pieces


def _fail(where: str, problem: str) -> NoReturn:
    raise CouldNotCheckError(f"{where}: is no tar archive that can be read: {problem}")
