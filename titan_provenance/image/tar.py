"""Tar archives read from a stream by one cursor: no seeking, no object per entry, bodies skipped.

Read are ustar, pax with global headers, GNU long names and links, sparse files in all four forms
(old GNU, pax 0.0, 0.1 and 1.0) and numbers in base 256, as Go's archive/tar reads them: that is
what container engines unpack layers with. Where POSIX readers and engines would see two different
archives in the same bytes (a global header that renames files), the archive is refused.

Sources: POSIX.1-2017 pax, "pax Interchange Format"; GNU tar manual, "Basic Tar Format" and "Storing
Sparse Files"; archive/tar of Go 1.23.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from zlib import adler32

from titan_provenance.errors import CouldNotCheckError
from titan_provenance.image.tar_header import (
    clean_name,
    is_checksum_right,
    parse_number,
    parse_records,
    parse_sparse_blocks,
    parse_sparse_pairs,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from titan_provenance.image.tar_header import SparseMap

BLOCK = 512
# Go's archive/tar holds extended headers to the same size.
EXTENSION_LIMIT = 1 << 20
MAX_SPARSE_PIECES = 1 << 16
# All holes that are asked for in one archive; a few bytes can claim any number of zeros.
MAX_HOLES = 1 << 30

REGULAR, HARD_LINK, SYMLINK, DIRECTORY, OTHER = range(5)
_KINDS = {0: REGULAR, **dict(zip(b"0712S5", (0, 0, 1, 2, 0, 3), strict=True))}
_BODILESS = frozenset(b"123456")
_EXTENSIONS = frozenset(b"xgLK")
_LONG = {ord("L"): b"path", ord("K"): b"linkpath"}
_OLD_SPARSE = ord("S")
_PREFIX = slice(345, 500)
_STAR_PREFIX = slice(345, 476)
_ZERO_BLOCK = bytes(BLOCK)
_ZEROS = bytes(1 << 16)
# What a global header may not say: engines ignore it there, POSIX readers obey.
_NEVER_GLOBAL = (b"path", b"linkpath", b"size")


class TarReader:
    """A cursor over the entries of a tar archive that arrives in chunks.

    After `next()` said yes, `name` (normalised: no leading, trailing or double slash, no `.` or
    `..`; the root is empty), `kind` and `size` are those of the entry. `where` names the archive
    in errors. All methods raise CouldNotCheckError for bytes that are no tar archive.
    """

    __slots__ = (
        "_chunk",
        "_chunks",
        "_header",
        "_holes",
        "_left",
        "_link",
        "_position",
        "_sparse",
        "_stored",
        "_where",
        "kind",
        "name",
        "size",
    )

    def __init__(self, chunks: Iterable[bytes], where: str) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._chunk = b""
        self._position = 0
        self._left = 0
        self._holes = 0
        self._header = b""
        self._link: bytes | None = None
        self._stored = 0
        self._sparse: SparseMap | None = None
        self._where = where
        self.name = b""
        self.kind = OTHER
        self.size = 0

    def next(self) -> bool:
        """Step over the rest of this entry to the next one; say no at the end of the archive.

        The end is two zero blocks or the end of the stream; what follows two zero blocks is read
        (whoever hashes the stream sees all of it) and otherwise left alone, as engines do.
        """
        header = self._block()
        if not header or (not header[0] and header == _ZERO_BLOCK):
            return self._end(header)
        size = self._checked_size(header)
        typeflag = header[156]
        if typeflag in _EXTENSIONS:
            return self._extended(header, size)
        self._header = header
        self._link = self._sparse = None
        self._enter(_plain_name(header), typeflag, size)
        if typeflag == _OLD_SPARSE:
            self._read_old_sparse()
        return True

    @property
    def link(self) -> bytes:
        """What a link points to, as it is written."""
        if self._link is None:
            return self._header[157:257].partition(b"\0")[0]
        return self._link

    @property
    def is_executable(self) -> bool:
        """Say whether anybody may execute the file."""
        return bool(parse_number(self._header[100:108], self._where) & 0o111)

    def body(self) -> Generator[bytes]:
        """Yield the content of a regular file, holes of sparse files filled with zeros."""
        if self._sparse is None:
            yield from self._take(self.size)
            return
        done = 0
        for offset, length in self._sparse:
            yield from self._hole(offset - done)
            yield from self._take(length)
            done = offset + length
        yield from self._hole(self.size - done)

    def read(self) -> bytes:
        """Return the content of a regular file; the caller has looked at its size."""
        end = self._position + self.size
        if self._sparse is None and end <= len(self._chunk):
            data = self._chunk[self._position : end]
            self._position = end
            self._left -= self.size
            self._stored = 0
            return data
        return b"".join(self.body())

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes of a file not read yet, fewer where a hole comes first."""
        if self._sparse is not None:
            offset, length = self._sparse[0] if self._sparse else (0, 0)
            size = 0 if offset else min(size, length)
        size = min(size, self.size)
        while self._position + size > len(self._chunk):
            self._chunk = self._chunk[self._position :] + (
                next(self._chunks, None) or self._truncated()
            )
            self._position = 0
        return self._chunk[self._position : self._position + size]

    def _block(self) -> bytes:
        """Skip what is left of the entry and return the next block; empty at the stream's end."""
        start = self._position + self._left
        end = start + BLOCK
        if end > len(self._chunk):
            return self._block_across(start)
        self._left = 0
        self._position = end
        return self._chunk[start:end]

    def _block_across(self, start: int) -> bytes:
        """Return the block at `start` from this chunk, which it may lie behind of; then go on."""
        padding = self._left - self._stored
        while start >= len(self._chunk):
            start -= len(self._chunk)
            chunk = next(self._chunks, None)
            if chunk is None:
                # A last body may go without its padding, but not without its end.
                if start > max(padding, 0):
                    self._truncated()
                return b""
            self._chunk = chunk
        block = self._chunk[start : start + BLOCK]
        self._position = start + len(block)
        while len(block) < BLOCK:
            self._chunk = next(self._chunks, None) or self._truncated()
            self._position = BLOCK - len(block)
            block += self._chunk[: self._position]
        self._left = 0
        return block

    def _take(self, size: int) -> Generator[bytes]:
        """Yield the next `size` bytes of the archive, which are part of this entry."""
        while size:
            piece = self._chunk[self._position : self._position + size]
            self._position += len(piece)
            self._stored -= len(piece)
            self._left -= len(piece)
            size -= len(piece)
            if piece:
                yield piece
            else:
                self._chunk = next(self._chunks, None) or self._truncated()
                self._position = 0

    def _hole(self, size: int) -> Generator[bytes]:
        self._holes += size
        if self._holes > MAX_HOLES:
            self._fail(f"sparse files have holes of more than {MAX_HOLES} bytes")
        while size > 0:
            yield _ZEROS[:size]
            size -= len(_ZEROS)

    def _checked_size(self, header: bytes) -> int:
        """Return the size that a header states, its checksum verified."""
        # The low half of Adler-32 is the sum of all bytes, plus one, modulo 65521.
        total = (adler32(header) & 0xFFFF) - 1
        checksum = header[148:156]
        if not is_checksum_right(header, total, checksum):
            self._fail("a header has the wrong checksum")
        size = parse_number(header[124:136], self._where)
        if size < 0:
            self._fail("a header states a negative size")
        return size

    def _enter(self, name: bytes, typeflag: int, size: int) -> None:
        """Make this the current entry, whose body is `size` bytes long in the archive."""
        self.kind = _KINDS.get(typeflag, OTHER)
        if not typeflag and name.endswith(b"/"):
            self.kind, size = DIRECTORY, 0
        self.name = clean_name(name)
        self.size = self._stored = 0 if typeflag in _BODILESS else size
        self._left = (self.size + 511) & ~511

    def _end(self, block: bytes) -> bool:
        if block:
            following = self._block()
            if following and following != _ZERO_BLOCK:
                self._fail("a lone block of zeros stands between entries")
        for _ in self._chunks:
            pass
        self._chunk = b""
        self._position = self._left = 0
        return False

    def _extended(self, header: bytes, size: int) -> bool:
        """Read the extended headers that start with `header`, and the entry that they are for."""
        records: dict[bytes, bytes] = {}
        long: dict[bytes, bytes] = {}
        while (typeflag := header[156]) in _EXTENSIONS:
            data = self._extension(size)
            if typeflag == ord("x"):
                records = parse_records(data, self._where)
            elif typeflag == ord("g"):
                self._check_global(parse_records(data, self._where))
            else:
                long[_LONG[typeflag]] = data.partition(b"\0")[0]
            header = self._block()
            if not header or header == _ZERO_BLOCK:
                return self._truncated() if records or long else self._end(header)
            size = self._checked_size(header)
        self._extend(header, size, records | long)
        return True

    def _extend(self, header: bytes, size: int, records: dict[bytes, bytes]) -> None:
        """Make the entry of `header` the current one, with what `records` say of it."""
        self._header = header
        self._link = records.get(b"linkpath") or None
        self._sparse = None
        if stated := records.get(b"size"):
            size = self._decimal(stated)
        self._enter(records.get(b"path") or _plain_name(header), header[156], size)
        if header[156] == _OLD_SPARSE:
            self._read_old_sparse()
        elif self.kind == REGULAR:
            self._read_pax_sparse(records)

    def _extension(self, size: int) -> bytes:
        if size > EXTENSION_LIMIT:
            self._fail(f"an extended header has {size} bytes, more than {EXTENSION_LIMIT}")
        self._stored = size
        self._left = (size + 511) & ~511
        return b"".join(self._take(size))

    def _check_global(self, records: dict[bytes, bytes]) -> None:
        for key in records:
            if key in _NEVER_GLOBAL or key.startswith(b"GNU.sparse."):
                self._fail(
                    f"a global header sets {key.decode()}: engines and tar would not unpack the "
                    "same files"
                )

    def _read_old_sparse(self) -> None:
        """Read the map of an old GNU sparse file: four pieces in the header, more in blocks."""
        pieces = parse_sparse_blocks(self._header[386:482], self._where)
        more = self._header[482]
        size = parse_number(self._header[483:495], self._where)
        stored, left = self._stored, self._left
        while more:
            self._left = self._stored = 0
            block = self._block() or self._truncated()
            pieces += parse_sparse_blocks(block[:504], self._where)
            more = block[504]
            self._limit(len(pieces))
        self._stored, self._left = stored, left
        self._set_sparse(pieces, size)

    def _read_pax_sparse(self, records: dict[bytes, bytes]) -> None:
        """Read the map of a pax sparse file, which stands in the records or before the content."""
        version = records.get(b"GNU.sparse.major", b""), records.get(b"GNU.sparse.minor", b"")
        in_records = records.get(b"GNU.sparse.map")
        if version == (b"1", b"0"):
            pieces = self._read_sparse_map()
        elif version in {(b"0", b"0"), (b"0", b"1")} or (version == (b"", b"") and in_records):
            pieces = parse_sparse_pairs((in_records or b"").split(b","), self._where)
        else:
            return
        if name := records.get(b"GNU.sparse.name"):
            self.name = clean_name(name)
        size = records.get(b"GNU.sparse.size") or records.get(b"GNU.sparse.realsize")
        self._set_sparse(pieces, self._decimal(size) if size else self.size)

    def _read_sparse_map(self) -> SparseMap:
        """Read the map of format 1.0: decimal lines in blocks, the number of pieces first."""
        lines: list[bytes] = []
        wanted, rest = 1, b""
        while len(lines) < wanted:
            if self._stored < BLOCK:
                self._fail("the map of a sparse file is longer than the file")
            rest += b"".join(self._take(BLOCK))
            *complete, rest = rest.split(b"\n")
            lines += complete
            if lines:
                count = self._decimal(lines[0])
                self._limit(count)
                wanted = 1 + 2 * count
        return parse_sparse_pairs(lines[1:wanted], self._where)

    def _set_sparse(self, pieces: SparseMap, size: int) -> None:
        """Take the map for this entry's content of `size` bytes, if it fits what is stored."""
        done = 0
        for offset, length in pieces:
            if offset < done or length < 0:
                self._fail("the map of a sparse file is out of order")
            done = offset + length
        if done > size or sum(length for _, length in pieces) != self._stored:
            self._fail("the map of a sparse file does not fit its size")
        self._sparse = pieces
        self.size = size

    def _limit(self, pieces: int) -> None:
        if pieces > MAX_SPARSE_PIECES:
            self._fail(f"a sparse file has {pieces} pieces, more than {MAX_SPARSE_PIECES}")

    def _decimal(self, digits: bytes) -> int:
        if not digits.isdigit() or len(digits) > len(str(1 << 63)):
            self._fail("an extended header has a number that is none")
        return int(digits)

    def _truncated(self) -> NoReturn:
        self._fail("ends in the middle of an entry")

    def _fail(self, problem: str) -> NoReturn:
        raise CouldNotCheckError(f"{self._where}: is no tar archive that can be read: {problem}")


def _plain_name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    if header[345] and header[257:263] == b"ustar\0":
        return _prefix(header) + b"/" + name
    return name


def _prefix(header: bytes) -> bytes:
    """Return the directory of a long ustar name; star keeps it shorter, with times behind it."""
    field = header[_STAR_PREFIX] if header[508:] == b"tar\0" else header[_PREFIX]
    return field.partition(b"\0")[0]
