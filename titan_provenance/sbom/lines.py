"""JSON documents with one array element a line: greppable, and the encoder stays in C."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

dumps = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def array(values: Iterable[Any]) -> str:
    """Return a JSON array with one element a line."""
    lines = [dumps(value) for value in values]
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def write_object(parts: Mapping[str, str]) -> bytes:
    """Return a JSON object of keys and values that are JSON already, in the order given."""
    body = ",\n".join(f'"{key}":{value}' for key, value in parts.items())
    return f"{{\n{body}\n}}\n".encode(errors="replace")
