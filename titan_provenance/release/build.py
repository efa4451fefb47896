"""From digests to a release: what each source says of each service, held against each other.

Every source that is asked makes a claim; claims that disagree are an error that names both. What no
claim gives a digest for is missing, and a release with a missing service is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from titan_provenance.errors import (
    CouldNotCheckError,
    TitanProvenanceError,
    UsageError,
    VerificationError,
)
from titan_provenance.model.reference import DigestReference, TagReference
from titan_provenance.model.release import PlatformImage, Release, ReleasedService

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from titan_provenance.image.identity import ImageIdentity
    from titan_provenance.model.digest import Digest
    from titan_provenance.model.fleet import Fleet, FleetService
    from titan_provenance.model.release import BoundFiles, Builder, Source
    from titan_provenance.release.fragments import Fragment


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says of one service: the digest a deploy pulls, where it knows it."""

    source: str
    digest: Digest | None
    platforms: tuple[PlatformImage, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What a release states besides its services; `previous` comes with its digest."""

    version: str
    created_at: datetime
    lifetime: timedelta
    sequence: int | None = None
    previous: tuple[Release, Digest] | None = None
    source: Source | None = None
    builder: Builder | None = None


def build_release(
    fleet: Fleet, claims: Mapping[str, Sequence[Claim]], files: BoundFiles, facts: ReleaseFacts
) -> Release:
    """Return the release that `claims` (by service name) and `facts` make.

    Raises CouldNotCheckError for services without a digest, VerificationError for claims that
    disagree and UsageError for a sequence that does not rise.
    """
    if missing := [s.name for s in fleet.services if not _digests(claims.get(s.name, ()))]:
        raise CouldNotCheckError(
            f"no digest for {', '.join(missing)}",
            hint="Every service of the fleet file needs one: push the image, or leave a fragment.",
        )
    try:
        expires_at = facts.created_at + facts.lifetime
    except OverflowError as error:
        raise UsageError("the release would expire after the year 9999") from error
    services = [
        _service(service, claims[service.name], facts.version) for service in fleet.services
    ]
    return Release(
        name=fleet.name,
        version=facts.version,
        sequence=_sequence(fleet, facts),
        created_at=facts.created_at,
        expires_at=expires_at,
        services=tuple(sorted(services, key=lambda service: service.name)),
        files=files,
        previous=facts.previous[1] if facts.previous else None,
        source=facts.source,
        builder=facts.builder,
    )


def identity_claims(
    identities: Mapping[str, ImageIdentity | TitanProvenanceError],
) -> dict[str, Claim]:
    """Return the claim of each service, or raise one error that names every service in trouble."""
    errors = {
        name: outcome
        for name, outcome in identities.items()
        if isinstance(outcome, TitanProvenanceError)
    }
    if errors:
        worst = max(errors.values(), key=lambda error: isinstance(error, VerificationError))
        lines = "; ".join(f"{name}: {error.message}" for name, error in sorted(errors.items()))
        raise type(worst)(lines, hint=worst.hint)
    return {
        name: Claim(outcome.answered_by, outcome.digest, outcome.platforms)
        for name, outcome in identities.items()
        if not isinstance(outcome, TitanProvenanceError)
    }


def fragment_claims(fragments: Mapping[str, Fragment]) -> dict[str, Claim]:
    """Return the claims that a directory of fragments makes."""
    return {name: Claim(item.file, item.digest) for name, item in fragments.items()}


def pinned_claims(fleet: Fleet) -> dict[str, Claim]:
    """Return the claims that the fleet file itself makes, for images it names by digest."""
    return {
        service.name: Claim(fleet.path, service.image.digest)
        for service in fleet.services
        if isinstance(service.image, DigestReference)
    }


def tag_of(service: FleetService, version: str) -> str:
    """Return the tag of a service's image: its own in the fleet file, else the release's version.

    Raises UsageError for a version that is no tag.
    """
    if isinstance(service.image, TagReference):
        return service.image.tag
    if "+" in version:
        raise UsageError(
            f"{service.name}: the version {version} cannot be a tag", hint="Pass --tag TAG."
        )
    return version


def _service(service: FleetService, claims: Sequence[Claim], version: str) -> ReleasedService:
    digests = _digests(claims)
    if len(set(digests.values())) > 1:
        sides = " but ".join(f"{source} says {digest}" for source, digest in digests.items())
        raise VerificationError(
            f"{service.name}: the sources disagree: {sides}",
            hint="Find out which image was tested; release that one.",
        )
    digest = next(iter(digests.values()))
    tag = None if isinstance(service.image, DigestReference) else tag_of(service, version)
    return ReleasedService(
        name=service.name,
        image=DigestReference(service.repository, digest),
        compose=service.compose,
        tag=tag,
        platforms=_platforms(service.name, claims),
    )


def _digests(claims: Sequence[Claim]) -> dict[str, Digest]:
    return {claim.source: claim.digest for claim in claims if claim.digest}


def _platforms(service: str, claims: Sequence[Claim]) -> tuple[PlatformImage, ...]:
    """Join what the claims say of each platform; they may leave out, but not contradict."""
    known: dict[str, tuple[PlatformImage, str]] = {}
    for claim in claims:
        for image in claim.platforms:
            if image.platform not in known:
                known[image.platform] = (image, claim.source)
                continue
            other, source = known[image.platform]
            merged = PlatformImage(
                image.platform, other.manifest or image.manifest, other.config or image.config
            )
            if (image.config or merged.config) != merged.config:
                raise VerificationError(
                    f"{service}: the sources disagree on {image.platform}: {source} has the image "
                    f"id {other.config} but {claim.source} has {image.config}"
                )
            known[image.platform] = (merged, source)
    return tuple(known[platform][0] for platform in sorted(known))


def _sequence(fleet: Fleet, facts: ReleaseFacts) -> int:
    if facts.previous is None:
        return facts.sequence or 1
    previous, _ = facts.previous
    if previous.name != fleet.name:
        raise UsageError(f'the previous release is of "{previous.name}", not "{fleet.name}"')
    if facts.sequence is None:
        return previous.sequence + 1
    if facts.sequence <= previous.sequence:
        raise UsageError(
            f"sequence {facts.sequence} does not rise above {previous.sequence} of the previous "
            f"release {previous.version}"
        )
    return facts.sequence
