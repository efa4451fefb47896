"""What one layer holds, as far as later questions need it: names, links, whiteouts, chosen files.

Source: OCI image-spec 1.1, "Image Layer Filesystem Changeset". Entries of one name replace each
other in the order of the archive, as they do when it is unpacked; whiteouts speak of lower layers
only, wherever in the archive they stand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from titan_provenance.errors import CouldNotCheckError
from titan_provenance.image.names import MAX_NAME, NameList
from titan_provenance.image.tar import DIRECTORY, HARD_LINK, REGULAR, SYMLINK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from titan_provenance.image.tar import TarReader

T = TypeVar("T")

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
# AUFS kept its own records under names like .wh..wh.plnk; engines skip them.
_AUFS = b".wh..wh."


@dataclass(slots=True)
class LayerContents(Generic[T]):
    """What a layer holds; all names are relative to the root and normalised (`clean_name`).

    - `names`: every entry but whiteouts, directories with a slash at the end.
    - `symlinks`, `hard_links`: name and target in turn. Targets of hard links are normalised.
    - `whiteouts`: names that lower layers lose; `opaque`: directories whose content they lose.
    - `files`: what `read_contents` was told to keep for a regular file.
    """

    names: NameList = field(default_factory=NameList)
    symlinks: NameList = field(default_factory=NameList)
    hard_links: NameList = field(default_factory=NameList)
    whiteouts: NameList = field(default_factory=NameList)
    opaque: NameList = field(default_factory=NameList)
    files: dict[bytes, T] = field(default_factory=dict)


def read_contents(
    reader: TarReader, choose: Callable[[TarReader], T | None], where: str
) -> LayerContents[T]:
    """Read a layer to its end; `choose` is asked for each regular file and may read its body.

    What it returns is kept in `files`, unless it is None or a later entry replaces the file.
    Raises as the reader does, and CouldNotCheckError for a name longer than any system takes.
    """
    contents: LayerContents[T] = LayerContents()
    chosen = _Chosen(contents.files)
    add_name = contents.names.add
    while reader.next():
        name = reader.name
        kind = reader.kind
        if len(name) > MAX_NAME:
            raise CouldNotCheckError(f"{where}: has a name of {len(name)} bytes")
        if _WHITEOUT in name and _is_whiteout(name, contents):
            continue
        if kind == DIRECTORY:
            chosen.replace(name)
            add_name(name + b"/")
            continue
        add_name(name)
        chosen.replace(name)
        if name in chosen.parents:
            chosen.replace_directory(name)
        if kind == REGULAR:
            answer = choose(reader)
            if answer is not None:
                chosen.add(name, answer)
        elif kind in {SYMLINK, HARD_LINK}:
            _add_link(reader, contents, where)
    return contents


class _Chosen(Generic[T]):
    """The chosen files of a layer and the directories above them."""

    def __init__(self, files: dict[bytes, T]) -> None:
        self._files = files
        self.parents: set[bytes] = set()

    def add(self, name: bytes, answer: T) -> None:
        self._files[name] = answer
        add_parents(name, self.parents)

    def replace(self, name: bytes) -> None:
        self._files.pop(name, None)

    def replace_directory(self, name: bytes) -> None:
        for below in [path for path in self._files if path.startswith(name + b"/")]:
            del self._files[below]


def add_parents(name: bytes, parents: set[bytes]) -> None:
    """Add the directories above `name` to a set that has all directories above its members."""
    while (slash := name.rfind(b"/")) > 0:
        name = name[:slash]
        if name in parents:
            return
        parents.add(name)


def parents_of(name: bytes) -> Iterator[bytes]:
    """Yield the directories above `name`, the nearest first."""
    while (slash := name.rfind(b"/")) > 0:
        name = name[:slash]
        yield name


def _is_whiteout(name: bytes, contents: LayerContents[T]) -> bool:
    """Record a whiteout; say no for a name that only looks like one."""
    directory, _, last = name.rpartition(b"/")
    if last == _OPAQUE:
        contents.opaque.add(directory)
    elif last.startswith(_AUFS) or any(step.startswith(_AUFS) for step in directory.split(b"/")):
        pass
    elif last.startswith(_WHITEOUT) and last != _WHITEOUT:
        target = last[len(_WHITEOUT) :]
        # `.wh...` would name the directory above.
        if target not in {b".", b".."}:
            contents.whiteouts.add(directory + b"/" + target if directory else target)
    else:
        return last == _WHITEOUT
    return True


def _add_link(reader: TarReader, contents: LayerContents[T], where: str) -> None:
    link = reader.link
    if len(link) > MAX_NAME:
        raise CouldNotCheckError(f"{where}: has a link to a name of {len(link)} bytes")
    links = contents.symlinks if reader.kind == SYMLINK else contents.hard_links
    links.add(reader.name)
    links.add(link)
