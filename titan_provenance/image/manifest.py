"""Image indexes, manifests and configs, parsed into frozen values.

Four forms are read: the OCI index and image manifest (image-spec 1.1) and their Docker elders, the
manifest list and image manifest version 2 schema 2. A document that could be read as either an
index or a manifest is refused, as is one whose own media type is not what it was announced as:
two readers must not see two images in the same bytes (CVE-2021-41190).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from titan_provenance.document import MAX_SAFE_INTEGER, load_json
from titan_provenance.errors import CouldNotCheckError, DocumentError
from titan_provenance.image.source import Descriptor
from titan_provenance.model.digest import Digest
from titan_provenance.model.names import parse_platform

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_MEDIA_TYPES = (OCI_INDEX, DOCKER_LIST)
MANIFEST_MEDIA_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
CONFIG_MEDIA_TYPES = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
SCHEMA_1_MEDIA_TYPES = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)

MAX_MANIFESTS = 1024
MAX_LAYERS = 1024
_SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Index:
    """An OCI image index or a Docker manifest list."""

    media_type: str
    manifests: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """An OCI image manifest or a Docker image manifest: the config and the layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def is_image(self) -> bool:
        """Say whether this is a container image, not a chart, signature or other artifact."""
        return self.config.media_type in CONFIG_MEDIA_TYPES


def parse_manifest(data: bytes, media_type: str, where: str) -> Index | Manifest:
    """Return the index or manifest in `data`, announced as `media_type`; `where` names it.

    The caller bounds the size when it reads. Raises CouldNotCheckError for anything else, for
    schema 1, and for a document that contradicts its media type or itself.
    """
    try:
        document = _mapping(load_json(data, where), where)
        _check_kind(document, media_type, where)
        if media_type in INDEX_MEDIA_TYPES:
            return Index(media_type, _descriptors(document, "manifests", MAX_MANIFESTS, where))
        config = _descriptor(document.get("config"), f"{where}: config")
        return Manifest(media_type, config, _descriptors(document, "layers", MAX_LAYERS, where))
    except DocumentError as error:
        raise CouldNotCheckError(error.message, hint=error.hint) from error


def parse_config_platform(data: bytes, where: str) -> str:
    """Return the platform `os/architecture[/variant]` that an image config states.

    Raises CouldNotCheckError when it states none.
    """
    try:
        return _platform(_mapping(load_json(data, where), where), where)
    except DocumentError as error:
        raise CouldNotCheckError(error.message, hint=error.hint) from error


def refuse_schema_1(where: str) -> NoReturn:
    """Raise CouldNotCheckError: the manifests of Docker before 1.10 are not read."""
    raise CouldNotCheckError(
        f"{where}: is a Docker schema 1 manifest, a form given up in 2019",
        hint="Push the image again with a current Docker, buildx or skopeo.",
    )


def _check_kind(document: dict[str, Any], media_type: str, where: str) -> None:
    own = document.get("mediaType", "")
    version = document.get("schemaVersion")
    if version == 1 or media_type in SCHEMA_1_MEDIA_TYPES or own in SCHEMA_1_MEDIA_TYPES:
        refuse_schema_1(where)
    if media_type not in INDEX_MEDIA_TYPES + MANIFEST_MEDIA_TYPES:
        raise CouldNotCheckError(f"{where}: {media_type[:100]!r} is no index or manifest type")
    if own != media_type and (own or media_type in {DOCKER_LIST, DOCKER_MANIFEST}):
        raise CouldNotCheckError(
            f"{where}: states the media type {str(own)[:100]!r} but was announced as {media_type}"
        )
    if type(version) is not int or version != _SCHEMA_VERSION:
        raise CouldNotCheckError(f"{where}: schemaVersion is not 2")
    foreign = {"layers", "config"} if media_type in INDEX_MEDIA_TYPES else {"manifests"}
    # Go's decoders match keys in any case, so a reader there may see what is only hinted at here.
    if both := sorted(foreign & {key.lower() for key in document}):
        raise CouldNotCheckError(
            f"{where}: is announced as {media_type} but has {' and '.join(both)}: "
            "it could be read as two different images"
        )


def _descriptors(
    document: dict[str, Any], key: str, limit: int, where: str
) -> tuple[Descriptor, ...]:
    items = document.get(key)
    if not isinstance(items, list):
        raise DocumentError(f"{where}: {key} is missing or no list")
    if len(items) > limit:
        raise DocumentError(f"{where}: {key} has {len(items)} entries, more than {limit}")
    return tuple(_descriptor(item, f"{where}: {key}[{i}]") for i, item in enumerate(items))


def _descriptor(value: Any, where: str) -> Descriptor:
    fields = _mapping(value, where)
    size = fields.get("size")
    if type(size) is not int or not 0 <= size <= MAX_SAFE_INTEGER:
        raise DocumentError(f"{where}: size is missing or no number of bytes")
    try:
        digest = Digest.parse(_text(fields, "digest", where))
    except DocumentError as error:
        raise DocumentError(f"{where}: {error.message}", hint=error.hint) from error
    platform = fields.get("platform")
    return Descriptor(
        media_type=_text(fields, "mediaType", where),
        digest=digest,
        size=size,
        platform=None if platform is None else _platform(_mapping(platform, where), where),
        annotations=_annotations(fields.get("annotations"), where),
        artifact_type=_text(fields, "artifactType", where) if fields.get("artifactType") else "",
    )


def _annotations(value: Any, where: str) -> dict[str, str]:
    annotations = {} if value is None else _mapping(value, f"{where}: annotations")
    if not all(isinstance(item, str) for item in annotations.values()):
        raise DocumentError(f"{where}: an annotation is no text")
    return annotations


def _platform(fields: dict[str, Any], where: str) -> str:
    parts = [_text(fields, "os", where), _text(fields, "architecture", where)]
    if fields.get("variant"):
        parts.append(_text(fields, "variant", where))
    try:
        return parse_platform("/".join(parts))
    except DocumentError as error:
        raise DocumentError(f"{where}: {error.message}", hint=error.hint) from error


def _text(fields: dict[str, Any], key: str, where: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value:
        raise DocumentError(f"{where}: {key} is missing or no text")
    return value


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DocumentError(f"{where}: is missing or no object")
    return value
