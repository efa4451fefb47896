"""Images → bills, several at once: layers that they share are read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.cataloger.executable import open_scanner
from titan_provenance.cataloger.select import CATALOGER_SET, select
from titan_provenance.errors import TitanProvenanceError
from titan_provenance.image.layered import read_image
from titan_provenance.sbom.cache import LayerCache
from titan_provenance.sbom.layer_scan import Catalogers
from titan_provenance.sbom.make import count_base_layers, make_bill
from titan_provenance.sbom.scan import scan_images

if TYPE_CHECKING:
    from collections.abc import Mapping

    from titan_provenance.image.identity import AnySource
    from titan_provenance.image.layered import LayeredImage
    from titan_provenance.sbom.bill import Bill


class Wanted(NamedTuple):
    """An image whose bill is wanted, and what the bill shall call it."""

    source: AnySource
    name: str
    version: str


def make_bills(
    wanted: Mapping[str, Wanted],
    *,
    platform: str = "",
    cache_directory: str | None = None,
    epoch: int | None = None,
) -> dict[str, Bill | TitanProvenanceError]:
    """Return the bill of each image, or the error that there was instead.

    `cache_directory` is where layers are kept that were read before, None keeps nothing. `epoch`
    is the time of the bills; without it, when each image was made.
    """
    outcomes: dict[str, Bill | TitanProvenanceError] = {}
    images: dict[str, LayeredImage] = {}
    for key, item in wanted.items():
        try:
            images[key] = read_image(item.source, platform)
        except TitanProvenanceError as error:
            outcomes[key] = error
    cache = LayerCache(cache_directory, CATALOGER_SET) if cache_directory else None
    catalogers = Catalogers(CATALOGER_SET, select, open_scanner)
    scans = scan_images(list(images.values()), catalogers, cache=cache)
    for (key, image), scan in zip(images.items(), scans, strict=True):
        if isinstance(scan, TitanProvenanceError):
            outcomes[key] = scan
            continue
        others = [other for name, other in images.items() if name != key]
        outcomes[key] = make_bill(
            scan,
            name=wanted[key].name,
            version=wanted[key].version,
            base_layers=count_base_layers(image, others),
            epoch=epoch,
        )
    return {key: outcomes[key] for key in wanted}
