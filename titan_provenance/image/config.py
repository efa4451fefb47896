"""What the config of an image says: platform, labels, and the history of its layers.

Source: OCI image-spec 1.1, "Image Configuration". A history entry with `empty_layer` made no layer;
the others belong to the layers in their order, if there are as many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from titan_provenance.document import load_json
from titan_provenance.errors import CouldNotCheckError, DocumentError
from titan_provenance.image.manifest import MAX_LAYERS, parse_config_platform
from titan_provenance.model.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_HISTORY = 4096


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image's config, as far as it says what the image is made of.

    `created` is the text that stands there, empty if none. `created_by` has one line of history
    for each layer, empty where the history does not tell.
    """

    platform: str
    diff_ids: tuple[Digest, ...]
    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    created_by: tuple[str, ...] = ()


def parse_config(data: bytes, where: str) -> ImageConfig:
    """Return what the config in `data` says; `where` names it.

    The caller bounds the size when it reads. Raises CouldNotCheckError for what is no config.
    """
    platform = parse_config_platform(data, where)
    try:
        document = load_json(data, where)
        diff_ids = _diff_ids(document.get("rootfs"), where)
    except DocumentError as error:
        raise CouldNotCheckError(error.message, hint=error.hint) from error
    return ImageConfig(
        platform,
        diff_ids,
        _text(document.get("created")),
        _labels(document),
        layer_history(_history(document), len(diff_ids)),
    )


def layer_history(entries: list[tuple[str, bool]], layers: int) -> tuple[str, ...]:
    """Return the line of history of each layer from (line, whether it made no layer) entries.

    All lines are empty when there are not as many as layers: nobody can say which is whose.
    """
    lines = [line for line, is_empty in entries if not is_empty]
    return tuple(lines) if len(lines) == layers else ("",) * layers


def _diff_ids(rootfs: Any, where: str) -> tuple[Digest, ...]:
    listed = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_LAYERS:
        raise DocumentError(f"{where}: states no layers")
    return tuple(Digest.parse(str(text)) for text in listed)


def _history(document: dict[str, Any]) -> list[tuple[str, bool]]:
    entries = document.get("history")
    if not isinstance(entries, list):
        return []
    return [
        (
            _text(entry.get("created_by")) or _text(entry.get("comment")),
            bool(entry.get("empty_layer")),
        )
        for entry in entries[:_MAX_HISTORY]
        if isinstance(entry, dict)
    ]


def _labels(document: dict[str, Any]) -> dict[str, str]:
    settings = document.get("config")
    labels = settings.get("Labels") if isinstance(settings, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {key: value for key, value in labels.items() if isinstance(value, str)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
