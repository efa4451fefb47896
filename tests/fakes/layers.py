"""Images made of layers, read by catalogers of lines: `name version`, one package each."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.image.config import ImageConfig
from titan_provenance.image.layered import LayeredImage, number_layers
from titan_provenance.image.source import Descriptor
from titan_provenance.model.digest import Digest
from titan_provenance.model.package import Package
from titan_provenance.sbom.layer_scan import Catalogers

if TYPE_CHECKING:
    from collections.abc import Generator

    from titan_provenance.image.layer import Layer

LIMIT = 1000
SYMLINK, HARD_LINK = tarfile.SYMTYPE, tarfile.LNKTYPE
ELF = b"\x7fELF" + bytes(600)


def layer_of(files: dict[str, bytes | tuple[bytes, str]], *, executable: bool = True) -> bytes:
    """Return a tar of files by name; a pair is the type and the target of a link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if executable else 0o644
            if isinstance(content, tuple):
                member.type, member.linkname = content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class FakeStore:
    """The layers of an image in memory, compressed; `opened` has the index of each one read."""

    def __init__(self, layers: list[bytes]) -> None:
        self.stored = [gzip.compress(layer) for layer in layers]
        self.opened: list[int] = []

    def open_layer(self, layer: Layer) -> Generator[bytes]:
        """Yield the bytes of a layer."""
        self.opened.append(layer.index)
        data = self.stored[layer.index]
        yield from (data[start : start + 100] for start in range(0, len(data), 100))


class FakeExport:
    """The same from an engine, last layer first, each named by its diffID if `named`."""

    def __init__(self, layers: list[bytes]) -> None:
        self.layers = layers
        self.named = False
        self.exports = self.pieces = 0

    def export_layers(self) -> Generator[tuple[str, Generator[bytes]]]:
        """Yield all layers."""
        self.exports += 1
        for number, layer in enumerate(reversed(self.layers)):
            name = f"blobs/sha256/{Digest.of(layer).hex}" if self.named else f"content {number}"
            yield name, self._pieces(layer)

    def _pieces(self, layer: bytes) -> Generator[bytes]:
        self.pieces += 1
        yield layer


def image_of(*layers: bytes, name: str = "oci-dir:image", export: bool = False) -> LayeredImage:
    """Return an image of these layers."""
    config = ImageConfig(
        "linux/amd64",
        tuple(map(Digest.of, layers)),
        created_by=tuple(f"line {number}" for number in range(len(layers))),
    )
    source = FakeExport(list(layers)) if export else FakeStore(list(layers))
    descriptors = (
        (None,) * len(layers)
        if isinstance(source, FakeExport)
        else tuple(Descriptor("", Digest.of(data), len(data)) for data in source.stored)
    )
    numbered = number_layers(name, config, descriptors)
    return LayeredImage(name, None, None, config, numbered, source)


def parse_lines(path: str, data: bytes) -> Found:
    """Return a package for each line; `?` is a problem, `!` an error, `#` a fault of the parser."""
    packages, problems = [], []
    for line in data.decode().splitlines():
        if line == "!":
            raise ParseError(f"{path}: cannot be read")
        if line == "#":
            raise ZeroDivisionError
        if line == "?":
            problems.append(f"{path}: a line is no package")
            continue
        package, version = line.split()
        packages.append(Package("generic", package, version, locations=(path,), cataloger="lines"))
    return Found(tuple(packages), problems=tuple(problems))


LINES = Cataloger("lines", 1, r".*\.lines", LIMIT, parse_lines)
OTHERS = Cataloger("others", 1, r".*\.others", LIMIT, parse_lines)


class SizeScanner:
    """A scanner that takes the size of a program for its version."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece."""
        self._size += len(chunk)
        if b"FAULT" in chunk:
            raise ZeroDivisionError
        if b"ERROR" in chunk:
            raise ParseError(f"{self._path}: cannot be read")

    def finish(self) -> Found:
        """Return the package."""
        name = self._path.rpartition("/")[2]
        package = Package("generic", name, str(self._size), locations=(self._path,))
        return Found((package,)) if name != "nothing" else Found()


def select(path: str) -> Cataloger | None:
    """Return the cataloger by the ending of the path."""
    return {"lines": LINES, "others": OTHERS}.get(path.rpartition(".")[2])


def open_scanner(path: str, head: bytes, *, executable: bool) -> SizeScanner | None:
    """Return a scanner for what may be executed."""
    assert head.startswith(b"\x7fELF")
    return SizeScanner(path) if executable else None


CATALOGERS = Catalogers("lines/1 others/1", select, open_scanner)
