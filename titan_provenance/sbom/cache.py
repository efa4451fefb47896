"""What was found in a layer, kept on disk: one file per layer and version of the catalogers.

Files are written whole under a name of their own and renamed, so that any number of processes and
machines may share a directory without locks: whoever comes second writes the same again. A file is
believed only if its checksum, format, layer and catalogers are right and every value is of its
type; any other is read as if it were not there, and written anew. No more is needed against chance
and old versions. Against an attacker who may write to the directory there is no defence here: it
is the user's own, as the toolkit's code is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from titan_provenance.cataloger.interface import Found
from titan_provenance.errors import DocumentError, UnreadableError
from titan_provenance.files import read_bounded
from titan_provenance.image.contents import LayerContents
from titan_provenance.image.names import NameList
from titan_provenance.sbom.layer_scan import FileScan, LayerScan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from titan_provenance.model.digest import Digest

_MAGIC = b"titan-provenance layer 2\n"
_CHECKSUM_SIZE = 32
_FILE_LIMIT = 512 << 20
_TEXT_LIMIT = 1 << 30
_LEVEL = 1
_LISTS = ("names", "symlinks", "hard_links", "whiteouts", "opaque")
_NAME = re.compile(r"[0-9a-f]{64}(?:\.[0-9a-f]{12}\.tmp)?")
_TEMPORARY = ".tmp"
# A temporary file this old is what a crash left; a file read is marked as used once a day.
_ABANDONED = 3600.0
_DAY = 86400.0


class CacheStatus(NamedTuple):
    """What a cache directory holds: `oldest` is the time of the least recently used file."""

    directory: str
    files: int
    size: int
    oldest: float | None


class LayerCache:
    """The answers of one version of the catalogers, below `directory`."""

    def __init__(self, directory: str, version: str) -> None:
        key = hashlib.sha256(version.encode()).hexdigest()[:16]
        self._directory = os.path.join(directory, "layers", key)
        self._version = version

    def load(self, diff_id: Digest) -> LayerScan | None:
        """Return what was found in a layer, None when it is not known."""
        path = self._path(diff_id)
        try:
            scan = decode(read_bounded(path, _FILE_LIMIT), diff_id, self._version)
        except (UnreadableError, DocumentError):
            return None
        _mark_used(path)
        return scan

    def store(self, scan: LayerScan) -> bool:
        """Keep what was found; say whether it could be written (a full disk ends no scan)."""
        path = self._path(scan.diff_id)
        temporary = f"{path}.{os.urandom(6).hex()}{_TEMPORARY}"
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _write(temporary, encode(scan, self._version))
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            return False
        return True

    def _path(self, diff_id: Digest) -> str:
        return os.path.join(self._directory, diff_id.hex[:2], diff_id.hex)


def cache_directory(environment: Mapping[str, str]) -> str:
    """Return where layers are kept: TITAN_PROVENANCE_CACHE, or the user's cache directory."""
    if named := environment.get("TITAN_PROVENANCE_CACHE"):
        return named
    from platformdirs import user_cache_dir

    return user_cache_dir("titan-provenance", appauthor=False)


def cache_status(directory: str) -> CacheStatus:
    """Return what the cache below `directory` holds, for all versions of the catalogers."""
    entries = list(_entries(directory))
    oldest = min((entry.used for entry in entries), default=None)
    return CacheStatus(directory, len(entries), sum(entry.size for entry in entries), oldest)


def prune_cache(directory: str, *, max_size: int, max_age: float, now: float) -> CacheStatus:
    """Remove files not used for `max_age` seconds, then the least recently used over `max_size`.

    Returns what was removed. Nothing but layers of the cache is touched.
    """
    entries = sorted(_entries(directory), key=lambda entry: entry.used, reverse=True)
    kept = 0
    removed = []
    for entry in entries:
        abandoned = entry.path.endswith(_TEMPORARY) and now - entry.used > _ABANDONED
        if abandoned or now - entry.used > max_age or kept + entry.size > max_size:
            with suppress(OSError):
                os.unlink(entry.path)
                removed.append(entry)
        else:
            kept += entry.size
    oldest = min((entry.used for entry in removed), default=None)
    return CacheStatus(directory, len(removed), sum(entry.size for entry in removed), oldest)


class _Entry(NamedTuple):
    path: str
    size: int
    used: float


def _entries(directory: str) -> Iterator[_Entry]:
    for parent, _, names in os.walk(os.path.join(directory, "layers")):
        for name in names:
            path = os.path.join(parent, name)
            with suppress(OSError):
                status = os.lstat(path)
                if _NAME.fullmatch(name):
                    yield _Entry(path, status.st_size, status.st_mtime)


def _mark_used(path: str) -> None:
    with suppress(OSError):
        if time.time() - os.stat(path).st_mtime > _DAY:
            os.utime(path)


def _write(path: str, data: bytes) -> None:
    """Write a new file. It is not synced: what a crash damages, the checksum finds."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


def encode(scan: LayerScan, version: str) -> bytes:
    """Return the file for a layer: magic, checksum, length of the text, text, blocks of names."""
    contents = scan.contents
    lists = {name: getattr(contents, name) for name in _LISTS}
    blocks = {name: names.packed() for name, names in lists.items()}
    document = {
        "diffId": str(scan.diff_id),
        "catalogers": version,
        "size": scan.size,
        "files": [_file_to_json(*item) for item in contents.files.items()],
        "lists": {name: [len(lists[name]), *map(len, blocks[name])] for name in _LISTS},
    }
    text = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), _LEVEL)
    payload = b"".join(
        [len(text).to_bytes(8), text, *(block for name in _LISTS for block in blocks[name])]
    )
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def decode(data: bytes, diff_id: Digest, version: str) -> LayerScan:
    """Return what `encode` made a file of; raises DocumentError for anything else."""
    start = len(_MAGIC) + _CHECKSUM_SIZE
    payload = memoryview(data)[start:]
    if data[: len(_MAGIC)] != _MAGIC:
        raise DocumentError("is no layer of this cache")
    if hashlib.sha256(payload).digest() != data[len(_MAGIC) : start]:
        raise DocumentError("is damaged")
    end = 8 + int.from_bytes(payload[:8])
    try:
        return _read_document(_read_text(payload[8:end]), payload[end:], diff_id, version)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DocumentError("is no layer of this cache") from error


def _read_text(data: memoryview) -> Any:
    decompressor = zlib.decompressobj()
    try:
        text = decompressor.decompress(data, _TEXT_LIMIT)
    except zlib.error as error:
        raise DocumentError("is damaged") from error
    if not decompressor.eof:
        raise DocumentError("is too large")
    return json.loads(text)


def _read_document(document: Any, blocks: memoryview, diff_id: Digest, version: str) -> LayerScan:
    if document["diffId"] != str(diff_id) or document["catalogers"] != version:
        raise DocumentError("is of another layer or of other catalogers")
    lists: dict[str, NameList] = {}
    for name in _LISTS:
        count, *lengths = document["lists"][name]
        pieces = []
        for length in lengths:
            pieces.append(bytes(blocks[:length]))
            blocks = blocks[length:]
        lists[name] = NameList.of_packed(pieces, count)
    files = dict(map(_file_from_json, document["files"]))
    size = document["size"]
    if not isinstance(size, int) or blocks:
        raise DocumentError("has the wrong size")
    return LayerScan(diff_id, size, LayerContents(**lists, files=files))


def _file_to_json(name: bytes, scan: FileScan) -> list[Any]:
    found = scan.found.to_json()
    path = name.decode("utf-8", "surrogateescape")
    return [path, scan.cataloger, found, scan.failure, scan.place]


def _file_from_json(value: Any) -> tuple[bytes, FileScan]:
    name, cataloger, found, failure, place = value
    if not all(isinstance(text, str) for text in (name, cataloger, failure, place)):
        raise DocumentError("has a file that is none")
    scan = FileScan(cataloger, Found.from_json(found), failure, place)
    return name.encode("utf-8", "surrogateescape"), scan
