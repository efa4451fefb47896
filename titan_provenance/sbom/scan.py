"""Images to packages: each unique layer read once or taken from the cache, then layer upon layer.

One image's failure is its own: the others are scanned on.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.cataloger.assemble import Inventory, assemble
from titan_provenance.errors import CouldNotCheckError, TitanProvenanceError
from titan_provenance.image.layered import LayerExport
from titan_provenance.image.tree import ImageTree
from titan_provenance.model.digest import Digest
from titan_provenance.sbom.layer_scan import (
    CatalogerStatus,
    FileScan,
    LayerScan,
    scan_layer,
    show_path,
    unread_links,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from titan_provenance.cataloger.interface import Found
    from titan_provenance.image.inflate import Limits
    from titan_provenance.image.layer import Layer
    from titan_provenance.image.layered import LayeredImage, LayerStore
    from titan_provenance.image.tree import Kept
    from titan_provenance.model.package import Package
    from titan_provenance.sbom.cache import LayerCache
    from titan_provenance.sbom.layer_scan import Catalogers

WORKERS = 2
Places = dict[bytes, bytes]


class Origin(NamedTuple):
    """Where a package comes from, as indexes of layers.

    `layer` holds the file that states it now, `first` is the lowest that stated it at the same
    place: a package database is written anew with every change.
    """

    layer: int
    first: int


class RemovedPackage(NamedTuple):
    """A package that a lower layer has and the finished image has no more."""

    package: Package
    first: int
    removed_by: int


@dataclass(frozen=True, slots=True)
class ImageScan:
    """What is in an image.

    `origins` has one element for each package of the inventory; `statuses` one tuple for each layer
    of the image.
    """

    image: LayeredImage
    inventory: Inventory
    origins: tuple[Origin, ...]
    removed: tuple[RemovedPackage, ...]
    statuses: tuple[tuple[CatalogerStatus, ...], ...]


def scan_images(
    images: Sequence[LayeredImage],
    catalogers: Catalogers,
    *,
    cache: LayerCache | None = None,
    limits: Limits | None = None,
) -> list[ImageScan | TitanProvenanceError]:
    """Return what is in each image, or the error that there was instead."""
    layers = _Layers(catalogers, cache, limits)
    layers.load(images)
    layers.read(images)
    return [_attempt(image, layers.found) for image in images]


def merge_layers(image: LayeredImage, scans: Sequence[LayerScan]) -> ImageScan:
    """Return what is in an image whose layers were found to hold `scans`, lowest first."""
    tree: ImageTree[FileScan] = ImageTree()
    for index, scan in enumerate(scans):
        tree.apply(scan.contents, index)
    founds = {
        show_path(path): _found_at(path, kept)
        for path, kept in tree.files.items()
        if not kept.value.failure and not (kept.value.place and path == kept.name)
    }

    def resolve(path: str) -> str:
        return show_path(tree.resolve(path.encode("utf-8", "replace")))

    inventory = assemble(founds, resolve)
    history = _History(tree)
    return ImageScan(
        image,
        inventory,
        tuple(history.origin(package) for package in inventory.packages),
        history.removed(inventory),
        tuple(scan.statuses() for scan in scans),
    )


class _Layers:
    """The layers of all images, each read once: `found` has the answer or the error by diffID."""

    def __init__(
        self, catalogers: Catalogers, cache: LayerCache | None, limits: Limits | None
    ) -> None:
        self.found: dict[Digest, LayerScan | TitanProvenanceError] = {}
        self._catalogers = catalogers
        self._cache = cache
        self._limits = limits

    def load(self, images: Iterable[LayeredImage]) -> None:
        """Take from the cache what it has."""
        if not self._cache:
            return
        for diff_id in {layer.diff_id for image in images for layer in image.layers}:
            scan = self._cache.load(diff_id)
            if scan:
                self.found[diff_id] = scan

    def read(self, images: Iterable[LayeredImage]) -> None:
        """Read what is missing: two layers at a time, the largest first, where a source can."""
        from concurrent.futures import ThreadPoolExecutor

        todo: dict[Digest, tuple[LayeredImage, LayerStore, Layer]] = {}
        exports: list[tuple[LayeredImage, LayerExport]] = []
        for image in images:
            if isinstance(image.source, LayerExport):
                exports.append((image, image.source))
                continue
            for layer in image.layers:
                if layer.diff_id not in self.found:
                    todo.setdefault(layer.diff_id, (image, image.source, layer))
        order = sorted(todo.values(), key=lambda item: -_stored_size(item[2]))
        if order:
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(lambda item: self._read_layer(*item), order))
        for image, source in exports:
            self._read_export(image, source)

    def _read_layer(self, image: LayeredImage, source: LayerStore, layer: Layer) -> None:
        where = f"{image.name}: layer {layer.index}"
        try:
            with closing(source.open_layer(layer)) as chunks:
                scan = self._scan(chunks, where, layer.diff_id)
            if places := unread_links(scan, self._catalogers):
                with closing(source.open_layer(layer)) as chunks:
                    scan = self._scan(chunks, where, layer.diff_id, places)
            self._keep(scan)
        except TitanProvenanceError as error:
            self.found[layer.diff_id] = error

    def _read_export(self, image: LayeredImage, source: LayerExport) -> None:
        """Read an export only if a layer of the image is missing, and only until none is."""
        missing = {layer.diff_id for layer in image.layers} - self.found.keys()
        if not missing:
            return
        problem: TitanProvenanceError = CouldNotCheckError(
            f"{image.name}: the export lacks layers that the image has"
        )
        try:
            again = self._read_contents(image, source, missing, {})
            if again:
                self._read_contents(image, source, missing, again)
        except TitanProvenanceError as error:
            problem = error
        self.found |= dict.fromkeys(missing, problem)

    def _read_contents(
        self,
        image: LayeredImage,
        source: LayerExport,
        missing: set[Digest],
        again: Mapping[str, Places],
    ) -> dict[str, Places]:
        """Read an export, or those contents that are to be read again; return what to read again.

        What was read is no longer `missing`; ends as soon as nothing is.
        """
        unread: dict[str, Places] = {}
        with closing(source.export_layers()) as contents:
            for name, chunks in contents:
                if (again and name not in again) or self._is_found(name):
                    continue
                scan = self._scan(chunks, f"{image.name}: {name}", None, again.get(name))
                places = {} if again else unread_links(scan, self._catalogers)
                if places:
                    unread[name] = places
                    continue
                self._keep(scan)
                missing.discard(scan.diff_id)
                if not missing:
                    break
        return unread

    def _is_found(self, name: str) -> bool:
        """Say whether a content is named by the diffID of a layer that is there already."""
        return Digest(name.rpartition("/")[2]) in self.found

    def _scan(
        self,
        chunks: Iterable[bytes],
        where: str,
        expected: Digest | None,
        places: Places | None = None,
    ) -> LayerScan:
        return scan_layer(
            chunks, where, self._catalogers, expected=expected, limits=self._limits, places=places
        )

    def _keep(self, scan: LayerScan) -> None:
        self.found[scan.diff_id] = scan
        if self._cache:
            self._cache.store(scan)


def _attempt(
    image: LayeredImage, found: Mapping[Digest, LayerScan | TitanProvenanceError]
) -> ImageScan | TitanProvenanceError:
    scans: list[LayerScan] = []
    for layer in image.layers:
        answer = found[layer.diff_id]
        if isinstance(answer, TitanProvenanceError):
            return answer
        scans.append(answer)
    try:
        return merge_layers(image, scans)
    except TitanProvenanceError as error:
        return error


def _stored_size(layer: Layer) -> int:
    return layer.descriptor.size if layer.descriptor else 0


def _found_at(path: bytes, kept: Kept[FileScan]) -> Found:
    """Return what was found in a file, said of the path that it has: hard links have another."""
    found = kept.value.found
    old, new = kept.value.place or show_path(kept.name), show_path(path)
    if old == new:
        return found
    return found._replace(
        packages=tuple(
            package._replace(
                locations=tuple(new if place == old else place for place in package.locations)
            )
            for package in found.packages
        )
    )


Identity = tuple[str, str, str]


def _identity(package: Package) -> Identity:
    """Return what makes a package the same in each layer, whatever the distribution is called."""
    return package.type, package.name, package.version


class _History:
    """Which layers stated a package at a place, those that were replaced included."""

    def __init__(self, tree: ImageTree[FileScan]) -> None:
        self._tree = tree
        self._now = {show_path(path): kept for path, kept in tree.files.items()}
        self._first: dict[tuple[str, Identity], int] = {}
        for removed in tree.removed:
            place = show_path(removed.path)
            for package in removed.kept.value.found.packages:
                key = place, _identity(package)
                self._first[key] = min(removed.kept.layer, self._first.get(key, removed.layer))

    def origin(self, package: Package) -> Origin:
        """Return the lowest layers of all places of a package."""
        identity = _identity(package)
        layers = {
            place: self._now[place].layer for place in package.locations if place in self._now
        }
        firsts = [self._first.get((place, identity), layer) for place, layer in layers.items()]
        return Origin(min(layers.values(), default=0), min(firsts, default=0))

    def removed(self, inventory: Inventory) -> tuple[RemovedPackage, ...]:
        """Return the packages that are nowhere in the image any more, sorted."""
        present = set(map(_identity, inventory.packages))
        for kept in self._now.values():
            present.update(map(_identity, kept.value.found.packages))
        gone: dict[Identity, RemovedPackage] = {}
        for removed in self._tree.removed:
            for package in removed.kept.value.found.packages:
                identity = _identity(package)
                if identity not in present:
                    known = gone.get(identity)
                    first = min(removed.kept.layer, known.first if known else removed.layer)
                    gone[identity] = RemovedPackage(package, first, removed.layer)
        return tuple(gone[identity] for identity in sorted(gone))
