"""What compressed layers unpack to: gzip, zstd or plain tar, told by their first bytes, bounded.

Media types are not asked: engines go by the first bytes too (containerd, archive/compression). A
gzip stream may have several members, and zeros behind the last; a zstd stream several frames.
"""

from __future__ import annotations

import itertools
import sys
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from titan_provenance.errors import CouldNotCheckError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# RFC 8878, "Skippable Frames": 0x184D2A50 to 0x184D2A5F, little-endian.
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_MAGIC_SIZE = 4
_GZIP_FORMAT = 31
_PIECE = 1 << 20
# What `zstd -d` takes without being told to use more memory.
_MAX_WINDOW_LOG = 27


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a layer may cost before it is refused as a bomb.

    It may unpack to `unpacked` bytes, to `ratio` times its compressed size once it is larger than
    `ratio_from`, and take `seconds`.
    """

    unpacked: int = 64 << 30
    ratio: int = 200
    ratio_from: int = 4 << 30
    seconds: float = 1800.0


def inflate(chunks: Iterable[bytes], where: str, limits: Limits) -> Generator[bytes]:
    """Yield the plain bytes of a layer in pieces of at most 1 MiB (plain ones as they arrive).

    Raises CouldNotCheckError for what cannot be unpacked, is cut short, or exceeds the limits.
    """
    meter = _Meter(chunks)
    magic, source = _peek(meter)
    pieces: Iterator[bytes]
    if magic[:2] == _GZIP:
        pieces = _gunzip(source, where)
    elif magic == _ZSTD or magic[1:] == _ZSTD_SKIPPABLE:
        pieces = _unzstd(source, where)
    else:
        pieces = source
    unpacked = 0
    deadline = time.monotonic() + limits.seconds
    for piece in pieces:
        unpacked += len(piece)
        if unpacked > limits.unpacked:
            _refuse(where, f"unpacks to more than {limits.unpacked} bytes")
        if unpacked > max(limits.ratio_from, limits.ratio * meter.count):
            _refuse(where, f"unpacks to more than {limits.ratio} times its size")
        if time.monotonic() > deadline:
            _refuse(where, f"takes more than {limits.seconds:g} seconds to read")
        yield piece


class _Meter:
    """Counts the bytes that pass."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.count = 0

    def __iter__(self) -> Generator[bytes]:
        for chunk in self._chunks:
            self.count += len(chunk)
            yield chunk


def _peek(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first four bytes, and all chunks."""
    iterator = iter(chunks)
    start = b""
    for chunk in iterator:
        start += chunk
        if len(start) >= _MAGIC_SIZE:
            break
    return start[:_MAGIC_SIZE], itertools.chain((start,), iterator)


def _gunzip(chunks: Iterable[bytes], where: str) -> Generator[bytes]:
    make, error = _gzip_decompressor()
    stream = make()
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if stream.eof:
                    rest = rest.lstrip(b"\0")
                    if not rest:
                        break
                    stream = make()
                yield stream.decompress(rest, _PIECE)
                rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        while not stream.eof and (piece := stream.decompress(b"", _PIECE)):
            yield piece
    except error as problem:
        raise CouldNotCheckError(f"{where}: is damaged gzip: {problem}") from problem
    if not stream.eof:
        raise CouldNotCheckError(f"{where}: is gzip that is cut short")


def _gzip_decompressor() -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """Return the maker of decompressors and what they raise: isal is twice as fast as zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return lambda: zlib.decompressobj(_GZIP_FORMAT), (zlib.error,)
    # The stubs call the class an instance.
    error: Any = isal_zlib.error
    return lambda: isal_zlib.decompressobj(_GZIP_FORMAT), (error, zlib.error)


def _unzstd(chunks: Iterator[bytes], where: str) -> Generator[bytes]:
    reader, error = _zstd_reader(_Readable(chunks))
    try:
        while piece := reader.read(_PIECE):
            yield piece
    except error as problem:
        raise CouldNotCheckError(f"{where}: is damaged zstd: {problem}") from problem


def _zstd_reader(source: Any) -> tuple[Any, tuple[type[Exception], ...]]:
    if sys.version_info >= (3, 14):
        from compression import zstd

        options = {zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG}
        return zstd.ZstdFile(source, options=options), (zstd.ZstdError, EOFError)
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << _MAX_WINDOW_LOG)
    reader = decompressor.stream_reader(source, read_across_frames=True)
    return reader, (zstandard.ZstdError,)


class _Readable:
    """Chunks, read as a file is."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return some bytes, `size` at most; none at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _refuse(where: str, problem: str) -> None:
    raise CouldNotCheckError(
        f"{where}: {problem}: refused",
        hint="If the layer is meant to be so, raise the limits for reading layers.",
    )
