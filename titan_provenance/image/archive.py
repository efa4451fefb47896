"""Images in tar archives: OCI layouts, and what `docker save` writes.

Members are read where they lie in the archive, by name; nothing is extracted. A docker-archive
knows the config of an image but not the manifest that a registry has of it, so its identity has no
digest to deploy. That also holds for a `docker save` that is an OCI layout at the same time: on the
classic image store its manifest is made up while saving. `oci-archive:` reads it as a layout.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from titan_provenance.document import load_json
from titan_provenance.errors import (
    CouldNotCheckError,
    DocumentError,
    UnreadableError,
    VerificationError,
)
from titan_provenance.image.config import parse_config
from titan_provenance.image.identity import ImageIdentity
from titan_provenance.image.layout import CHUNK, read_file
from titan_provenance.image.manifest import parse_config_platform
from titan_provenance.image.source import CONFIG_LIMIT, MANIFEST_LIMIT
from titan_provenance.model.digest import Digest
from titan_provenance.model.release import PlatformImage

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Generator

    from titan_provenance.image.layer import Layer
    from titan_provenance.image.layered import LayeredImage

MAX_MEMBERS = 65_536
_HEADER_LIMIT = 1 << 20
_GZIP = b"\x1f\x8b"
_CONFIG_NAME = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?", re.ASCII)
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class _Member:
    offset: int
    size: int


class TarFiles:
    """The regular files of an uncompressed tar archive."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._members: dict[str, _Member | None] | None = None

    def stream(self, name: str) -> Generator[bytes]:
        """Yield the bytes of the member `name`."""
        if self._members is None:
            self._members = _list_members(self._path)
        where = f"{self._path}: {ascii(name)[1:-1]}"
        if name not in self._members:
            raise UnreadableError(f"{where}: is not in the archive")
        member = self._members[name]
        if member is None:
            raise UnreadableError(f"{where}: is not a regular file")
        yield from self._stream(member)

    def _stream(self, member: _Member) -> Generator[bytes]:
        remaining = member.size
        with _open(self._path) as file:
            file.seek(member.offset)
            while remaining and (chunk := file.read(min(CHUNK, remaining))):
                remaining -= len(chunk)
                yield chunk
        if remaining:
            raise UnreadableError(f"{self._path}: is cut short")


class DockerArchiveSource:
    """The one image in a docker-archive; it answers an identity without a digest to deploy."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._files = TarFiles(path)

    @property
    def name(self) -> str:
        """The image reference with its transport."""
        return f"docker-archive:{self._path}"

    def identity(self) -> ImageIdentity:
        """Return the platform and the config digest.

        Raises VerificationError when the config does not hash to the digest that names it,
        CouldNotCheckError when this is no docker-archive or holds several images.
        """
        data, digest = self._config(self._image())
        platform = parse_config_platform(data, f"{self.name}: {digest}")
        return ImageIdentity(None, (PlatformImage(platform, None, digest),), self.name)

    def layered(self, platform: str = "") -> LayeredImage:
        """Return the image with its layers, which are read by name from the archive.

        Raises as `identity` does, and UsageError when it is for another platform.
        """
        from titan_provenance.image.layered import LayeredImage, check_platform, number_layers

        image = self._image()
        data, digest = self._config(image)
        config = parse_config(data, f"{self.name}: {digest}")
        check_platform(self.name, config, platform)
        names = image.get("Layers")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise CouldNotCheckError(f"{self.name}: manifest.json: names no layers")
        layers = number_layers(self.name, config, (None,) * len(names))
        members = _LayerMembers(self._files, tuple(names))
        return LayeredImage(self.name, None, digest, config, layers, members)

    def _config(self, image: dict[str, Any]) -> tuple[bytes, Digest]:
        name = image.get("Config")
        if not isinstance(name, str):
            raise CouldNotCheckError(f"{self.name}: manifest.json: names no config")
        data = self._read(name, CONFIG_LIMIT)
        digest = Digest.of(data)
        if (match := _CONFIG_NAME.fullmatch(name)) and match[1] != digest.hex:
            raise VerificationError(
                f"{self.name}: the config {name} hashes to {digest}",
                hint="The archive was changed or damaged: do not use it.",
            )
        return data, digest

    def _image(self) -> dict[str, Any]:
        where = f"{self.name}: manifest.json"
        try:
            images = load_json(self._read("manifest.json", MANIFEST_LIMIT), where)
        except DocumentError as error:
            raise CouldNotCheckError(error.message) from error
        if not isinstance(images, list) or not all(isinstance(item, dict) for item in images):
            raise CouldNotCheckError(f"{where}: is no list of images")
        if len(images) != 1:
            listed = ", ".join(_repository_tags(images)[:_MAX_LISTED])
            raise CouldNotCheckError(
                f"{self.name}: holds {len(images)} images, not one: {listed}",
                hint="Save each image into its own archive.",
            )
        image: dict[str, Any] = images[0]
        return image

    def _read(self, name: str, limit: int) -> bytes:
        return read_file(self._files, name, limit)


class _LayerMembers:
    """The layers of a docker-archive; their diffIDs are all there is to hold them to."""

    def __init__(self, files: TarFiles, names: tuple[str, ...]) -> None:
        self._files = files
        self._names = names

    def open_layer(self, layer: Layer) -> Generator[bytes]:
        return self._files.stream(self._names[layer.index])


def _repository_tags(images: list[dict[str, Any]]) -> list[str]:
    return [ascii(tag)[1:-1] for image in images for tag in image.get("RepoTags") or ["untagged"]]


def _open(path: str) -> io.FileIO:
    try:
        return io.FileIO(path)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "does not exist" if missing else getattr(error, "strerror", None) or error
        raise UnreadableError(f"{path}: {reason}") from error


def _list_members(path: str) -> dict[str, _Member | None]:
    """Return where each regular file of the archive lies; None for members of another kind."""
    import tarfile

    members: dict[str, _Member | None] = {}
    with _open(path) as file:
        try:
            if file.read(2) == _GZIP:
                raise UnreadableError(f"{path}: is compressed", hint="Run gunzip on it first.")
            file.seek(0)
            with tarfile.open(fileobj=_BoundedReader(file), mode="r:") as tar:
                for member in tar:
                    name = member.name.removeprefix("./")
                    if name in members and not member.isdir():
                        raise UnreadableError(f"{path}: holds {name!a} twice")
                    if len(members) >= MAX_MEMBERS:
                        raise UnreadableError(f"{path}: holds more than {MAX_MEMBERS} files")
                    members[name] = _locate(member)
        except (tarfile.TarError, OSError, ValueError) as error:
            raise UnreadableError(f"{path}: is no tar archive that can be read") from error
    return members


def _locate(member: tarfile.TarInfo) -> _Member | None:
    plain = member.isreg() and not member.issparse()
    return _Member(member.offset_data, member.size) if plain else None


class _BoundedReader(io.BufferedReader):
    """A file that is read in small pieces only: an extended header may claim any size."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _HEADER_LIMIT:
            raise ValueError("a header is too large")
        return super().read(size)
