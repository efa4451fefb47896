import json
import subprocess
import sys

import pytest
from fakes.images import build_image, build_index, to_json, write_layout
from fakes.registry import MANIFESTS, FakeRegistry, answer
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import (
    CouldNotCheckError,
    RegistryError,
    TitanProvenanceError,
    UsageError,
    VerificationError,
)
from titan_provenance.image import (
    NamedImage,
    Sources,
    StoredImage,
    identify,
    identify_all,
    parse_image_reference,
    parse_manifest,
    read_manifest,
    read_verified,
    select_platform,
    stream_verified,
)
from titan_provenance.image.manifest import OCI_INDEX, OCI_MANIFEST
from titan_provenance.image.source import Descriptor
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import parse_reference


class MemorySource:
    """An image in memory."""

    name = "memory:brain"

    def __init__(self, image):
        self.image = image
        self.opened = []

    def root(self):
        return self.image.descriptor

    def open(self, descriptor):
        self.opened.append(descriptor.media_type)
        data = self.image.contents[str(descriptor.digest)][1]
        yield data[:10]
        yield data[10:]


def changed(image, **fields):
    """Return the image with another index: the fields of its first child changed."""
    document = json.loads(image.manifest_bytes)
    document["manifests"][0] |= fields
    for key in [key for key, value in fields.items() if value is None]:
        del document["manifests"][0][key]
    image.root = image.add(OCI_INDEX, to_json(document))
    return image


def test_a_single_manifest_gets_its_platform_from_the_config():
    image = build_image(platform="linux/arm/v7")

    identity = identify(MemorySource(image))
    assert identity.digest == image.digest
    assert identity.platforms == image.platforms
    assert identity.answered_by == "memory:brain"


def test_no_layer_is_ever_read():
    for image in (build_image(), build_index()):
        source = MemorySource(image)
        identify(source)
        assert not [media_type for media_type in source.opened if "layer" in media_type]


def test_an_attestation_is_no_platform():
    index = build_index(attestation=True)

    assert [item.platform for item in identify(MemorySource(index)).platforms] == [
        "linux/amd64",
        "linux/arm64/v8",
    ]


def test_a_platform_cannot_hide_as_an_attestation():
    annotations = {"vnd.docker.reference.type": "attestation-manifest"}
    index = changed(build_index(), annotations=annotations)

    assert len(identify(MemorySource(index)).platforms) == 2


def test_a_child_without_platform_is_asked_for_it():
    index = changed(build_index(), platform=None)

    assert identify(MemorySource(index)).platforms == index.platforms


def test_a_child_that_is_an_artifact_is_no_platform():
    index = build_index(platforms=("linux/amd64",), attestation=False)
    config = index.add("application/vnd.example+json", b"{}")
    artifact = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    index = changed(index, **index.add(OCI_MANIFEST, to_json(artifact)))

    with pytest.raises(CouldNotCheckError, match="names no container image"):
        identify(MemorySource(index))


def test_an_artifact_is_no_image():
    image = build_image()
    config = image.add("application/vnd.cncf.helm.config.v1+json", b"{}")
    chart = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    image.root = image.add(OCI_MANIFEST, to_json(chart))

    with pytest.raises(CouldNotCheckError, match="is no container image: its config is 'appl"):
        identify(MemorySource(image))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm", "linux/arm/v7"),
    ],
)
def test_a_platform_is_selected(asked, found):
    platforms = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/arm/v6")
    source = MemorySource(build_index(platforms=platforms))

    assert select_platform(read_manifest(source, source.root()), asked).platform == found


def test_a_platform_that_is_not_there_lists_those_that_are():
    image = build_index()
    index = parse_manifest(image.manifest_bytes, OCI_INDEX, "x")

    with pytest.raises(UsageError, match=r"no image for linux/s390x; platforms: linux/amd64, lin"):
        select_platform(index, "linux/s390x")


def test_a_platform_that_is_there_twice_is_no_choice():
    index = changed(build_index(), platform={"os": "linux", "architecture": "arm64"})
    source = MemorySource(index)

    with pytest.raises(UsageError, match="more than one image for linux/arm64"):
        select_platform(read_manifest(source, source.root()), "linux/arm64")


def test_bytes_are_read_only_within_the_limit():
    source = MemorySource(build_image())

    with pytest.raises(CouldNotCheckError, match="more than the limit of 100"):
        read_verified(source, source.root(), 100)
    assert not source.opened


@pytest.mark.parametrize(("size", "problem"), [(1, "its descriptor states"), (-1, "more than the")])
def test_bytes_of_another_size_are_checked_and_bad(size, problem):
    source = MemorySource(build_image())
    root = source.root()
    other = Descriptor(root.media_type, root.digest, root.size + size)

    with pytest.raises(VerificationError, match=problem):
        read_verified(source, other, 4096)


def test_a_stream_never_yields_more_than_the_size():
    source = MemorySource(build_image())
    root = source.root()
    chunks = stream_verified(source, Descriptor(root.media_type, root.digest, 15))

    assert len(next(chunks)) <= 15
    with pytest.raises(VerificationError):
        next(chunks)


def test_one_failure_does_not_stop_the_others():
    with FakeRegistry() as registry, Sources() as sources:
        references = {
            name: registry.push(f"titan/{name}", "1.4.0", build_image(name))
            for name in ("brain", "nats", "hunter")
        }
        registry.fault(f"nats{MANIFESTS}", answer(404), forever=True)
        found = identify_all(
            {name: sources.open(f"registry:{text}") for name, text in references.items()}
        )

    assert list(found) == ["brain", "nats", "hunter"]
    assert found["brain"].digest == build_image("brain").digest
    assert isinstance(found["nats"], RegistryError)


def test_seven_services_are_asked_at_the_same_time():
    with FakeRegistry(latency=0.3) as registry, Sources() as sources:
        names = [f"service-{number}" for number in range(7)]
        opened = {
            name: sources.open(
                "registry:" + registry.push(f"titan/{name}", "1.4.0", build_index(name))
            )
            for name in names
        }
        found = identify_all(opened)

    assert len(found) == 7
    assert len(registry.requests) == 7 * 3
    assert registry.most_at_once >= 7


def test_nothing_to_identify_is_nothing():
    assert identify_all({}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker:titan/brain:1.4.0", ("docker", "docker.io/titan/brain:1.4.0")),
        ("registry:ghcr.io/titan/brain:1", ("registry", "ghcr.io/titan/brain:1")),
        ("ghcr.io/titan/brain:1", ("", "ghcr.io/titan/brain:1")),
        ("localhost:5000/brain:1", ("", "localhost:5000/brain:1")),
    ],
)
def test_names_of_images_are_parsed(text, expected):
    transport, reference = expected

    assert parse_image_reference(text) == NamedImage(transport, parse_reference(reference))


def test_a_digest_may_stand_in_a_reference():
    text = f"registry:ghcr.io/titan/brain@{Digest('a' * 64)}"

    assert str(parse_image_reference(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci-dir:/srv/oci/brain", StoredImage("oci-dir", "/srv/oci/brain")),
        ("oci-dir:/srv/oci/brain:1.4.0", StoredImage("oci-dir", "/srv/oci/brain", "1.4.0")),
        ("oci-dir:/srv/a:b/brain", StoredImage("oci-dir", "/srv/a:b/brain")),
        ("oci-archive:brain.tar:1", StoredImage("oci-archive", "brain.tar", "1")),
        ("docker-archive:brain:1.tar", StoredImage("docker-archive", "brain:1.tar")),
    ],
)
def test_places_of_images_are_parsed(text, expected):
    assert parse_image_reference(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "docker:",
        "registry:ghcr.io/titan/brain",
        "ghcr.io/titan/brain",
        "docker:24-dind",
        "ghcr.io/Titan/brain:1",
        "ghcr.io/titan/brain:1@sha256:abc",
        "oci-dir:",
        "oci-dir:/srv/brain:not a tag",
        "docker-archive:",
        "https://ghcr.io/titan/brain:1",
    ],
)
def test_what_is_no_reference_is_a_usage_error(text):
    with pytest.raises(UsageError):
        parse_image_reference(text)


@given(st.text() | st.text(alphabet="docker:regsty-/.@sha256"))
def test_any_reference_is_parsed_or_refused(text):
    try:
        image = parse_image_reference(text)
    except TitanProvenanceError as error:
        assert isinstance(error, UsageError)  # noqa: PT017  no other kind may come
        return
    assert parse_image_reference(str(image)) == image


def test_a_layout_is_opened_by_reference(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image})
    with Sources() as sources:
        assert identify(sources.open(f"oci-dir:{tmp_path}:1.4.0")).digest == image.digest


def test_neither_docker_nor_requests_is_loaded_before_a_source_needs_it():
    program = (
        "import sys, titan_provenance.image as image\n"
        "with image.Sources() as sources: sources.open('oci-dir:/nowhere')\n"
        "print(sorted({'docker', 'requests', 'urllib3', 'ssl'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert loaded.stdout.strip() == b"[]"


def test_index_of_more_images_than_anyone_reads_is_refused(tmp_path):
    platforms = tuple(f"linux/a{number}" for number in range(65))
    write_layout(tmp_path / "x", {"1": build_index(platforms=platforms)})
    with Sources() as sources, pytest.raises(CouldNotCheckError, match="names 65 images"):
        identify(sources.open(f"oci-dir:{tmp_path / 'x'}"))
