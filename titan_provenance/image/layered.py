"""An image with its layers: what every source can say of them, and how their bytes are had.

Registries, layouts and archives give any layer at any time; the engine gives all layers of an
image at once and in its own order, so that nobody should ask who has them already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from titan_provenance.errors import CouldNotCheckError, UsageError
from titan_provenance.image.config import ImageConfig, parse_config
from titan_provenance.image.identity import (
    IdentifiedSource,
    images_of,
    is_same_platform,
    read_manifest,
    select_platform,
)
from titan_provenance.image.layer import Layer
from titan_provenance.image.manifest import Index, Manifest
from titan_provenance.image.source import (
    CONFIG_LIMIT,
    Descriptor,
    ImageSource,
    read_verified,
    stream_verified,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from titan_provenance.image.identity import AnySource
    from titan_provenance.model.digest import Digest


class LayerStore(Protocol):
    """Gives any layer at any time."""

    def open_layer(self, layer: Layer) -> Generator[bytes]:
        """Yield the bytes of a layer as they are stored, their digest verified where it is known.

        Raises VerificationError and CouldNotCheckError.
        """


@runtime_checkable
class LayerExport(Protocol):
    """Gives all layers of an image in one pass, in an order of its own."""

    def export_layers(self) -> Generator[tuple[str, Generator[bytes]]]:
        """Yield a name for messages and the bytes of each content that may be a layer.

        The bytes have to be read, if at all, before the next content is asked for. Raises
        CouldNotCheckError.
        """


@dataclass(frozen=True, slots=True)
class LayeredImage:
    """One image for one platform, its layers lowest first.

    `manifest` is the digest of its manifest, None where the source has none; `config_digest` that
    of its config, None where the source does not tell.
    """

    name: str
    manifest: Digest | None
    config_digest: Digest | None
    config: ImageConfig
    layers: tuple[Layer, ...]
    source: LayerStore | LayerExport


def read_image(source: AnySource, platform: str = "") -> LayeredImage:
    """Return the image of `source` for `platform`, which may be left out if there is only one.

    Raises UsageError when the platform has to be named or is not there, VerificationError for
    bytes that are not those of their digest, CouldNotCheckError for what cannot be read.
    """
    if isinstance(source, IdentifiedSource):
        return source.layered(platform)
    descriptor = source.root()
    document = read_manifest(source, descriptor)
    if isinstance(document, Index):
        descriptor = _choose(document, platform, source.name)
        document = read_manifest(source, descriptor)
    if not isinstance(document, Manifest) or not document.is_image:
        raise CouldNotCheckError(f"{source.name}: {descriptor.digest} is no container image")
    data = read_verified(source, document.config, CONFIG_LIMIT)
    config = parse_config(data, f"{source.name}: {document.config.digest}")
    check_platform(source.name, config, platform)
    layers = number_layers(source.name, config, document.layers)
    return LayeredImage(
        source.name, descriptor.digest, document.config.digest, config, layers, _Blobs(source)
    )


def _choose(index: Index, platform: str, name: str) -> Descriptor:
    if platform:
        return select_platform(index, platform)
    images = images_of(index)
    if len(images) == 1:
        return images[0]
    found = ", ".join(sorted({item.platform for item in images if item.platform})) or "none"
    raise UsageError(f"{name}: which platform? There are: {found}", hint="Name it with --platform.")


def check_platform(name: str, config: ImageConfig, platform: str) -> None:
    """Raise UsageError when the only image there is is not for `platform`."""
    if platform and not is_same_platform(config.platform, platform):
        raise UsageError(f"{name}: is an image for {config.platform}, not for {platform}")


def number_layers(
    name: str, config: ImageConfig, descriptors: tuple[Descriptor | None, ...]
) -> tuple[Layer, ...]:
    """Return the layers that config and manifest state together; raises CouldNotCheckError."""
    if len(config.diff_ids) != len(descriptors):
        raise CouldNotCheckError(
            f"{name}: the manifest has {len(descriptors)} layers, the config {len(config.diff_ids)}"
        )
    rows = zip(config.diff_ids, descriptors, config.created_by, strict=True)
    return tuple(Layer(index, *row) for index, row in enumerate(rows))


class _Blobs:
    """The layers of an image that has a manifest."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source

    def open_layer(self, layer: Layer) -> Generator[bytes]:
        if layer.descriptor is None:
            raise CouldNotCheckError(f"{self._source.name}: layer {layer.index} has no descriptor")
        return stream_verified(self._source, layer.descriptor)
