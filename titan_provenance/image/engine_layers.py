"""The layers of images in the Docker engine: what inspect and history say, and the export.

The engine gives layers only all together, as `docker save` does: one tar in the classic form
(`<id>/layer.tar`), as an OCI layout (`blobs/sha256/…`), or both. It is read in one pass, in the
order in which it comes. Nothing in it is asked which layer is which: each content says so itself
by its diffID, which has to be one that the engine's inspect names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from titan_provenance.errors import DocumentError, EngineError
from titan_provenance.image.config import ImageConfig, layer_history
from titan_provenance.image.manifest import MAX_LAYERS
from titan_provenance.image.tar import REGULAR, TarReader
from titan_provenance.model.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Generator

    from titan_provenance.image.engine import Engine
    from titan_provenance.model.reference import DigestReference, TagReference

_HEAD = 512
_LAYER = re.compile(rb"(?:.*/)?layer\.tar|blobs/sha256/[0-9a-f]{64}")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")
_TAR_MAGIC = b"ustar"
# Dockerfile reference: these set the config and make no layer.
_SETTING = re.compile(
    r"(?:/bin/sh -c #\(nop\)\s+)?"
    r"(?:CMD|ENTRYPOINT|ENV|LABEL|EXPOSE|USER|ARG|STOPSIGNAL|HEALTHCHECK|SHELL|VOLUME|ONBUILD"
    r"|MAINTAINER)\b"
)


class EngineLayers:
    """The export of one image."""

    def __init__(self, engine: Engine, reference: TagReference | DigestReference) -> None:
        self._engine = engine
        self._reference = reference

    def export_layers(self) -> Generator[tuple[str, Generator[bytes]]]:
        """Yield each content of the export that may be a layer, in the order of the export."""
        reader = TarReader(self._engine.export(self._reference), f"export of {self._reference}")
        while reader.next():
            if reader.kind == REGULAR and _LAYER.fullmatch(reader.name) and _is_layer(reader):
                yield reader.name.decode("ascii", "backslashreplace"), reader.body()


def _is_layer(reader: TarReader) -> bool:
    """Say whether a content is a layer, not a JSON document; an empty layer is two zero blocks."""
    head = reader.head(_HEAD)
    is_tar = head[257:262] == _TAR_MAGIC or not head.strip(b"\0")
    return head.startswith(_COMPRESSED) or is_tar or reader.name.endswith(b"layer.tar")


def config_of(found: dict[str, Any], history: list[Any], platform: str) -> ImageConfig:
    """Return the config as inspect and history tell it; raises EngineError."""
    rootfs, settings = found.get("RootFS"), found.get("Config")
    listed = rootfs.get("Layers") if isinstance(rootfs, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_LAYERS:
        raise EngineError("the engine names no layers of the image")
    try:
        diff_ids = tuple(Digest.parse(str(text)) for text in listed)
    except DocumentError as error:
        raise EngineError(f"the engine names a layer that is none: {error.message}") from error
    labels = settings.get("Labels") if isinstance(settings, dict) else None
    labels = labels if isinstance(labels, dict) else {}
    return ImageConfig(
        platform,
        diff_ids,
        str(found.get("Created") or ""),
        {key: value for key, value in labels.items() if isinstance(value, str)},
        _created_by(history, len(diff_ids)),
    )


def _created_by(history: list[Any], layers: int) -> tuple[str, ...]:
    """Return the line of history of each layer; the engine does not say which ones made none.

    What has a size made a layer, a setting made none; of the rest (WORKDIR, `RUN true`) all or
    none did, whichever gives as many as there are. Newest first, as the engine has it.
    """
    entries = [entry for entry in reversed(history) if isinstance(entry, dict)]
    lines = [str(entry.get("CreatedBy") or entry.get("Comment") or "") for entry in entries]
    sized = [bool(entry.get("Size")) for entry in entries]
    perhaps = [
        has_size or not _SETTING.match(line) for line, has_size in zip(lines, sized, strict=True)
    ]
    made = perhaps if sum(perhaps) == layers else sized
    return layer_history(list(zip(lines, [not each for each in made], strict=True)), layers)
