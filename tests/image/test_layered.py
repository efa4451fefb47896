import gzip
import io
import json
import tarfile

import pytest
from fakes.images import (
    build_image,
    build_index,
    docker_archive_files,
    tar_of,
    to_json,
    write_layout,
    write_tar,
)

from titan_provenance.errors import (
    CouldNotCheckError,
    EngineError,
    UsageError,
    VerificationError,
)
from titan_provenance.image import Sources
from titan_provenance.image.config import parse_config
from titan_provenance.image.engine import EngineSource
from titan_provenance.image.layered import read_image
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import parse_reference

IMAGE = build_image()
LAYER = tar_of({"srv/brain": b"linux/amd64"})
DIFF_ID = Digest.of(LAYER)


def opened(image):
    """Return the bytes of all layers of an image."""
    return [b"".join(image.source.open_layer(layer)) for layer in image.layers]


def config(**fields):
    document = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [str(DIFF_ID), str(DIFF_ID)]},
    }
    return to_json({**document, **fields})


def test_a_layout(tmp_path):
    write_layout(tmp_path, {"1.4.0": IMAGE})
    with Sources() as sources:
        image = read_image(sources.open(f"oci-dir:{tmp_path}"))
    assert image.manifest == IMAGE.digest
    assert image.config_digest == IMAGE.platforms[0].config
    assert image.config.labels == {"name": "brain"}
    assert [layer.diff_id for layer in image.layers] == [DIFF_ID]
    assert opened(image) == [LAYER]


def test_a_layer_whose_bytes_were_changed(tmp_path):
    write_layout(tmp_path, {"1.4.0": IMAGE})
    (tmp_path / "blobs" / "sha256" / DIFF_ID.hex).write_bytes(LAYER[:-1] + b"x")
    with Sources() as sources:
        image = read_image(sources.open(f"oci-dir:{tmp_path}"))
    with pytest.raises(VerificationError):
        opened(image)


def test_an_index_wants_a_platform_unless_there_is_one_only(tmp_path):
    write_layout(tmp_path, {"two": build_index(), "one": build_index(platforms=("linux/arm64",))})
    with Sources() as sources:
        two = sources.open(f"oci-dir:{tmp_path}:two")
        assert read_image(two, "linux/amd64").config.platform == "linux/amd64"
        with pytest.raises(UsageError, match="which platform"):
            read_image(two)
        with pytest.raises(UsageError, match="no image for linux/s390x"):
            read_image(two, "linux/s390x")
        one = sources.open(f"oci-dir:{tmp_path}:one")
        assert read_image(one).config.platform == "linux/arm64"


def test_a_single_image_has_to_be_for_the_platform_that_is_named(tmp_path):
    write_layout(tmp_path, {"1.4.0": build_image(platform="linux/arm64/v8")})
    with Sources() as sources:
        source = sources.open(f"oci-dir:{tmp_path}")
        assert read_image(source, "linux/arm64").config.platform == "linux/arm64/v8"
        with pytest.raises(UsageError, match="not for linux/amd64"):
            read_image(source, "linux/amd64")


def test_a_docker_archive(tmp_path):
    write_tar(tmp_path / "a.tar", docker_archive_files({"brain:1": IMAGE}))
    with Sources() as sources:
        image = read_image(sources.open(f"docker-archive:{tmp_path}/a.tar"))
        assert image.manifest is None
        assert image.config_digest == IMAGE.platforms[0].config
        assert opened(image) == [LAYER]
        with pytest.raises(UsageError, match="not for linux/arm64"):
            read_image(sources.open(f"docker-archive:{tmp_path}/a.tar"), "linux/arm64")


@pytest.mark.parametrize("layers", [None, "x", [1], [], ["a", "b"]])
def test_a_docker_archive_whose_layers_are_not_those_of_its_config(tmp_path, layers):
    files = docker_archive_files({"brain:1": IMAGE})
    (entry,) = json.loads(files["manifest.json"])
    files["manifest.json"] = to_json([{**entry, "Layers": layers}])
    write_tar(tmp_path / "a.tar", files)
    with Sources() as sources, pytest.raises(CouldNotCheckError, match="layers"):
        read_image(sources.open(f"docker-archive:{tmp_path}/a.tar"))


def test_the_history_tells_which_line_made_which_layer():
    history = [
        {"created_by": "FROM"},
        {"created_by": "ENV a", "empty_layer": True},
        {"comment": "imported"},
        {"created_by": "CMD", "empty_layer": True},
    ]
    assert parse_config(config(history=history), "x").created_by == ("FROM", "imported")
    assert parse_config(config(history=history[:2]), "x").created_by == ("", "")
    assert parse_config(config(history="none"), "x").created_by == ("", "")
    assert parse_config(config(), "x").created_by == ("", "")


def test_labels_that_are_no_text_are_left_out():
    labels = {"org.opencontainers.image.base.name": "debian:12", "n": 1}
    found = parse_config(config(config={"Labels": labels}, created="2026-01-01"), "x")
    assert found.labels == {"org.opencontainers.image.base.name": "debian:12"}
    assert found.created == "2026-01-01"
    assert parse_config(config(config={"Labels": None}), "x").labels == {}


@pytest.mark.parametrize("rootfs", [None, [], {}, {"diff_ids": "x"}, {"diff_ids": ["sha256:x"]}])
def test_a_config_without_layers(rootfs):
    with pytest.raises(CouldNotCheckError):
        parse_config(config(rootfs=rootfs), "x")


class FakeEngine:
    """What EngineSource asks of the engine."""

    def __init__(self, layers, export=b"", history=()):
        self.layers = layers
        self.data = export
        self.entries = list(history)

    def inspect(self, _):
        return {
            "Id": f"sha256:{'1' * 64}",
            "Os": "linux",
            "Architecture": "amd64",
            "Created": "2026-01-01",
            "Config": {"Labels": {"a": "b"}},
            "RootFS": {"Layers": self.layers},
            "RepoDigests": [f"x/brain@sha256:{'2' * 64}"],
        }

    def history(self, _):
        return self.entries

    def export(self, _):
        return (self.data[start : start + 700] for start in range(0, len(self.data), 700))


def in_engine(*arguments, **options):
    return EngineSource(FakeEngine(*arguments, **options), parse_reference("x/brain:1"))


def exported(image):
    return {name: b"".join(chunks) for name, chunks in image.source.export_layers()}


OTHER = tar_of({"other": b"file" * 1000})


def test_the_engine_says_what_an_image_is_without_an_export():
    image = read_image(in_engine([str(DIFF_ID)]), "linux/amd64")
    assert image.name == "docker:docker.io/x/brain:1"
    assert image.manifest == Digest("2" * 64)
    assert image.config_digest == Digest("1" * 64)
    assert image.config.labels == {"a": "b"}
    assert image.config.created == "2026-01-01"
    assert [layer.diff_id for layer in image.layers] == [DIFF_ID]
    with pytest.raises(UsageError, match="not for linux/arm64"):
        read_image(in_engine([str(DIFF_ID)]), "linux/arm64")


@pytest.mark.parametrize("layers", [None, "x", ["sha256:x"], [1]])
def test_an_engine_that_names_no_layers(layers):
    with pytest.raises(EngineError):
        read_image(in_engine(layers))


def test_an_export_in_the_classic_form():
    files = {
        f"{'a' * 64}/layer.tar": LAYER,
        f"{'a' * 64}/json": b"{}",
        f"{'1' * 64}.json": b"{}",
        f"{'b' * 64}/layer.tar": OTHER,
        "manifest.json": b"[]",
    }
    image = read_image(in_engine([str(DIFF_ID)], tar_of(files)))
    assert list(exported(image).values()) == [LAYER, OTHER]


def test_an_export_as_a_layout_whose_manifest_comes_last():
    files = {
        f"blobs/sha256/{'a' * 64}": gzip.compress(LAYER),
        f"blobs/sha256/{'b' * 64}": OTHER,
        f"blobs/sha256/{'c' * 64}": b'{"config": true}',
        f"blobs/sha256/{'d' * 64}": bytes(1024),
        "blobs/sha256/short": OTHER,
        "index.json": b"{}",
        "manifest.json": b"[]",
    }
    image = read_image(in_engine([str(DIFF_ID)], tar_of(files)))
    assert list(exported(image).values()) == [gzip.compress(LAYER), OTHER, bytes(1024)]


def test_layers_of_an_export_need_not_be_read():
    files = {f"{key * 64}/layer.tar": OTHER for key in "abc"}
    image = read_image(in_engine([str(DIFF_ID)], tar_of(files)))
    assert [name[0] for name, _ in image.source.export_layers()] == ["a", "b", "c"]


def test_links_in_an_export_are_no_layers():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        link = tarfile.TarInfo(f"{'a' * 64}/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        tar.addfile(link)
    assert exported(read_image(in_engine([str(DIFF_ID)], buffer.getvalue()))) == {}


@pytest.mark.parametrize(
    ("layers", "lines"),
    [(1, ("FROM",)), (3, ("FROM", "/bin/sh -c #(nop) WORKDIR /a", "RUN true")), (2, ("", ""))],
)
def test_the_engine_s_history_does_not_say_which_lines_made_no_layer(layers, lines):
    history = [
        {"CreatedBy": '/bin/sh -c #(nop)  CMD ["a"]', "Size": 0},
        {"CreatedBy": "RUN true", "Size": 0},
        {"CreatedBy": "ENV a=b # buildkit", "Size": 0},
        {"CreatedBy": "/bin/sh -c #(nop) WORKDIR /a", "Size": 0},
        {"CreatedBy": "FROM", "Size": 5},
    ]
    image = read_image(in_engine([str(DIFF_ID)] * layers, history=history))
    assert tuple(layer.created_by for layer in image.layers) == lines
