import json

import pytest

from titan_provenance.errors import DocumentError, UnreadableError, UsageError
from titan_provenance.model.digest import Digest
from titan_provenance.model.fleet import parse_fleet
from titan_provenance.release.fragments import read_fragments

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
FLEET = parse_fleet(
    b"""
version: 1
fleet: titan
services:
  brain: {image: ghcr.io/org/titan-brain, compose: titan-brain}
  nats: {image: ghcr.io/org/titan-nats, compose: titan-nats}
  hunter: {image: ghcr.io/org/titan-hunter, compose: titan-hunter}
""",
    "titan-provenance.yaml",
)


def read(directory, **files):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (directory / name.replace("__", ".")).write_text(text)
    return {name: item.digest for name, item in read_fragments(str(directory), FLEET).items()}


def test_every_form(tmp_path):
    assert read(
        tmp_path,
        brain__json={"service": "brain", "image": f"ghcr.io/org/titan-brain@{ONE}"},
        old__json={"titan-nats": f"ghcr.io/org/titan-nats@{TWO}"},
        hunter__txt=f"{ONE}\n",
    ) == {"brain": ONE, "nats": TWO, "hunter": ONE}


def test_old_file_of_all_services(tmp_path):
    images = {s.compose: f"{s.image}@{ONE}" for s in FLEET.services}
    assert len(read(tmp_path, digests__json=images)) == 3


def test_plain_file_with_a_reference_whose_tag_is_information(tmp_path):
    assert read(tmp_path, brain=f"ghcr.io/org/titan-brain:1.4.0@{ONE}") == {"brain": ONE}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("brain__json", {"brain": "ghcr.io/org/titan-brain:1.4.0"}, "names no digest"),
        ("brain__txt", "ghcr.io/org/titan-brain:1.4.0", "names no digest"),
        ("brain__txt", "sha256:123", "is no digest"),
        ("brain__json", {"brain": f"evil.example/x@{ONE}"}, r"evil.example/x here and ghcr.io"),
        ("brian__txt", f"{ONE}", 'no service "brian"'),
        ("brain__json", {"brian": f"ghcr.io/org/titan-brain@{ONE}"}, 'no service "brian"'),
        ("brain__json", {}, "names no service"),
        ("brain__json", "[]", "expected a mapping"),
        ("brain__json", "{", "not JSON"),
        ("brain__txt", "", "is empty"),
        ("brain__json", f'{{"brain": "a@{ONE}", "brain": "b@{ONE}"}}', "duplicate key"),
    ],
)
def test_what_is_no_fragment(tmp_path, name, content, message):
    with pytest.raises(DocumentError, match=message):
        read(tmp_path, **{name: content})


def test_misspelt_service_is_named_with_the_nearest(tmp_path):
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, brian__txt=str(ONE))
    assert caught.value.hint == 'Did you mean "brain"?'


def test_service_named_twice_names_both_files(tmp_path):
    with pytest.raises(DocumentError) as caught:
        read(tmp_path, a__json={"brain": f"ghcr.io/org/titan-brain@{ONE}"}, brain__txt=str(TWO))
    assert "a.json" in caught.value.message
    assert "brain.txt" in caught.value.message
    assert str(ONE) in caught.value.message
    assert str(TWO) in caught.value.message


def test_directory_that_is_empty_or_missing(tmp_path):
    with pytest.raises(UsageError, match="0 files"):
        read_fragments(str(tmp_path), FLEET)
    with pytest.raises(UnreadableError):
        read_fragments(str(tmp_path / "no"), FLEET)


def test_binary_fragment(tmp_path):
    (tmp_path / "brain").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DocumentError, match="is not text"):
        read_fragments(str(tmp_path), FLEET)
