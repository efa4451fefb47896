from datetime import UTC, datetime, timedelta

import pytest
from fakes.host import NOW, make_release

from titan_provenance.attest.statement import parse_manifest, write_manifest
from titan_provenance.errors import (
    CouldNotCheckError,
    DocumentError,
    RegistryError,
    UsageError,
    VerificationError,
)
from titan_provenance.image.identity import ImageIdentity
from titan_provenance.model.digest import Digest
from titan_provenance.model.fleet import parse_fleet
from titan_provenance.model.release import BoundFiles, Builder, PlatformImage, Source
from titan_provenance.release.build import (
    Claim,
    ReleaseFacts,
    build_release,
    identity_claims,
    pinned_claims,
    tag_of,
)

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
FLEET = parse_fleet(
    f"""
version: 1
fleet: titan
services:
  brain: {{image: registry.example/titan/brain, compose: titan-brain}}
  nats: {{image: "registry.example/nats:2.10"}}
  redis: {{image: "docker.io/library/redis@{ONE}"}}
""".encode(),
    "titan-provenance.yaml",
)


def facts(**changes):
    return ReleaseFacts(
        **{"version": "1.4.0", "created_at": NOW, "lifetime": timedelta(90), **changes}
    )


def claims(**changes):
    known = {name: [Claim("registry", ONE)] for name in ("brain", "nats", "redis")}
    return {**known, **changes}


def test_release_of_three_services():
    release = build_release(FLEET, claims(), BoundFiles(), facts())
    brain, nats, redis = release.services
    assert str(brain.image) == f"registry.example/titan/brain@{ONE}"
    assert (brain.compose, brain.tag) == ("titan-brain", "1.4.0")
    assert (nats.compose, nats.tag) == ("nats", "2.10")
    assert redis.tag is None
    assert (release.sequence, release.previous) == (1, None)


def test_missing_services_are_all_named():
    with pytest.raises(CouldNotCheckError, match="no digest for brain, nats"):
        build_release(FLEET, claims(brain=[], nats=[Claim("archive", None)]), BoundFiles(), facts())


def test_sources_that_disagree_are_both_named():
    two = [Claim("registry", ONE), Claim("digests/brain.json", TWO)]
    with pytest.raises(VerificationError) as caught:
        build_release(FLEET, claims(brain=two), BoundFiles(), facts())
    assert caught.value.message == (
        f"brain: the sources disagree: registry says {ONE} but digests/brain.json says {TWO}"
    )


def test_a_digest_pinned_in_the_fleet_file_is_a_claim_as_well():
    assert pinned_claims(FLEET) == {"redis": Claim("titan-provenance.yaml", ONE)}


def test_platforms_are_joined_and_may_not_contradict():
    known = PlatformImage("linux/amd64", ONE, None)
    engine = PlatformImage("linux/amd64", None, TWO)
    both = [Claim("registry", ONE, (known,)), Claim("docker", ONE, (engine,))]
    release = build_release(FLEET, claims(brain=both), BoundFiles(), facts())
    assert release.services[0].platforms == (PlatformImage("linux/amd64", ONE, TWO),)
    other = Claim("archive", None, (PlatformImage("linux/amd64", None, ONE),))
    with pytest.raises(VerificationError, match=r"disagree on linux/amd64: .* but archive has"):
        build_release(FLEET, claims(brain=[*both, other]), BoundFiles(), facts())


def test_errors_of_sources_are_all_named_and_the_worst_decides():
    fine = ImageIdentity(ONE, (), "registry:x")
    with pytest.raises(RegistryError, match="brain: gone; nats: away"):
        identity_claims({"nats": RegistryError("away"), "brain": RegistryError("gone"), "x": fine})
    with pytest.raises(VerificationError, match="brain: gone; nats: forged"):
        identity_claims({"nats": VerificationError("forged"), "brain": RegistryError("gone")})
    assert identity_claims({"brain": fine}) == {"brain": Claim("registry:x", ONE)}


def test_sequence_rises_above_the_previous_release():
    previous = (make_release(sequence=6), TWO)
    release = build_release(FLEET, claims(), BoundFiles(), facts(previous=previous))
    assert (release.sequence, release.previous) == (7, TWO)
    later = build_release(FLEET, claims(), BoundFiles(), facts(previous=previous, sequence=20))
    assert later.sequence == 20
    with pytest.raises(UsageError, match="sequence 6 does not rise above 6"):
        build_release(FLEET, claims(), BoundFiles(), facts(previous=previous, sequence=6))
    other = (make_release(name="atlas"), TWO)
    with pytest.raises(UsageError, match='of "atlas", not "titan"'):
        build_release(FLEET, claims(), BoundFiles(), facts(previous=other))


def test_expiry_after_the_last_year():
    last = facts(created_at=datetime(9999, 12, 31, tzinfo=UTC))
    with pytest.raises(UsageError, match="after the year 9999"):
        build_release(FLEET, claims(), BoundFiles(), last)


def test_version_that_cannot_be_a_tag():
    assert tag_of(FLEET.services[1], "1.4.0+build7") == "2.10"
    with pytest.raises(UsageError, match="cannot be a tag"):
        tag_of(FLEET.services[0], "1.4.0+build7")


def test_manifest_is_read_back_as_written_and_is_the_same_each_time():
    release = make_release(
        previous=TWO,
        source=Source("https://git.example/titan", "a" * 40, dirty=True),
        builder=Builder("https://ci.example/workflow", "https://ci.example/runs/7"),
        files=BoundFiles(("*.yml",), (("compose.yml", ONE),)),
    )
    manifest = write_manifest(release)
    assert parse_manifest(manifest, "manifest.json") == release
    assert write_manifest(release) == manifest
    assert manifest.endswith(b"}\n")
    assert b"\r" not in manifest


def test_two_services_with_one_image_are_one_subject():
    first, *rest = make_release().services
    twin = rest[0]._replace(image=first.image)
    release = make_release(services=(first, twin, *rest[1:]))
    assert len(release.images()) == 6
    assert parse_manifest(write_manifest(release), "m") == release


def test_a_release_needs_services_and_a_lifetime():
    with pytest.raises(DocumentError, match="at least one service"):
        make_release(services=())
    with pytest.raises(DocumentError, match="not after createdAt"):
        make_release(expires_at=NOW - timedelta(9))
