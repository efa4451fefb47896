"""Asking the sources: what the registry, the engine, layouts and archives say of every service."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titan_provenance.errors import UsageError, VerificationError
from titan_provenance.image.identity import identify_all
from titan_provenance.image.open import NamedImage, Sources, StoredImage
from titan_provenance.model.reference import DigestReference, TagReference
from titan_provenance.release.build import identity_claims, tag_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from titan_provenance.image.open import ImageReference
    from titan_provenance.model.fleet import Fleet, FleetService
    from titan_provenance.release.build import Claim

_NAMED = ("docker", "registry")
_STORED = ("oci-dir", "oci-archive", "docker-archive")


@dataclass(frozen=True, slots=True)
class SourceOption:
    """One --source: `registry`, `docker`, or a kind of layout or archive and the root of them all.

    Below `root` the image of a service lies at SERVICE (oci-dir) or SERVICE.tar (archives).
    """

    transport: str
    root: str = ""

    def image(self, service: FleetService, tag: str) -> ImageReference:
        """Return the reference of a service's image in this source."""
        if self.transport == "oci-dir":
            return StoredImage("oci-dir", os.path.join(self.root, service.name))
        if self.transport == "oci-archive":
            return StoredImage("oci-archive", os.path.join(self.root, f"{service.name}.tar"))
        if self.transport == "docker-archive":
            return StoredImage("docker-archive", os.path.join(self.root, f"{service.name}.tar"))
        named: DigestReference | TagReference
        if isinstance(service.image, DigestReference):
            named = service.image
        else:
            named = TagReference(service.repository, tag)
        return NamedImage("docker" if self.transport == "docker" else "registry", named)


def parse_source_option(text: str) -> SourceOption:
    """Return what a --source names; raises UsageError."""
    transport, colon, root = text.partition(":")
    if transport in _NAMED and not colon:
        return SourceOption(transport)
    if transport in _STORED and root:
        return SourceOption(transport, root)
    raise UsageError(
        f'"{text[:100]}" is no source of digests',
        hint="One of: registry, docker, oci-dir:ROOT, oci-archive:ROOT, docker-archive:ROOT.",
    )


def collect_claims(
    fleet: Fleet,
    options: Sequence[SourceOption],
    version: str,
    *,
    tag: str | None,
    insecure: Collection[str],
) -> dict[str, list[Claim]]:
    """Return what each source of `options` says of each service, all asked at the same time."""
    claims: dict[str, list[Claim]] = {service.name: [] for service in fleet.services}
    with Sources(insecure=insecure) as sources:
        for option in options:
            asked = {
                service.name: sources.open(option.image(service, tag or tag_of(service, version)))
                for service in fleet.services
            }
            for name, claim in identity_claims(identify_all(asked)).items():
                claims[name].append(claim)
    return claims


def check_registry(
    images: Mapping[str, DigestReference], insecure: Collection[str] = ()
) -> tuple[bool, str]:
    """11. Each digest is in its registry, and the bytes there hash to it.

    Raises VerificationError when bytes are wrong, CouldNotCheckError when a registry has not got
    one or does not answer.
    """
    with Sources(insecure=insecure) as sources:
        asked = {
            name: sources.open(NamedImage("registry", image)) for name, image in images.items()
        }
        claims = identity_claims(identify_all(asked))
    wrong = [name for name, image in images.items() if claims[name].digest != image.digest]
    if wrong:
        raise VerificationError(f"another digest in the registry: {', '.join(wrong)}")
    hosts = sorted({image.repository.registry for image in images.values()})
    return True, f"all {len(images)} digests are in {', '.join(hosts)}"
