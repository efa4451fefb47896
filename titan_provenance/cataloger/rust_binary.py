"""The crates of a Rust program that was built with `cargo auditable`.

Its section `.dep-v0` is a zlib stream of JSON: `{"packages":[{"name", "version", "source", "kind",
"dependencies": [indexes], "root"}]}` (cargo-auditable, PARSING.md). Section names stand at the end
of a file, too late for who reads it once, so the stream is known by its beginning.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from titan_provenance.cataloger.interface import Found, ParseError
from titan_provenance.cataloger.text import (
    is_name,
    items,
    limited,
    load_mapping,
    mapping,
    unique,
)
from titan_provenance.model.package import Package

NAME = "rust-binary"
# The two bytes of a zlib header for each level of compression, then the first block: the last one,
# with Huffman codes that are fixed (few crates) or its own; or one of several (very many crates).
_BLOCKS = bytes([*range(3, 256, 8), *range(5, 256, 8), *range(4, 256, 8)])
_STREAM = re.compile(rb"x[\x01\x5e\x9c\xda][" + re.escape(_BLOCKS) + rb"]")
_BEGINNING = b'{"packages":['
_LOOK = 512
_MAX_TRIES = 50_000
_MAX_JSON = 8 * 1024 * 1024
_MAX_PACKAGES = 20_000


class RustScanner:
    """Finds the crates in the constants of one program, or behind all that is loaded."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._tail = b""
        self._inflate: Any = None
        self._json = b""
        self._tries = 0
        self._found: Found | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next piece."""
        if self._found:
            return
        if self._inflate:
            self._extend(chunk)
            return
        data = self._tail + chunk
        end = max(0, len(data) - _LOOK)
        self._search(data, end)
        self._tail = data[end:]

    def finish(self) -> Found:
        """Return the crates that run and who needs whom; nothing where there is no list."""
        if not self._found and not self._inflate:
            self._search(self._tail, len(self._tail))
        if not self._found and self._inflate:
            return Found(problems=(f"{self._path}: its list of crates is cut off",))
        return self._found or Found()

    def _search(self, data: bytes, end: int) -> None:
        """Look for a stream that starts before `end`."""
        for match in _STREAM.finditer(data, 0, min(len(data), end + 2)):
            start = match.start()
            self._tries += 1
            if self._tries > _MAX_TRIES:
                # A hundred times what a program of a hundred megabytes has by chance.
                problem = f"{self._path}: too much in it looks like a list of crates"
                self._found = Found(problems=(problem,))
                return
            try:
                seen = zlib.decompressobj().decompress(data[start : start + _LOOK], 13)
            except zlib.error:
                continue
            if seen == _BEGINNING:
                self._inflate = zlib.decompressobj()
                self._extend(data[start:])
                return

    def _extend(self, chunk: bytes) -> None:
        """Inflate more of the list, up to a limit: it may be a bomb."""
        try:
            self._json += self._inflate.decompress(chunk, _MAX_JSON + 1 - len(self._json))
        except zlib.error:
            self._found = Found(problems=(f"{self._path}: its list of crates cannot be inflated",))
            return
        if len(self._json) > _MAX_JSON:
            self._found = Found(problems=(f"{self._path}: its list of crates is too large",))
        elif self._inflate.eof:
            try:
                self._found = read_crates(self._path, self._json)
            except ParseError as error:
                self._found = Found(problems=(error.message,))
        if self._found:
            self._json = b""


def read_crates(path: str, data: bytes) -> Found:
    """Return the crates that are linked into the program, not those that only helped to build it.

    Raises ParseError for what is no JSON object, and for more than 20,000 crates.
    """
    entries = [mapping(entry) for entry in items(load_mapping(path, data).get("packages"))]
    if len(entries) > _MAX_PACKAGES:
        raise ParseError(f"{path}: more than {_MAX_PACKAGES} crates")
    keys = [
        f"{entry['name']}@{entry['version']}"
        if is_name(entry.get("name")) and is_name(entry.get("version"))
        else ""
        for entry in entries
    ]
    problems = [f"{path}: a crate without name or version" for key in keys if not key]
    packages = tuple(
        _package(path, entry, keys)
        for key, entry in zip(keys, entries, strict=True)
        if key and entry.get("kind", "runtime") == "runtime"
    )
    return Found(packages=packages, problems=limited(problems))


def _package(path: str, entry: dict[str, Any], keys: list[str]) -> Package:
    depends = [
        keys[index]
        for index in items(entry.get("dependencies"))
        if isinstance(index, int) and 0 <= index < len(keys)
    ]
    return Package(
        type="cargo",
        name=entry["name"],
        version=entry["version"],
        kind="application" if entry.get("root") is True else "library",
        locations=(path,),
        cataloger=NAME,
        method="binary-analysis",
        depends=unique(depends),
    )
