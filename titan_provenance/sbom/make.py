"""From the scan of an image to its bill: refs, licences, CPEs, layers and origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from titan_provenance.model.instant import from_epoch, read_foreign_instant
from titan_provenance.sbom.bill import Bill, Component, Coverage, Layer
from titan_provenance.sbom.licenses import spdx_expression

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from titan_provenance.image.layered import LayeredImage
    from titan_provenance.model.digest import Digest
    from titan_provenance.model.package import Package
    from titan_provenance.sbom.bill import Origin, Status
    from titan_provenance.sbom.layer_scan import CatalogerStatus
    from titan_provenance.sbom.scan import ImageScan

_OS_TYPES = frozenset({"deb", "apk", "rpm"})
_WORST: tuple[Status, ...] = ("succeeded", "partial", "failed")
_CPE_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def make_bill(
    scan: ImageScan, *, name: str, version: str = "", base_layers: int, epoch: int | None = None
) -> Bill:
    """Return the bill of a scanned image.

    `base_layers` is the number of layers that belong to the base image (`count_base_layers`),
    `epoch` the time of the bill in seconds since 1970; without it the image's own creation counts.
    """
    image = scan.image
    layers = _layers(image)
    refs = [package.purl for package in scan.inventory.packages]
    edges: dict[str, list[str]] = {}
    for source, target in scan.inventory.edges:
        edges.setdefault(refs[source], []).append(refs[target])
    components = []
    for package, place in zip(scan.inventory.packages, scan.origins, strict=True):
        origin: Origin = "base" if place.first < base_layers else "service"
        components.append(
            Component(
                ref=package.purl,
                package=package,
                layer=layers[place.first] if layers else None,
                origin=origin,
                license=spdx_expression(package.licenses),
                cpe=_cpe(package),
            )
        )
    return Bill(
        name=name,
        version=version,
        digest=image.manifest or image.config_digest,
        platform=image.config.platform,
        created=_created(image.config.created, epoch),
        components=tuple(components),
        dependencies={ref: tuple(sorted(targets)) for ref, targets in edges.items()},
        coverage=_coverage(scan.statuses),
        layers=layers,
        distro=scan.inventory.distro,
        labels=tuple(sorted(image.config.labels.items())),
    )


def count_base_layers(image: LayeredImage, others: Sequence[LayeredImage]) -> int:
    """Return how many of the lowest layers belong to the base image.

    That is the longest run of lowest layers shared with an image of `others`; without one, the
    lowest layer of an image of several, which is what a `FROM` starts with.
    """
    ids = [layer.diff_id for layer in image.layers]
    shared = 0
    for other in others:
        theirs = [layer.diff_id for layer in other.layers]
        if theirs != ids:
            shared = max(shared, _common(ids, theirs))
    return shared or (1 if len(ids) > 1 else 0)


def _common(one: Sequence[Digest], other: Sequence[Digest]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _layers(image: LayeredImage) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            layer.index,
            layer.descriptor.digest if layer.descriptor else None,
            layer.diff_id,
            layer.created_by,
        )
        for layer in image.layers
    )


def _coverage(statuses: Sequence[Sequence[CatalogerStatus]]) -> tuple[Coverage, ...]:
    """Return how each cataloger fared on the image: as badly as on its worst layer."""
    worst: dict[str, int] = {}
    reasons: dict[str, list[str]] = {}
    for number, layer in enumerate(statuses):
        for status in layer:
            rank = ("succeeded", "partial", "failed").index(status.status)
            worst[status.cataloger] = max(rank, worst.get(status.cataloger, 0))
            found = reasons.setdefault(status.cataloger, [])
            found += [f"layer {number}: {reason}" for reason in status.reasons]
    return tuple(
        Coverage(name, _WORST[worst[name]], tuple(reasons[name])) for name in sorted(worst)
    )


def _created(text: str, epoch: int | None) -> datetime:
    return read_foreign_instant(text) if epoch is None else from_epoch(epoch)


def _cpe(package: Package) -> str:
    """Return a CPE 2.3 name for a package of the operating system, vendor and product its name.

    Source: NIST IR 7695, "Formatted String Binding".
    """
    if package.type not in _OS_TYPES:
        return ""
    product = _cpe_text(package.source or package.name)
    return f"cpe:2.3:a:{product}:{product}:{_cpe_text(package.version)}:*:*:*:*:*:*:*"


def _cpe_text(text: str) -> str:
    plain = "".join(char if char in _CPE_PLAIN else f"\\{char}" for char in text)
    return plain.lower() or "*"
