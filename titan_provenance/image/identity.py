"""What an image is: the digest a deploy pulls, and manifest and config digest of each platform.

No layer is read: an index costs one round of requests for its manifests, a single manifest one for
its config.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from titan_provenance.errors import CouldNotCheckError, TitanProvenanceError, UsageError
from titan_provenance.image.manifest import (
    MANIFEST_MEDIA_TYPES,
    Index,
    Manifest,
    parse_config_platform,
    parse_manifest,
)
from titan_provenance.image.source import (
    CONFIG_LIMIT,
    MANIFEST_LIMIT,
    Descriptor,
    ImageSource,
    read_verified,
)
from titan_provenance.model.names import parse_platform
from titan_provenance.model.release import PlatformImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from titan_provenance.image.layered import LayeredImage
    from titan_provenance.model.digest import Digest

T = TypeVar("T")
R = TypeVar("R")

MAX_WORKERS = 32
MAX_PLATFORMS = 64
_NO_PLATFORM = "unknown/unknown"
# What containerd's platform matcher takes for the same: the variant that goes without saying.
_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """What an image is.

    `digest` is what a deploy pulls, of the index or manifest; None where the source has no
    manifest of a registry (docker-archive). `answered_by` names the source that said so.
    """

    digest: Digest | None
    platforms: tuple[PlatformImage, ...]
    answered_by: str


@runtime_checkable
class IdentifiedSource(Protocol):
    """A source that knows an image without manifests to read: the engine, a docker-archive."""

    @property
    def name(self) -> str:
        """The image reference with its transport, `docker:ghcr.io/titan/brain:1.4.0`."""

    def identity(self) -> ImageIdentity:
        """Return the identity that this source answers."""

    def layered(self, platform: str = "") -> LayeredImage:
        """Return the image with its layers, which has to be for `platform` if that is named."""


AnySource = ImageSource | IdentifiedSource


def identify(source: AnySource) -> ImageIdentity:
    """Return what the image of `source` is.

    Raises VerificationError for bytes that are not those of their digest, CouldNotCheckError for
    what cannot be read or is no container image.
    """
    if isinstance(source, IdentifiedSource):
        return source.identity()
    root = source.root()
    document = read_manifest(source, root)
    if isinstance(document, Manifest):
        platforms = [_platform_image(source, root, document)]
    else:
        platforms = _index_platforms(source, document)
    return ImageIdentity(root.digest, tuple(sorted(platforms, key=_order)), source.name)


def identify_all(
    sources: Mapping[str, AnySource],
) -> dict[str, ImageIdentity | TitanProvenanceError]:
    """Return the identity of each source, or the error that there was instead, all at once."""

    def attempt(source: AnySource) -> ImageIdentity | TitanProvenanceError:
        try:
            return identify(source)
        except TitanProvenanceError as error:
            return error

    return dict(zip(sources, _each(attempt, sources.values()), strict=True))


def read_manifest(source: ImageSource, descriptor: Descriptor) -> Index | Manifest:
    """Return the verified index or manifest that `descriptor` describes.

    Raises as `read_verified` and `parse_manifest` do.
    """
    data = read_verified(source, descriptor, MANIFEST_LIMIT)
    return parse_manifest(data, descriptor.media_type, f"{source.name}: {descriptor.digest}")


def select_platform(index: Index, platform: str) -> Descriptor:
    """Return the manifest of `index` for `platform`, `linux/amd64` or `linux/arm64/v8`.

    Raises UsageError, naming those there are, when none or more than one fits.
    """
    wanted = _canonical(parse_platform(platform))
    images = images_of(index)
    fitting = [item for item in images if item.platform and _canonical(item.platform) == wanted]
    if len(fitting) == 1:
        return fitting[0]
    found = ", ".join(sorted({item.platform for item in images if item.platform})) or "none"
    problem = "no image" if not fitting else "more than one image"
    raise UsageError(f"there is {problem} for {platform}; platforms: {found}")


def _index_platforms(source: ImageSource, index: Index) -> list[PlatformImage]:
    def read(child: Descriptor) -> PlatformImage | None:
        manifest = read_manifest(source, child)
        if isinstance(manifest, Manifest) and manifest.is_image:
            return _platform_image(source, child, manifest)
        return None

    images = images_of(index)
    if len(images) > MAX_PLATFORMS:
        # Each may take its registry's whole patience and 4 MiB.
        raise CouldNotCheckError(
            f"{source.name}: the index names {len(images)} images, more than {MAX_PLATFORMS}"
        )
    found = [item for item in _each(read, images) if item]
    if not found:
        raise CouldNotCheckError(f"{source.name}: the index names no container image")
    return found


def images_of(index: Index) -> list[Descriptor]:
    """Return the children that an engine may choose: it goes by the platform, not by annotations.

    BuildKit gives its attestations the platform unknown/unknown. An annotation alone would let a
    child that engines run pass for an attestation, so none is looked at.
    """
    return [
        item
        for item in index.manifests
        if item.media_type in MANIFEST_MEDIA_TYPES and item.platform != _NO_PLATFORM
    ]


def _platform_image(
    source: ImageSource, descriptor: Descriptor, manifest: Manifest
) -> PlatformImage:
    config = manifest.config
    if not manifest.is_image:
        raise CouldNotCheckError(
            f"{source.name}: is no container image: its config is {config.media_type[:100]!r}"
        )
    platform = descriptor.platform
    if platform is None:
        data = read_verified(source, config, CONFIG_LIMIT)
        platform = parse_config_platform(data, f"{source.name}: {config.digest}")
    return PlatformImage(platform, descriptor.digest, config.digest)


def is_same_platform(one: str, other: str) -> bool:
    """Say whether two platforms are one, the variant that goes without saying left out or not."""
    return _canonical(parse_platform(one)) == _canonical(parse_platform(other))


def _canonical(platform: str) -> tuple[str, ...]:
    system, architecture, *variant = platform.split("/")
    return (system, architecture, *(variant or [_DEFAULT_VARIANTS.get(architecture, "")]))


def _order(image: PlatformImage) -> tuple[str, str]:
    return image.platform, str(image.manifest)


def _each(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply `function` to all items at the same time; the first error in order is raised."""
    todo = list(items)
    if len(todo) <= 1:
        return [function(item) for item in todo]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(len(todo), MAX_WORKERS)) as pool:
        return list(pool.map(function, todo))
