"""The packages of an rpm database: header blobs (rpm, "RPM V4 Package format", header section).

The three forms of the database differ only in where they keep these. A blob: two big-endian
counts, of entries and of bytes; entries of tag, type, offset and count; the bytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.cataloger.interface import Found, ParseError
from titan_provenance.cataloger.text import (
    MAX_PACKAGES,
    NameBudget,
    decode,
    is_name,
    limited,
    line,
    unique,
)
from titan_provenance.model.package import Package

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "rpm"
# Where the database lies, in the course of the years.
HOME = r"(?:[^/]+/)*(?:var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)"
MAX_SIZE = 256 * 1024 * 1024
MAX_BLOB = 32 * 1024 * 1024
_INT32, _STRING, _STRINGS, _TRANSLATED = 4, 6, 8, 9
_TEXTS = frozenset({_STRING, _STRINGS, _TRANSLATED})
_MAX_COUNT = 300_000
_MAX_ENTRIES = 10_000
_HEAD = 8
_ENTRY = 16
_INT_SIZE = 4

_TAGS = {
    1000: "name",
    1001: "version",
    1002: "release",
    1003: "epoch",
    1004: "summary",
    1011: "vendor",
    1014: "license",
    1015: "packager",
    1020: "url",
    1022: "arch",
    1044: "source",
    1047: "provides",
    1049: "requires",
    1116: "directory_indexes",
    1117: "base_names",
    1118: "directories",
}
# Keys that were imported to verify packages; rpm keeps them among the packages.
_KEYS = "gpg-pubkey"


class _Header(NamedTuple):
    """The entries of a header that are known here: texts, or whole numbers."""

    texts: dict[str, list[str]]
    numbers: dict[str, tuple[int, ...]]

    def first(self, name: str) -> str:
        """Return the first text of an entry."""
        return line((self.texts.get(name) or [""])[0])


def read_headers(path: str, blobs: Iterable[bytes]) -> Found:
    """Return the packages of the blobs until one cannot be had.

    What could not be read is a problem; where nothing could, ParseError is raised.
    """
    packages: list[Package] = []
    problems: list[str] = []
    left = MAX_SIZE
    names = NameBudget()
    try:
        for blob in blobs:
            # A damaged database may name the same large blob many times.
            left -= len(blob)
            if left < 0 or len(packages) + len(problems) >= MAX_PACKAGES:
                problems.append(f"{path}: more than {MAX_PACKAGES} packages or {MAX_SIZE} bytes")
                break
            try:
                package = _read_package(path, blob)
            except ParseError as error:
                problems.append(error.message)
                continue
            packages += [names.keep(package)] if package else []
    except ParseError as error:
        problems.append(error.message)
    problems += names.problems(path)
    if problems and not packages:
        raise ParseError(problems[0])
    return Found(packages=tuple(packages), problems=limited(problems))


def _read_package(path: str, blob: bytes) -> Package | None:
    """Return the package; None for a public key.

    Raises ParseError for what is no header or has no name and version.
    """
    try:
        header = _read(blob)
    except struct.error as error:
        raise ParseError(f"{path}: a package header is cut off") from error
    name, version, release = map(header.first, ("name", "version", "release"))
    if not is_name(name) or not is_name(version):
        raise ParseError(f"{path}: a package without name or version")
    if name == _KEYS:
        return None
    epoch = header.numbers.get("epoch", (0,))[0]
    arch = header.first("arch")
    qualifiers = [
        ("arch", arch if arch != "(none)" else ""),
        ("epoch", str(epoch) if epoch else ""),
    ]
    source = header.first("source").removesuffix(".rpm").rpartition(".")[0].rsplit("-", 2)
    return Package(
        type="rpm",
        name=name,
        version=f"{version}-{release}" if release else version,
        qualifiers=tuple(pair for pair in qualifiers if pair[1]),
        locations=(path,),
        cataloger=NAME,
        source=source[0] or name,
        source_version="-".join(source[1:]),
        licenses=unique([header.first("license")]),
        supplier=header.first("vendor") or header.first("packager"),
        homepage=header.first("url"),
        description=header.first("summary"),
        files=_files(header),
        depends=_names(header, "requires"),
        provides=_names(header, "provides"),
    )


def _read(blob: bytes) -> _Header:
    count, size = struct.unpack_from(">II", blob)
    start = _HEAD + count * _ENTRY
    if count > _MAX_ENTRIES or start + size > len(blob):
        raise struct.error
    header = _Header({}, {})
    for index in range(count):
        tag, kind, offset, items = struct.unpack_from(">IIII", blob, _HEAD + index * _ENTRY)
        name = _TAGS.get(tag)
        if not name or items > _MAX_COUNT or name in header.texts or name in header.numbers:
            continue
        if kind in _TEXTS:
            header.texts[name] = _texts(blob, start + offset, start + size, items)
        elif kind == _INT32 and items:
            header.numbers[name] = struct.unpack_from(f">{items}I", blob, start + offset)
    return header


def _texts(blob: bytes, begin: int, end: int, count: int) -> list[str]:
    """Return `count` texts, each ended by a zero byte."""
    parts = blob[begin:end].split(b"\0", count)
    return [decode(part) for part in parts[:count]]


def _files(header: _Header) -> str:
    """Return the owned paths: base names, and the directory of each by its index."""
    names = header.texts.get("base_names", [])
    directories = header.texts.get("directories", [])
    indexes = header.numbers.get("directory_indexes", ())
    return "\n".join(
        f"{directories[index]}{name}".lstrip("/")
        for index, name in zip(indexes, names, strict=False)
        if index < len(directories)
    )


def _names(header: _Header, tag: str) -> tuple[str, ...]:
    """Return names; what rpm itself can do and conditions `(a if b)` are no packages."""
    texts = header.texts.get(tag, [])
    return unique([text for text in texts if not text.startswith(("rpmlib(", "("))])
