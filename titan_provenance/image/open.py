"""Image references as users write them, with their transport, and the sources that they open.

`docker:REPO:TAG`, `registry:REPO:TAG` (or `@sha256:…`), `oci-dir:PATH[:TAG]`,
`oci-archive:FILE[:TAG]`, `docker-archive:FILE`; a plain reference asks the engine, then the
registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from titan_provenance.errors import CouldNotCheckError, DocumentError, EngineError, UsageError
from titan_provenance.image.identity import ImageIdentity, identify
from titan_provenance.model.reference import (
    DigestReference,
    Repository,
    TagReference,
    parse_reference,
    parse_tag,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from titan_provenance.image.engine import Engine
    from titan_provenance.image.identity import AnySource
    from titan_provenance.image.layered import LayeredImage
    from titan_provenance.image.registry import RegistryClient

NamedTransport = Literal["docker", "registry", ""]
StoredTransport = Literal["oci-dir", "oci-archive", "docker-archive"]


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image by its name in the engine, a registry, or (transport empty) whichever has it."""

    transport: NamedTransport
    reference: TagReference | DigestReference

    def __str__(self) -> str:
        return f"{self.transport}:{self.reference}" if self.transport else str(self.reference)


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in a directory or archive on this machine."""

    transport: StoredTransport
    path: str
    tag: str | None = None

    def __str__(self) -> str:
        return f"{self.transport}:{self.path}" + (f":{self.tag}" if self.tag else "")


ImageReference = NamedImage | StoredImage


def parse_image_reference(text: str) -> ImageReference:
    """Return what an image reference of the command line names; raises UsageError."""
    transport, colon, rest = text.partition(":")
    if colon and transport in {"oci-dir", "oci-archive", "docker-archive"}:
        return _parse_stored(transport, rest, text)
    try:
        if colon and transport == "docker":
            return NamedImage("docker", _parse_named(rest))
        if colon and transport == "registry":
            return NamedImage("registry", _parse_named(rest))
        return NamedImage("", _parse_named(text))
    except DocumentError as error:
        raise UsageError(error.message, hint=error.hint) from error


class Sources:
    """Opens image references; the sources share one registry client and one engine connection.

    `insecure` lists registries (`HOST[:PORT]`) that are spoken to over plain http. Use it as a
    context manager, so that connections are closed.
    """

    def __init__(self, *, insecure: Collection[str] = ()) -> None:
        self._insecure = insecure
        self._registry: RegistryClient | None = None
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; sources that were opened here are then of no use."""
        for client in (self._registry, self._engine):
            if client:
                client.close()
        self._registry = self._engine = None

    def open(self, image: ImageReference | str) -> AnySource:
        """Return the source of an image; nothing is read or asked before it is used.

        Raises UsageError for text that is no image reference.
        """
        if isinstance(image, str):
            image = parse_image_reference(image)
        if isinstance(image, StoredImage):
            return _open_stored(image)
        from titan_provenance.image.engine import EngineSource

        if image.transport == "docker":
            return EngineSource(self.engine, image.reference)
        from titan_provenance.image.registry import RegistrySource

        in_registry = RegistrySource(self.registry, image.reference)
        if image.transport == "registry":
            return in_registry
        return FirstAnswerSource(EngineSource(self.engine, image.reference), in_registry)

    @property
    def registry(self) -> RegistryClient:
        """The client that all registry sources share."""
        if self._registry is None:
            from titan_provenance.image.registry import RegistryClient

            self._registry = RegistryClient(insecure=self._insecure)
        return self._registry

    @property
    def engine(self) -> Engine:
        """The engine that all engine sources share."""
        if self._engine is None:
            from titan_provenance.image.engine import Engine

            self._engine = Engine()
        return self._engine


class FirstAnswerSource:
    """An image by plain reference: as the engine knows it, else as the registry does."""

    def __init__(self, engine: AnySource, registry: AnySource) -> None:
        self._engine = engine
        self._registry = registry

    @property
    def name(self) -> str:
        """The image reference; the identity says which transport answered."""
        return self._engine.name.partition(":")[2]

    def identity(self) -> ImageIdentity:
        """Return the identity that the engine knows, or the one in the registry.

        Raises as `identify` does for the registry; if both have no answer, both say why.
        """
        try:
            return identify(self._engine)
        except EngineError as error:
            unanswered = error
        try:
            return identify(self._registry)
        except CouldNotCheckError as error:
            error.hint = f"{error.hint} (Not in the engine either: {unanswered.message}.)".lstrip()
            raise

    def layered(self, platform: str = "") -> LayeredImage:
        """Return the image with its layers, of the engine or of the registry, as `identity`."""
        from titan_provenance.image.layered import read_image

        try:
            return read_image(self._engine, platform)
        except EngineError as error:
            unanswered = error
        try:
            return read_image(self._registry, platform)
        except CouldNotCheckError as error:
            error.hint = f"{error.hint} (Not in the engine either: {unanswered.message}.)".lstrip()
            raise


def _parse_named(text: str) -> TagReference | DigestReference:
    reference = parse_reference(text)
    if isinstance(reference, Repository):
        raise UsageError(
            f'"{text[:200]}" names neither a tag nor a digest',
            hint=f"Write it as {reference}:TAG or {reference}@sha256:…",
        )
    return reference


def _parse_stored(transport: str, rest: str, text: str) -> StoredImage:
    path, tag = rest, None
    if transport == "docker-archive":
        kind: StoredTransport = "docker-archive"
    else:
        kind = "oci-dir" if transport == "oci-dir" else "oci-archive"
        path, tag = _split_tag(rest)
    if not path:
        raise UsageError(f'"{text[:200]}" names no file', hint=f"Write it as {kind}:PATH.")
    return StoredImage(kind, path, tag)


def _split_tag(rest: str) -> tuple[str, str | None]:
    """Split `PATH[:TAG]` at the last colon, unless what follows it is more path."""
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        return rest, None
    try:
        return path, parse_tag(tag)
    except DocumentError as error:
        raise UsageError(error.message, hint=error.hint) from error


def _open_stored(image: StoredImage) -> AnySource:
    from titan_provenance.image.archive import DockerArchiveSource, TarFiles
    from titan_provenance.image.layout import DirectoryFiles, LayoutSource

    if image.transport == "docker-archive":
        return DockerArchiveSource(image.path)
    files = DirectoryFiles(image.path) if image.transport == "oci-dir" else TarFiles(image.path)
    return LayoutSource(files, str(image), image.tag)
