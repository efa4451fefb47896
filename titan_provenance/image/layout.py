"""Images in an OCI image layout: a directory, or the same files in a tar archive.

Source: OCI image-spec 1.1, "Image Layout". Files are found by fixed names and by hexadecimal
digests only, so nothing that a layout says can lead out of it.
"""

from __future__ import annotations

import os
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from titan_provenance.document import load_json
from titan_provenance.errors import CouldNotCheckError, DocumentError, UnreadableError
from titan_provenance.files import is_inside
from titan_provenance.image.manifest import OCI_INDEX, Index, parse_manifest
from titan_provenance.image.source import MANIFEST_LIMIT, Descriptor

if TYPE_CHECKING:
    from collections.abc import Generator

CHUNK = 1 << 20
_MARKER = "oci-layout"
_MARKER_LIMIT = 4096
_VERSION = "1.0.0"
_REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_MAX_LISTED = 20


class Files(Protocol):
    """Files below one root, by relative name."""

    def stream(self, name: str) -> Generator[bytes]:
        """Yield the bytes of a regular file; raises UnreadableError for any other."""


def read_file(files: Files, name: str, limit: int) -> bytes:
    """Return the bytes of a file, of which there may be `limit` at most; raises UnreadableError."""
    data = b""
    with closing(files.stream(name)) as chunks:
        for chunk in chunks:
            data += chunk
            if len(data) > limit:
                raise UnreadableError(f"{name}: has more than {limit} bytes")
    return data


class DirectoryFiles:
    """The files of a directory; symbolic links may not leave it."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def stream(self, name: str) -> Generator[bytes]:
        """Yield the bytes of a file below the directory."""
        path = os.path.join(self._directory, *name.split("/"))
        try:
            if not is_inside(path, self._directory):
                raise UnreadableError(f"{path}: is a link that leaves {self._directory}")
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
            with open(os.open(os.path.realpath(path), flags), "rb", buffering=0) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise UnreadableError(f"{path}: is not a regular file")
                while chunk := file.read(CHUNK):
                    yield chunk
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError)
            reason = "does not exist" if missing else getattr(error, "strerror", None) or error
            raise UnreadableError(f"{path}: {reason}") from error


class LayoutSource:
    """One image in an OCI layout: the one that `tag` names, or the only one."""

    def __init__(self, files: Files, name: str, tag: str | None = None) -> None:
        self._files = files
        self._name = name
        self._tag = tag

    @property
    def name(self) -> str:
        """The image reference with its transport."""
        return self._name

    def root(self) -> Descriptor:
        """Return the descriptor of the image in the layout's index.

        Raises CouldNotCheckError when this is no layout, when the tag is not in it, or when there
        is no tag and more than one image.
        """
        self._check_marker()
        index = parse_manifest(
            self._read("index.json", MANIFEST_LIMIT), OCI_INDEX, f"{self._name}: index.json"
        )
        return self._select(index.manifests if isinstance(index, Index) else ())

    def open(self, descriptor: Descriptor) -> Generator[bytes]:
        """Yield the bytes of a blob of the layout."""
        yield from self._files.stream(f"blobs/sha256/{descriptor.digest.hex}")

    def _check_marker(self) -> None:
        try:
            marker = load_json(self._read(_MARKER, _MARKER_LIMIT), f"{self._name}: {_MARKER}")
        except DocumentError as error:
            raise CouldNotCheckError(error.message) from error
        version = marker.get("imageLayoutVersion") if isinstance(marker, dict) else None
        if version != _VERSION:
            raise CouldNotCheckError(f"{self._name}: is no OCI layout of version {_VERSION}")

    def _read(self, name: str, limit: int) -> bytes:
        return read_file(self._files, name, limit)

    def _select(self, images: tuple[Descriptor, ...]) -> Descriptor:
        fitting = [item for item in images if self._tag is None or self._tag in _tags(item)]
        if len({item.digest for item in fitting}) == 1:
            return fitting[0]
        tags = sorted({tag for item in images for tag in _tags(item)})
        listed = ", ".join(tags[:_MAX_LISTED]) or "none"
        asked = f"named {self._tag}" if self._tag else "to choose"
        problem = "more than one image" if fitting else "no image"
        raise CouldNotCheckError(
            f"{self._name}: there is {problem} {asked}; tags in the layout: {listed}",
            hint="Name one of them after the path, as in oci-dir:PATH:TAG.",
        )


def _tags(descriptor: Descriptor) -> set[str]:
    """Return the tags of an image; some tools write the full name where OCI has the tag alone."""
    names = [descriptor.annotations.get(key, "") for key in (_REF_NAME, _CONTAINERD_NAME)]
    tags = {name.rpartition(":")[2] for name in names}
    return {ascii(tag)[1:-1] for tag in tags if tag and "/" not in tag}
