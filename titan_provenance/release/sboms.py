"""The bills of materials of a release: one document an image, bound into the manifest by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.errors import CouldNotCheckError, TitanProvenanceError, VerificationError
from titan_provenance.image.open import NamedImage, Sources
from titan_provenance.model.digest import Digest
from titan_provenance.model.release import BoundSbom
from titan_provenance.sbom.cyclonedx import MEDIA_TYPE, write_cyclonedx
from titan_provenance.sbom.pipeline import Wanted, make_bills

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from titan_provenance.image.open import ImageReference
    from titan_provenance.model.release import Release, ReleasedService
    from titan_provenance.sbom.bill import Bill


class BoundRelease(NamedTuple):
    """A release with its bills bound: `documents` are CycloneDX, by the name of the service."""

    release: Release
    bills: Mapping[str, Bill]
    documents: Mapping[str, bytes]


def bind_sboms(
    release: Release,
    images: Mapping[str, ImageReference] | None,
    *,
    platform: str,
    cache_directory: str | None,
    insecure: Collection[str],
) -> BoundRelease:
    """Return `release` with the bill of every image made and bound.

    `images` says where each image is read from, None: from its registry, by digest. The time of the
    bills is that of the release. Raises VerificationError when an image is not the released one and
    CouldNotCheckError when one cannot be read: a release with some bills is not what was asked for.
    """
    epoch = int(release.created_at.timestamp())
    with Sources(insecure=insecure) as sources:
        wanted = {
            service.name: Wanted(
                sources.open(images[service.name] if images else _in_registry(service)),
                str(service.image.repository),
                service.tag or release.version,
            )
            for service in release.services
        }
        outcomes = make_bills(
            wanted, platform=platform, cache_directory=cache_directory, epoch=epoch
        )
    bills = _all_or_none(outcomes)
    documents = {name: write_cyclonedx(bill) for name, bill in bills.items()}
    services = []
    for service in release.services:
        _check_is_released(service, bills[service.name])
        document = documents[service.name]
        count = len(bills[service.name].components)
        services.append(service._replace(sbom=BoundSbom(MEDIA_TYPE, Digest.of(document), count)))
    return BoundRelease(release.with_services(tuple(services)), bills, documents)


def _in_registry(service: ReleasedService) -> NamedImage:
    return NamedImage("registry", service.image)


def _all_or_none(outcomes: Mapping[str, Bill | TitanProvenanceError]) -> dict[str, Bill]:
    errors = {
        name: outcome
        for name, outcome in outcomes.items()
        if isinstance(outcome, TitanProvenanceError)
    }
    if errors:
        lines = "; ".join(f"{name}: {error.message}" for name, error in sorted(errors.items()))
        raise CouldNotCheckError(f"no bill of materials for {lines}")
    return {
        name: bill for name, bill in outcomes.items() if not isinstance(bill, TitanProvenanceError)
    }


def _check_is_released(service: ReleasedService, bill: Bill) -> None:
    """Hold the image that was read against the one that is released, by manifest or image id."""
    known = {service.image.digest}
    for platform in service.platforms:
        known.update(digest for digest in (platform.manifest, platform.config) if digest)
    if bill.digest not in known:
        raise VerificationError(
            f"{service.name}: the bill is of {bill.digest}, "
            f"the release names {service.image.digest}"
        )
