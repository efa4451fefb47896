"""Executables: one look at each for Go modules, Rust crates and known programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from titan_provenance.cataloger.classifiers import ClassifierScanner, find_classifiers
from titan_provenance.cataloger.elf import MAGIC, read_layout
from titan_provenance.cataloger.go_binary import GoScanner
from titan_provenance.cataloger.interface import Found
from titan_provenance.cataloger.rust_binary import RustScanner

if TYPE_CHECKING:
    from titan_provenance.cataloger.elf import Ranges
    from titan_provenance.cataloger.interface import Scanner

# Part of what the layer cache is keyed by: rises with every change of the answer.
VERSION = 1
NAMES = ("go-binary", "rust-binary", "classifier")


def open_scanner(path: str, head: bytes, *, executable: bool) -> Scanner | None:
    """Return a scanner for the file at `path` that starts with `head`, if it is worth reading.

    `head` should be the first 4 KiB at least; the scanner is then fed from the first byte on.
    `executable` says whether the file may be run; libraries that may not are looked at by name.
    """
    if not head.startswith(MAGIC):
        return None
    classifiers = find_classifiers(path)
    if not executable and not classifiers:
        return None
    layout = read_layout(head)
    if not layout:
        return None
    scanners: list[tuple[Ranges, Scanner]] = [
        (layout.variables, GoScanner(path)),
        (layout.constants + layout.rest, RustScanner(path)),
    ]
    if classifiers:
        scanners.append((layout.constants, ClassifierScanner(path, classifiers)))
    return _ExecutableScanner(scanners)


class _ExecutableScanner:
    """Gives each scanner the parts of the file that it looks at."""

    def __init__(self, scanners: list[tuple[Ranges, Scanner]]) -> None:
        self._scanners = scanners
        self._offset = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the file."""
        begin, end = self._offset, self._offset + len(chunk)
        for ranges, scanner in self._scanners:
            for start, stop in ranges:
                if start < end and begin < stop:
                    scanner.feed(chunk[max(0, start - begin) : stop - begin])
        self._offset = end

    def finish(self) -> Found:
        """Say what all of them found. A Go program that tells its module needs no other name."""
        founds = [scanner.finish() for _, scanner in self._scanners]
        packages = [package for found in founds for package in found.packages]
        if any(package.kind == "application" and package.type != "generic" for package in packages):
            packages = [package for package in packages if package.type != "generic"]
        return Found(
            packages=tuple(packages),
            problems=tuple(problem for found in founds for problem in found.problems),
        )
