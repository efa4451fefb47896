import json
import os

import pytest
from fakes.images import build_image, build_index, write_layout

from titan_provenance.errors import CouldNotCheckError, UnreadableError, VerificationError
from titan_provenance.image import Sources, identify


def identity_of(path, tag=""):
    with Sources() as sources:
        return identify(sources.open(f"oci-dir:{path}" + (f":{tag}" if tag else "")))


def blob(path, digest):
    return path / "blobs" / "sha256" / str(digest)[7:]


def test_one_image_needs_no_tag(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"": image})

    identity = identity_of(tmp_path)
    assert identity.digest == image.digest
    assert identity.platforms == image.platforms
    assert identity.answered_by == f"oci-dir:{tmp_path}"


def test_a_tag_chooses_an_image(tmp_path):
    old, new = build_image("old"), build_index("new")
    write_layout(tmp_path, {"1.3.0": old, "1.4.0": new})

    assert identity_of(tmp_path, "1.3.0").digest == old.digest
    assert identity_of(tmp_path, "1.4.0").platforms == new.platforms


def test_the_name_that_containerd_writes_has_the_tag(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"": image})
    annotations = {"io.containerd.image.name": "docker.io/titan/brain:1.4.0"}
    entry = image.root | {"annotations": annotations}
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))

    assert identity_of(tmp_path, "1.4.0").digest == image.digest


def test_several_tags_of_one_image_are_no_choice(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image, "latest": image})

    assert identity_of(tmp_path).digest == image.digest


def test_a_choice_that_was_not_made_lists_the_tags(tmp_path):
    write_layout(tmp_path, {"1.3.0": build_image("old"), "1.4.0": build_image("new")})

    with pytest.raises(CouldNotCheckError, match=r"more than one image .*: 1\.3\.0, 1\.4\.0"):
        identity_of(tmp_path)


def test_a_tag_that_is_not_there_lists_those_that_are(tmp_path):
    write_layout(tmp_path, {"1.4.0": build_image()})

    with pytest.raises(CouldNotCheckError, match=r"no image named 9; tags in the layout: 1\.4\.0"):
        identity_of(tmp_path, "9")


def test_an_empty_layout_has_no_image(tmp_path):
    write_layout(tmp_path, {})

    with pytest.raises(CouldNotCheckError, match="no image to choose; tags in the layout: none"):
        identity_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("oci-layout", None, "does not exist"),
        ("oci-layout", b"{}", r"no OCI layout of version 1\.0\.0"),
        ("oci-layout", b"[]", "no OCI layout"),
        ("oci-layout", b"{", "not JSON"),
        ("oci-layout", b" " * 5000, "has more than"),
        ("index.json", None, "does not exist"),
        ("index.json", b"{", "not JSON"),
        ("index.json", b'{"schemaVersion": 2}', "manifests is missing"),
        ("index.json", b" " * (4 << 20) + b" ", "has more than"),
    ],
)
def test_what_is_no_layout_is_refused(tmp_path, name, content, problem):
    write_layout(tmp_path, {"1.4.0": build_image()})
    os.unlink(tmp_path / name)
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(CouldNotCheckError, match=problem):
        identity_of(tmp_path)


def test_a_directory_that_does_not_exist_is_unreadable(tmp_path):
    with pytest.raises(UnreadableError, match="does not exist"):
        identity_of(tmp_path / "nowhere")


def test_a_changed_blob_is_checked_and_bad(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image})
    path = blob(tmp_path, image.digest)
    path.write_bytes(path.read_bytes()[:-1] + b" ")

    with pytest.raises(VerificationError, match="hash to"):
        identity_of(tmp_path)


def test_a_shortened_blob_is_checked_and_bad(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image})
    path = blob(tmp_path, image.platforms[0].config)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(VerificationError, match="its descriptor states"):
        identity_of(tmp_path)


def test_a_lengthened_blob_is_checked_and_bad(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image})
    path = blob(tmp_path, image.digest)
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(VerificationError, match=r"more than the .* bytes that its descriptor"):
        identity_of(tmp_path)


def test_a_missing_blob_is_unreadable(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image})
    blob(tmp_path, image.platforms[0].config).unlink()

    with pytest.raises(UnreadableError, match="does not exist"):
        identity_of(tmp_path)


def test_a_link_that_leaves_the_layout_is_refused(tmp_path):
    image = build_image()
    layout = tmp_path / "layout"
    write_layout(layout, {"1.4.0": image})
    path = blob(layout, image.digest)
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")

    with pytest.raises(UnreadableError, match="is a link that leaves"):
        identity_of(layout)


def test_a_directory_that_is_a_link_out_is_refused(tmp_path):
    layout = tmp_path / "layout"
    write_layout(layout, {"1.4.0": build_image()})
    (layout / "blobs").rename(tmp_path / "blobs")
    (layout / "blobs").symlink_to(tmp_path / "blobs")

    with pytest.raises(UnreadableError, match="is a link that leaves"):
        identity_of(layout)


def test_a_link_within_the_layout_is_read(tmp_path):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image})
    path = blob(tmp_path, image.digest)
    path.rename(path.with_name("kept"))
    path.symlink_to("kept")

    assert identity_of(tmp_path).digest == image.digest


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_refused(tmp_path, make):
    image = build_image()
    write_layout(tmp_path, {"1.4.0": image})
    path = blob(tmp_path, image.digest)
    path.unlink()
    make(path)

    with pytest.raises(UnreadableError, match=r"is not a regular file|Is a directory"):
        identity_of(tmp_path)
