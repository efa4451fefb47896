"""A release: what one version of a fleet consists of, as the release manifest states it.

`Release.predicate()` and `parse_predicate()` are the two directions of the format that
docs/spec/release-manifest-v1.md specifies. Fields that this version does not know are ignored, as
the in-toto specification asks of consumers ("Parsing rules"); those it knows are held to their
type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from titan_provenance.errors import DocumentError
from titan_provenance.model.digest import Digest
from titan_provenance.model.instant import format_instant, parse_instant
from titan_provenance.model.names import (
    parse_line,
    parse_name,
    parse_platform,
    parse_relative_path,
    parse_version,
)
from titan_provenance.model.reference import DigestReference, parse_tag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from titan_provenance.document import Node

PREDICATE_TYPE = "https://titan-provenance.dev/spec/release-manifest/v1"
MAX_SERVICES = 1024
MAX_FILES = 10_000


class PlatformImage(NamedTuple):
    """One platform of an image: its manifest digest and config digest, where the source knew them.

    `manifest` is what an index points at; `config` is what the engine calls the image id.
    """

    platform: str
    manifest: Digest | None
    config: Digest | None


class BoundSbom(NamedTuple):
    """The bill of materials of a service's image: what kind of document, its digest and size."""

    media_type: str
    digest: Digest
    components: int


class ReleasedService(NamedTuple):
    """One service of a release.

    `image` is what a deploy pulls; `tag` is information only; `compose` is the service's name in
    the compose file.
    """

    name: str
    image: DigestReference
    compose: str
    tag: str | None = None
    platforms: tuple[PlatformImage, ...] = ()
    sbom: BoundSbom | None = None


class Source(NamedTuple):
    """The source code that the release was built from; `commit` is a git object id in hex."""

    uri: str
    commit: str
    dirty: bool


class Builder(NamedTuple):
    """Who built the release, and the URI of the run that did (`invocation`, where there is one)."""

    id: str
    invocation: str | None


class BoundFiles(NamedTuple):
    """The files that go to the host beside the images.

    `patterns` say which files belong to the release (so that an extra one is noticed), `digests`
    what each held.
    """

    patterns: tuple[str, ...] = ()
    digests: tuple[tuple[str, Digest], ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """A release: services sorted by name, `sequence` strictly rising per release name.

    `previous` is the digest of the manifest of the release before this one.
    """

    name: str
    version: str
    sequence: int
    created_at: datetime
    expires_at: datetime
    services: tuple[ReleasedService, ...]
    files: BoundFiles
    previous: Digest | None = None
    source: Source | None = None
    builder: Builder | None = None

    def __post_init__(self) -> None:
        if not self.services:
            raise DocumentError("a release has at least one service")
        if len(self.services) > MAX_SERVICES:
            raise DocumentError(f"more than {MAX_SERVICES} services")
        if len({service.compose for service in self.services}) < len(self.services):
            raise DocumentError("two services have one name in the compose file")
        if self.expires_at <= self.created_at:
            raise DocumentError("expiresAt is not after createdAt")

    def with_services(self, services: tuple[ReleasedService, ...]) -> Release:
        """Return the same release with other services."""
        return replace(self, services=services)

    def images(self) -> list[DigestReference]:
        """Return each image once, sorted: the subjects of the statement."""
        return sorted({service.image for service in self.services})

    def predicate(self) -> dict[str, Any]:
        """Return the predicate of the release manifest, ready for JSON."""
        release: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "sequence": self.sequence,
            "createdAt": format_instant(self.created_at),
            "expiresAt": format_instant(self.expires_at),
        }
        if self.previous:
            release["previous"] = str(self.previous)
        predicate: dict[str, Any] = {
            "release": release,
            "services": {service.name: _service_json(service) for service in self.services},
            "files": {
                "patterns": list(self.files.patterns),
                "digests": {path: str(digest) for path, digest in self.files.digests},
            },
        }
        if self.source:
            predicate["source"] = {
                "uri": self.source.uri,
                "commit": self.source.commit,
                "dirty": self.source.dirty,
            }
        if self.builder:
            predicate["builder"] = _without_none(
                {"id": self.builder.id, "invocation": self.builder.invocation}
            )
        return predicate


def parse_predicate(node: Node) -> Release:
    """Return the release that a predicate of type `PREDICATE_TYPE` states; raises DocumentError."""
    keys = node.mapping(required=("release", "services", "files"))
    release = keys["release"].mapping(
        required=("name", "version", "sequence", "createdAt", "expiresAt")
    )
    services = keys["services"].mapping()
    try:
        return Release(
            name=release["name"].parsed(parse_name),
            version=release["version"].parsed(parse_version),
            sequence=release["sequence"].integer(minimum=1),
            created_at=release["createdAt"].parsed(parse_instant),
            expires_at=release["expiresAt"].parsed(parse_instant),
            previous=release["previous"].parsed(Digest.parse) if "previous" in release else None,
            services=tuple(_parse_service(name, services[name]) for name in sorted(services)),
            files=_parse_files(keys["files"]),
            source=_parse_source(keys["source"]) if "source" in keys else None,
            builder=_parse_builder(keys["builder"]) if "builder" in keys else None,
        )
    except DocumentError as error:
        if error.file:
            raise
        node.fail(error.message, error.hint)


def _service_json(service: ReleasedService) -> dict[str, Any]:
    platforms = [
        _without_none(
            {
                "platform": item.platform,
                "manifest": str(item.manifest) if item.manifest else None,
                "config": str(item.config) if item.config else None,
            }
        )
        for item in sorted(service.platforms, key=lambda item: item.platform)
    ]
    sbom = service.sbom and {
        "mediaType": service.sbom.media_type,
        "digest": str(service.sbom.digest),
        "components": service.sbom.components,
    }
    return _without_none(
        {
            "image": str(service.image),
            "compose": service.compose,
            "tag": service.tag,
            "platforms": platforms,
            "sbom": sbom,
        }
    )


def _without_none(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def _parse_service(name: str, node: Node) -> ReleasedService:
    keys = node.mapping(required=("image", "compose"))
    image = keys["image"].parsed(DigestReference.parse)
    if str(image) != keys["image"].text():
        keys["image"].fail("is not written repository@sha256:…")
    platforms = keys["platforms"].items() if "platforms" in keys else []
    return ReleasedService(
        name=node.at_key().parsed_as(name, parse_name),
        image=image,
        compose=keys["compose"].parsed(parse_name),
        tag=keys["tag"].parsed(parse_tag) if "tag" in keys else None,
        platforms=tuple(_parse_platform_image(item) for item in platforms),
        sbom=_parse_sbom(keys["sbom"]) if "sbom" in keys else None,
    )


def _parse_sbom(node: Node) -> BoundSbom:
    keys = node.mapping(required=("mediaType", "digest", "components"))
    return BoundSbom(
        media_type=keys["mediaType"].parsed(parse_line),
        digest=keys["digest"].parsed(Digest.parse),
        components=keys["components"].integer(),
    )


def _parse_platform_image(node: Node) -> PlatformImage:
    keys = node.mapping(required=("platform",))
    return PlatformImage(
        platform=keys["platform"].parsed(parse_platform),
        manifest=keys["manifest"].parsed(Digest.parse) if "manifest" in keys else None,
        config=keys["config"].parsed(Digest.parse) if "config" in keys else None,
    )


def _parse_files(node: Node) -> BoundFiles:
    keys = node.mapping(required=("patterns", "digests"))
    digests = keys["digests"].mapping()
    if len(digests) > MAX_FILES:
        node.fail(f"more than {MAX_FILES} files")
    for path, item in digests.items():
        item.parsed_as(path, parse_relative_path)
    return BoundFiles(
        patterns=tuple(item.parsed(parse_relative_path) for item in keys["patterns"].items()),
        digests=tuple((path, digests[path].parsed(Digest.parse)) for path in sorted(digests)),
    )


def _parse_source(node: Node) -> Source:
    keys = node.mapping(required=("uri", "commit", "dirty"))
    return Source(
        uri=keys["uri"].parsed(parse_line),
        commit=keys["commit"].parsed(parse_line),
        dirty=keys["dirty"].boolean(),
    )


def _parse_builder(node: Node) -> Builder:
    keys = node.mapping(required=("id",))
    invocation = keys["invocation"].parsed(parse_line) if "invocation" in keys else None
    return Builder(id=keys["id"].parsed(parse_line), invocation=invocation)
