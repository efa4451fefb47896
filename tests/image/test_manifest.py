import json
from contextlib import suppress

import pytest
from fakes.images import build_image, build_index, to_json
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import CouldNotCheckError, TitanProvenanceError
from titan_provenance.image import Index, Manifest, parse_manifest
from titan_provenance.image.auth import parse_challenges
from titan_provenance.image.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    parse_config_platform,
)

KINDS = st.sampled_from([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, "text/html"])
FIELDS = st.sampled_from(["config", "layers", "manifests", "mediaType"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


def manifest(**changes):
    document = json.loads(build_image().manifest_bytes) | changes
    return to_json({key: value for key, value in document.items() if value != "absent"})


def index(**changes):
    document = json.loads(build_index().manifest_bytes) | changes
    return to_json({key: value for key, value in document.items() if value != "absent"})


@pytest.mark.parametrize("docker", [False, True])
def test_a_manifest_has_a_config_and_layers(docker):
    image = build_image(docker=docker)
    parsed = parse_manifest(image.manifest_bytes, image.root["mediaType"], "x")

    assert isinstance(parsed, Manifest)
    assert parsed.is_image
    assert parsed.config.digest == image.platforms[0].config
    assert [str(layer.digest) in image.contents for layer in parsed.layers] == [True]


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_has_manifests_with_platforms(docker):
    image = build_index(docker=docker)
    parsed = parse_manifest(image.manifest_bytes, image.root["mediaType"], "x")

    assert isinstance(parsed, Index)
    assert [item.platform for item in parsed.manifests] == [
        "linux/amd64",
        "linux/arm64/v8",
        "unknown/unknown",
    ]
    annotations = parsed.manifests[2].annotations
    assert annotations["vnd.docker.reference.type"] == "attestation-manifest"


def test_an_artifact_is_no_image():
    config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "size": 2}
    config["digest"] = "sha256:" + "0" * 64

    assert not parse_manifest(manifest(config=config), OCI_MANIFEST, "x").is_image


def test_the_media_type_may_be_left_out_of_an_oci_manifest_only():
    assert parse_manifest(manifest(mediaType="absent"), OCI_MANIFEST, "x")
    with pytest.raises(CouldNotCheckError, match="was announced as"):
        parse_manifest(manifest(mediaType="absent"), DOCKER_MANIFEST, "x")


@pytest.mark.parametrize(
    ("data", "media_type", "problem"),
    [
        (b"", OCI_MANIFEST, "not JSON"),
        (b"<html>", OCI_MANIFEST, "not JSON"),
        (b"[]", OCI_MANIFEST, "no object"),
        (b'{"schemaVersion": 2, "schemaVersion": 2}', OCI_MANIFEST, "duplicate key"),
        (b"[" * 100 + b"]" * 100, OCI_MANIFEST, "deeper than"),
        (manifest(), "text/html", "no index or manifest type"),
        (manifest(), DOCKER_MANIFEST, "was announced as"),
        (manifest(mediaType=7), OCI_MANIFEST, "states the media type"),
        (manifest(schemaVersion="2"), OCI_MANIFEST, "schemaVersion is not 2"),
        (manifest(schemaVersion=2.0), OCI_MANIFEST, "schemaVersion is not 2"),
        (manifest(schemaVersion=True), OCI_MANIFEST, "schema"),
        (manifest(schemaVersion=1), OCI_MANIFEST, "schema 1"),
        (manifest(manifests=[]), OCI_MANIFEST, "two different images"),
        (manifest(Manifests=[]), OCI_MANIFEST, "two different images"),
        (index(layers=[]), OCI_INDEX, "two different images"),
        (index(config={}), OCI_INDEX, "two different images"),
        (manifest(config="absent"), OCI_MANIFEST, "config: is missing"),
        (manifest(layers="absent"), OCI_MANIFEST, "layers is missing"),
        (manifest(layers=[{}] * 1025), OCI_MANIFEST, "1025 entries, more than 1024"),
        (index(manifests=[{}] * 1025), OCI_INDEX, "1025 entries, more than 1024"),
        (manifest(layers=[7]), OCI_MANIFEST, r"layers\[0\]: is missing or no object"),
    ],
)
def test_what_is_no_manifest_is_refused(data, media_type, problem):
    with pytest.raises(CouldNotCheckError, match=problem):
        parse_manifest(data, media_type, "x")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"size": -1}, "size"),
        ({"size": 1.5}, "size"),
        ({"size": True}, "size"),
        ({"size": 2**53}, "size"),
        ({"digest": "sha512:" + "0" * 128}, "is no digest"),
        ({"digest": "sha256:../../etc/passwd"}, "is no digest"),
        ({"digest": None}, "digest is missing"),
        ({"mediaType": ""}, "mediaType is missing"),
        ({"platform": "linux"}, "no object"),
        ({"platform": {"os": "linux"}}, "architecture is missing"),
        ({"platform": {"os": "linux", "architecture": "amd64/../.."}}, "no platform"),
        ({"annotations": []}, "no object"),
        ({"annotations": {"a": 1}}, "no text"),
    ],
)
def test_a_descriptor_that_is_none_is_refused(changes, problem):
    child = json.loads(build_index().manifest_bytes)["manifests"][0] | changes

    with pytest.raises(CouldNotCheckError, match=problem):
        parse_manifest(index(manifests=[child]), OCI_INDEX, "x")


@pytest.mark.parametrize(
    ("config", "platform"),
    [
        ({"os": "linux", "architecture": "amd64"}, "linux/amd64"),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "linux", "architecture": "arm64", "variant": ""}, "linux/arm64"),
    ],
)
def test_a_config_states_its_platform(config, platform):
    assert parse_config_platform(to_json(config), "x") == platform


@given(st.binary(), KINDS)
def test_any_bytes_are_parsed_or_refused(data, media_type):
    with suppress(TitanProvenanceError):
        parse_manifest(data, media_type, "x")


@given(JSON, KINDS)
def test_any_json_is_parsed_or_refused(value, media_type):
    with suppress(TitanProvenanceError):
        parse_manifest(json.dumps(value).encode(), media_type, "x")


@given(
    st.dictionaries(st.sampled_from(["config", "layers", "manifests", "mediaType"]), JSON), KINDS
)
def test_any_field_is_parsed_or_refused(fields, media_type):
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type} | fields).encode()
    with suppress(TitanProvenanceError):
        parse_manifest(data, media_type, "x")


@given(JSON)
def test_any_config_is_parsed_or_refused(value):
    with suppress(TitanProvenanceError):
        parse_config_platform(json.dumps(value).encode(), "x")


@given(st.text() | st.text(alphabet='Bearer ,="\\basic'))
def test_any_challenge_is_parsed_or_refused(header):
    with suppress(TitanProvenanceError):
        parse_challenges(header)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["basic", "bearer", "negotiate"]),
            st.dictionaries(
                st.from_regex(r"[a-z]{1,8}", fullmatch=True),
                st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=3,
    )
)
def test_challenges_that_are_written_are_read(challenges):
    def quote(text):
        return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'

    header = ", ".join(
        f"{scheme} " + ",".join(f"{name}={quote(value)}" for name, value in parameters.items())
        for scheme, parameters in challenges
    )

    assert [(item.scheme, item.parameters) for item in parse_challenges(header)] == challenges
