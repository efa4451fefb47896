"""One layer against all catalogers, in one pass: what was found, and how much of it holds.

A layer's answer does not depend on the image it is in, so that it can be kept by diffID. A file
that a cataloger cannot read makes a status, never an error: the rest of the layer is read on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.cataloger.interface import Found, ParseError
from titan_provenance.errors import TitanProvenanceError
from titan_provenance.image.contents import LayerContents, read_contents
from titan_provenance.image.layer import PlainLayer
from titan_provenance.image.names import pairs
from titan_provenance.image.tar import TarReader
from titan_provenance.image.tar_header import clean_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from titan_provenance.cataloger.interface import Cataloger, Scanner
    from titan_provenance.image.inflate import Limits
    from titan_provenance.model.digest import Digest

# Larger programs exist only by accident or on purpose.
MAX_EXECUTABLE = 2 << 30
_MIN_EXECUTABLE = 512
_HEAD = 1 << 12
_ELF = b"\x7fELF"
EXECUTABLE = "executable"


class Catalogers(NamedTuple):
    """The catalogers that are asked: which one reads a path, and which scanner an executable.

    `version` names all of them with their versions; answers of another version are not reused.
    """

    version: str
    select: Callable[[str], Cataloger | None]
    open_scanner: Callable[..., Scanner | None]


class FileScan(NamedTuple):
    """What a cataloger found in one file; `failure` says why nothing could be read of it.

    `place` is the path that it was read for where that is a hard link's, not the file's own.
    """

    cataloger: str
    found: Found = Found()
    failure: str = ""
    place: str = ""


class CatalogerStatus(NamedTuple):
    """How one cataloger fared on the files of a layer.

    `status` is `succeeded`, `partial` (`reasons` say what could not be read) or `failed` (nothing
    could). `files` counts what it was given.
    """

    cataloger: str
    status: str
    files: int
    reasons: tuple[str, ...] = ()


class LayerScan(NamedTuple):
    """What is in one layer: `size` is that of the plain tar."""

    diff_id: Digest
    size: int
    contents: LayerContents[FileScan]

    def statuses(self) -> tuple[CatalogerStatus, ...]:
        """Return the status of each cataloger that had something to read here, by name."""
        by_name: dict[str, list[FileScan]] = {}
        for scan in self.contents.files.values():
            by_name.setdefault(scan.cataloger, []).append(scan)
        return tuple(_status(name, scans) for name, scans in sorted(by_name.items()))


def scan_layer(  # noqa: PLR0913 - those with a default are all independent
    chunks: Iterable[bytes],
    where: str,
    catalogers: Catalogers,
    *,
    expected: Digest | None = None,
    limits: Limits | None = None,
    places: Mapping[bytes, bytes] | None = None,
) -> LayerScan:
    """Read a layer as it is stored, once; `where` names it in errors.

    Files that `places` names are read as if they had the names given there, see `unread_links`.
    Raises VerificationError when it is not the layer that was `expected`, and CouldNotCheckError
    for what is no layer that can be read.
    """
    plain = PlainLayer(chunks, where, expected=expected, limits=limits)
    reader = TarReader(plain, where)

    def choose(reader: TarReader) -> FileScan | None:
        place = places.get(reader.name) if places else None
        path = show_path(place or reader.name)
        cataloger = catalogers.select(path)
        if cataloger is not None:
            scan = _parse(cataloger, path, reader)
            return scan._replace(place=path) if place else scan
        if reader.size >= _MIN_EXECUTABLE and reader.head(len(_ELF)) == _ELF:
            return _scan_executable(catalogers, path, reader)
        return None

    contents = read_contents(reader, choose, where)
    return LayerScan(plain.diff_id, plain.size, contents)


def unread_links(scan: LayerScan, catalogers: Catalogers) -> dict[bytes, bytes]:
    """Return the files that nobody wanted by their own names but by those of hard links to them.

    The content stands in the archive under whichever name comes first: pnpm's store comes before
    /usr/src/app. Such a layer has to be read again, with what is returned here as `places`.
    """
    wanted: dict[bytes, bytes] = {}
    files = scan.contents.files
    for name, target in pairs(scan.contents.hard_links):
        if name not in files and catalogers.select(show_path(name)):
            wanted.setdefault(clean_name(target), name)
    wanted = {target: name for target, name in wanted.items() if target not in files}
    if not wanted:
        return {}
    here = {name for names in scan.contents.names.blocks() for name in wanted.keys() & set(names)}
    return {target: wanted[target] for target in here}


def show_path(name: bytes) -> str:
    r"""Return a name as text; bytes that are no UTF-8 are written `\xff`."""
    return name.decode("utf-8", "backslashreplace")


def _parse(cataloger: Cataloger, path: str, reader: TarReader) -> FileScan:
    if reader.size > cataloger.max_size:
        return FileScan(
            cataloger.name,
            failure=f"{path}: has {reader.size} bytes, more than {cataloger.max_size}",
        )
    data = reader.read()
    try:
        return FileScan(cataloger.name, cataloger.parse(path, data))
    except ParseError as error:
        return FileScan(cataloger.name, failure=error.message)
    except Exception as error:  # noqa: BLE001 - a fault of one cataloger must not end the others
        return FileScan(cataloger.name, failure=_fault(path, error))


def _scan_executable(catalogers: Catalogers, path: str, reader: TarReader) -> FileScan | None:
    """Feed a program to its scanner; None where there is none or nothing was found."""
    head = reader.head(_HEAD)
    executable = reader.is_executable
    try:
        scanner = catalogers.open_scanner(path, head, executable=executable)
        if scanner is None:
            return None
        if reader.size > MAX_EXECUTABLE:
            return FileScan(EXECUTABLE, failure=f"{path}: has {reader.size} bytes: not read")
        for piece in reader.body():
            scanner.feed(piece)
        found = scanner.finish()
    except ParseError as error:
        return FileScan(EXECUTABLE, failure=error.message)
    except TitanProvenanceError:
        raise  # of the layer itself
    except Exception as error:  # noqa: BLE001 - as in _parse
        return FileScan(EXECUTABLE, failure=_fault(path, error))
    return FileScan(EXECUTABLE, found) if found != Found() else None


def _fault(path: str, error: Exception) -> str:
    return f"{path}: internal error: {type(error).__name__}"


def _status(name: str, scans: list[FileScan]) -> CatalogerStatus:
    failures = [scan.failure for scan in scans if scan.failure]
    problems = [problem for scan in scans for problem in scan.found.problems]
    status = "succeeded"
    if failures and len(failures) == len(scans):
        status = "failed"
    elif failures or problems:
        status = "partial"
    return CatalogerStatus(name, status, len(scans), tuple(sorted([*failures, *problems])))
