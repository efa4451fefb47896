"""The files of an image that somebody asked for, layer upon layer, and its symbolic links.

Each layer takes away what its whiteouts name and what its own entries replace, and then adds
(OCI image-spec 1.1, "Applying Changesets"). Links are resolved as for a process whose root the
image is: absolute targets start at it, `..` does not leave it, and forty links in one path are too
many (path_resolution(7)). No other names are kept: memory goes with what was chosen, and what was
not chosen is looked through once per layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from titan_provenance.image.contents import LayerContents, add_parents, parents_of
from titan_provenance.image.names import pairs
from titan_provenance.image.tar_header import clean_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from titan_provenance.image.names import NameList

T = TypeVar("T")

MAX_LINKS = 40
# An image with more symbolic links than this is no image of programs; further ones stay unknown.
MAX_SYMLINKS = 1_000_000


class Kept(NamedTuple, Generic[T]):
    """A chosen file of the image: what was kept for it, and the layer that it is from.

    `name` is the name under which its content stands in that layer: another one for hard links.
    """

    layer: int
    name: bytes
    value: T


class Removed(NamedTuple, Generic[T]):
    """A chosen file that a later layer hides or replaces with another."""

    path: bytes
    kept: Kept[T]
    layer: int


class ImageTree(Generic[T]):
    """The chosen files of the layers applied so far, by path.

    `removed` has what was there before: every file that layer upon layer took away or replaced,
    in that order.
    """

    def __init__(self) -> None:
        self.files: dict[bytes, Kept[T]] = {}
        self.removed: list[Removed[T]] = []
        self._links: dict[bytes, bytes] = {}
        self._parents: set[bytes] = set()

    def apply(self, contents: LayerContents[T], layer: int) -> None:
        """Put the next layer, number `layer`, on top.

        Raises DocumentError when its names are damaged (they may come from a cache).
        """
        if layer and (self.files or self._links):
            self._take_away(contents, layer)
        for name, target in pairs(contents.symlinks):
            if len(self._links) < MAX_SYMLINKS:
                self._links[name] = target
                add_parents(name, self._parents)
        for name, value in contents.files.items():
            self._add(name, Kept(layer, name, value), layer)
        for name, target in pairs(contents.hard_links):
            if name not in contents.files and (kept := self._at(clean_name(target))):
                self._add(name, kept, layer)

    def resolve(self, path: bytes) -> bytes:
        """Return the path with all symbolic links followed.

        Where links go in a circle, or are too many, it is the path as far as it could be followed.
        """
        steps = path.split(b"/")[::-1]
        done: list[bytes] = []
        followed = 0
        while steps:
            step = steps.pop()
            if step in {b"", b"."}:
                continue
            if step == b"..":
                del done[-1:]
                continue
            done.append(step)
            target = self._links.get(b"/".join(done))
            if target is None:
                continue
            followed += 1
            if followed > MAX_LINKS:
                return b"/".join([*done, *(rest for rest in steps[::-1] if rest)])
            done = [] if target[:1] == b"/" else done[:-1]
            steps += target.split(b"/")[::-1]
        return b"/".join(done)

    def _at(self, name: bytes) -> Kept[T] | None:
        return self.files.get(name) or self.files.get(self.resolve(name))

    def _add(self, name: bytes, kept: Kept[T], layer: int) -> None:
        """Add a file where its directory really is; what stood there before is replaced."""
        directory, _, last = name.rpartition(b"/")
        if directory and self._links and any(above in self._links for above in parents_of(name)):
            name = self.resolve(directory) + b"/" + last
        self._drop(name, layer)
        self.files[name] = kept
        add_parents(name, self._parents)

    def _drop(self, name: bytes, layer: int) -> None:
        self._links.pop(name, None)
        kept = self.files.pop(name, None)
        if kept is not None:
            self.removed.append(Removed(name, kept, layer))

    def _take_away(self, contents: LayerContents[T], layer: int) -> None:
        """Remove what the whiteouts of a layer name and what its entries replace."""
        gone = self._where(contents.whiteouts)
        emptied = set(map(self.resolve, contents.opaque))
        below = (gone & self._parents) | (emptied & self._parents)
        present = self.files.keys() | self._links.keys()
        gone &= present
        candidates = present | self._parents | {name + b"/" for name in present}
        for block in contents.names.blocks():
            for name in candidates.intersection(block):
                plain = name.removesuffix(b"/")
                # A directory joins one that is there, and replaces all else; all else replaces it.
                (gone if plain in present else below).add(plain)
        for name in gone:
            self._drop(name, layer)
        if b"" in emptied:
            self._drop_all(present, layer)
        elif below:
            self._drop_all(
                (name for name in present if any(above in below for above in parents_of(name))),
                layer,
            )

    def _drop_all(self, names: Iterable[bytes], layer: int) -> None:
        for name in sorted(names):
            self._drop(name, layer)

    def _where(self, names: NameList) -> set[bytes]:
        """Return names of lower layers, the links on the way to them followed."""
        found = set()
        for name in names:
            directory, slash, last = name.rpartition(b"/")
            found.add(self.resolve(directory) + slash + last if self._links else name)
        return found
