import gzip
import io
import tarfile
from contextlib import suppress

import pytest
from fakes.images import (
    build_image,
    build_index,
    docker_archive_files,
    layout_files,
    tar_of,
    to_json,
    write_tar,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from titan_provenance.errors import (
    CouldNotCheckError,
    TitanProvenanceError,
    UnreadableError,
    VerificationError,
)
from titan_provenance.image import Sources, identify


@pytest.fixture
def path(tmp_path):
    return tmp_path / "image.tar"


def identity_of(reference):
    with Sources() as sources:
        return identify(sources.open(reference))


def save(path, members):
    with tarfile.open(path, "w") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_an_oci_archive_is_a_layout(path):
    image = build_index()
    write_tar(path, layout_files({"1.4.0": image}))

    identity = identity_of(f"oci-archive:{path}:1.4.0")
    assert identity.digest == image.digest
    assert identity.platforms == image.platforms
    assert identity.answered_by == f"oci-archive:{path}:1.4.0"


def test_names_may_start_with_a_dot(path):
    image = build_image()
    files = layout_files({"": image})
    write_tar(path, {f"./{name}": data for name, data in files.items()})

    assert identity_of(f"oci-archive:{path}").digest == image.digest


def test_a_docker_archive_has_platform_and_config_but_nothing_to_deploy(path):
    image = build_image(docker=True, platform="linux/arm64/v8")
    write_tar(path, docker_archive_files({"titan/brain:1.4.0": image}))

    identity = identity_of(f"docker-archive:{path}")
    (expected,) = image.platforms
    (found,) = identity.platforms
    assert identity.digest is None
    assert found.manifest is None
    assert (found.platform, found.config) == (expected.platform, expected.config)


def test_a_docker_archive_that_is_a_layout_too_has_nothing_to_deploy_either(path):
    image = build_image()
    config = f"blobs/sha256/{image.platforms[0].config.hex}"
    manifest = to_json([{"Config": config, "RepoTags": ["brain:1"], "Layers": []}])
    write_tar(path, layout_files({"1": image}) | {"manifest.json": manifest})

    assert identity_of(f"docker-archive:{path}").digest is None
    assert identity_of(f"oci-archive:{path}").digest == image.digest


def test_a_config_that_is_not_what_its_name_says_is_checked_and_bad(path):
    image = build_image(docker=True)
    files = docker_archive_files({"titan/brain:1.4.0": image})
    name = f"{image.platforms[0].config.hex}.json"
    write_tar(path, files | {name: files[name] + b" "})

    with pytest.raises(VerificationError, match="hashes to"):
        identity_of(f"docker-archive:{path}")


def test_several_images_in_a_docker_archive_are_listed(path):
    images = {"titan/brain:1": build_image("brain"), "titan/nats:2": build_image("nats")}
    write_tar(path, docker_archive_files(images))

    with pytest.raises(CouldNotCheckError, match="holds 2 images, not one: titan/brain:1, titan"):
        identity_of(f"docker-archive:{path}")


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (None, "manifest.json: is not in the archive"),
        (b"{", "not JSON"),
        (b"{}", "no list of images"),
        (b"[7]", "no list of images"),
        (b"[]", "holds 0 images"),
        (b"[{}]", "names no config"),
        (b'[{"Config": "../../etc/passwd"}]', "is not in the archive"),
        (b'[{"Config": "manifest.json"}]', "no object"),
        (b" " * (4 << 20) + b" ", "has more than"),
    ],
)
def test_what_is_no_docker_archive_is_refused(path, manifest, problem):
    write_tar(path, {} if manifest is None else {"manifest.json": manifest})

    with pytest.raises(CouldNotCheckError, match=problem):
        identity_of(f"docker-archive:{path}")


def test_a_member_that_comes_twice_is_refused(path):
    files = list(layout_files({"": build_image()}).items())
    save(path, [(tarfile.TarInfo(name), data) for name, data in [*files, files[0]]])

    with pytest.raises(UnreadableError, match="holds 'oci-layout' twice"):
        identity_of(f"oci-archive:{path}")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_no_regular_file_is_refused(path, kind):
    member = tarfile.TarInfo("oci-layout")
    member.type, member.linkname = kind, "/etc/passwd"
    save(path, [(member, b"")])

    with pytest.raises(UnreadableError, match="oci-layout: is not a regular file"):
        identity_of(f"oci-archive:{path}")


def test_too_many_members_are_refused(path, monkeypatch):
    monkeypatch.setattr("titan_provenance.image.archive.MAX_MEMBERS", 3)
    write_tar(path, layout_files({"": build_image()}))

    with pytest.raises(UnreadableError, match="more than 3 files"):
        identity_of(f"oci-archive:{path}")


def test_a_header_that_claims_a_gigabyte_is_not_read(path):
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    path.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 1024)

    with pytest.raises(UnreadableError, match="no tar archive"):
        identity_of(f"oci-archive:{path}")


def test_a_compressed_archive_says_what_to_do(path):
    path.write_bytes(gzip.compress(tar_of(layout_files({"": build_image()}))))

    with pytest.raises(UnreadableError, match="is compressed") as caught:
        identity_of(f"oci-archive:{path}")
    assert "gunzip" in caught.value.hint


def test_an_archive_that_is_cut_short_is_unreadable(path):
    image = build_image(docker=True)
    data = tar_of(docker_archive_files({"titan/brain:1.4.0": image}))
    path.write_bytes(data[: data.index(b'[{"Config"') + 20])

    with pytest.raises(UnreadableError):
        identity_of(f"docker-archive:{path}")


def test_an_archive_that_does_not_exist_is_unreadable(path):
    with pytest.raises(UnreadableError, match="does not exist"):
        identity_of(f"oci-archive:{path}")


def test_a_directory_is_no_archive(tmp_path):
    with pytest.raises(UnreadableError, match="directory"):
        identity_of(f"docker-archive:{tmp_path}")


GOOD = tar_of(docker_archive_files({"titan/brain:1.4.0": build_image(docker=True)}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=40)))
def test_any_archive_is_read_or_refused(path, change):
    data = change
    if isinstance(change, tuple):
        at, patch = change
        data = GOOD[:at] + patch + GOOD[at + len(patch) :]
    path.write_bytes(data)
    with suppress(TitanProvenanceError):
        identity_of(f"docker-archive:{path}")
