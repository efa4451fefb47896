"""Tiny container images, the same bytes every time, in each of the forms they are kept in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass, field
from typing import Any

from titan_provenance.image.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
)
from titan_provenance.image.source import Descriptor
from titan_provenance.model.digest import Digest
from titan_provenance.model.release import PlatformImage

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


@dataclass
class FakeImage:
    """An image as a store keeps it: the root's descriptor and all contents by digest."""

    root: dict[str, Any]
    contents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    platforms: tuple[PlatformImage, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest that a deploy pulls."""
        return Digest.parse(self.root["digest"])

    @property
    def descriptor(self) -> Descriptor:
        """The root as the toolkit describes it."""
        return Descriptor(self.root["mediaType"], self.digest, self.root["size"])

    @property
    def manifest_bytes(self) -> bytes:
        """The bytes of the root index or manifest."""
        return self.contents[self.root["digest"]][1]

    def add(self, media_type: str, data: bytes, **extra: Any) -> dict[str, Any]:
        """Keep one content and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.contents[digest] = (media_type, data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **extra}


def to_json(value: Any) -> bytes:
    """Return the JSON that the fakes write."""
    return json.dumps(value, sort_keys=True).encode()


def tar_of(files: dict[str, bytes]) -> bytes:
    """Return an uncompressed tar archive of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def build_image(
    name: str = "brain",
    platform: str = "linux/amd64",
    *,
    docker: bool = False,
    layers: list[dict[str, bytes]] | None = None,
) -> FakeImage:
    """Return an image for one platform, in OCI's media types or Docker's.

    `layers` are the files of each layer; without them there is one layer with one file.
    """
    image = FakeImage({})
    contents = layers or [{f"srv/{name}": platform.encode()}]
    kind = DOCKER_LAYER if docker else OCI_LAYER
    stored = [image.add(kind, tar_of(files)) for files in contents]
    system, architecture, *variant = platform.split("/")
    config_document = {
        "os": system,
        "architecture": architecture,
        "config": {"Labels": {"name": name}},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in stored]},
    }
    if variant:
        config_document["variant"] = variant[0]
    config = image.add(DOCKER_CONFIG if docker else OCI_CONFIG, to_json(config_document))
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config,
        "layers": stored,
    }
    image.root = image.add(media_type, to_json(manifest))
    image.platforms = (PlatformImage(platform, image.digest, Digest.parse(config["digest"])),)
    return image


def build_index(
    name: str = "brain",
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64/v8"),
    *,
    docker: bool = False,
    attestation: bool = True,
) -> FakeImage:
    """Return an index of images, with a BuildKit attestation beside them as buildx writes it."""
    index = FakeImage({})
    children = []
    for platform in platforms:
        child = build_image(name, platform, docker=docker)
        system, architecture, *variant = platform.split("/")
        fields = {"os": system, "architecture": architecture}
        if variant:
            fields["variant"] = variant[0]
        index.contents |= child.contents
        index.platforms += child.platforms
        children.append({**child.root, "platform": fields})
    if attestation:
        children.append(_attestation(index, children[0]["digest"]))
    media_type = DOCKER_LIST if docker else OCI_INDEX
    index.root = index.add(
        media_type,
        to_json({"schemaVersion": 2, "mediaType": media_type, "manifests": children}),
    )
    return index


def _attestation(index: FakeImage, about: str) -> dict[str, Any]:
    statement = index.add("application/vnd.in-toto+json", b'{"predicateType":"https://slsa.dev"}')
    config = index.add(OCI_CONFIG, b'{"architecture":"unknown","os":"unknown"}')
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": [statement],
    }
    return index.add(
        OCI_MANIFEST,
        to_json(manifest),
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={
            "vnd.docker.reference.digest": about,
            "vnd.docker.reference.type": "attestation-manifest",
        },
    )


def layout_files(images: dict[str, FakeImage]) -> dict[str, bytes]:
    """Return the files of an OCI layout that holds `images` by tag; an empty tag is left out."""
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    entries = []
    for tag, image in images.items():
        names = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        entries.append({**image.root, **names})
        for digest, (_, data) in image.contents.items():
            files[f"blobs/sha256/{digest[7:]}"] = data
    files["index.json"] = to_json({"schemaVersion": 2, "manifests": entries})
    return files


def write_layout(directory: str | os.PathLike[str], images: dict[str, FakeImage]) -> None:
    """Write an OCI layout directory."""
    for name, data in layout_files(images).items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def docker_archive_files(images: dict[str, FakeImage]) -> dict[str, bytes]:
    """Return the members of what `docker save` writes for single-platform images by full name."""
    files: dict[str, bytes] = {}
    entries = []
    for name, image in images.items():
        manifest = json.loads(image.manifest_bytes)
        config, (layer,) = manifest["config"]["digest"], manifest["layers"]
        config_name = f"{config[7:]}.json"
        layer_name = f"{layer['digest'][7:]}/layer.tar"
        files[config_name] = image.contents[config][1]
        files[layer_name] = image.contents[layer["digest"]][1]
        entries.append({"Config": config_name, "RepoTags": [name], "Layers": [layer_name]})
    files["manifest.json"] = to_json(entries)
    return files


def write_tar(path: str | os.PathLike[str], files: dict[str, bytes]) -> None:
    """Write an uncompressed tar archive."""
    with open(path, "wb") as file:
        file.write(tar_of(files))
