"""PyPI: PEP 440, and for what is older than that the order that setuptools had before.

PEP 440 is read by `packaging`. A version that it does not read sorts below all that it does, as
`packaging` itself did while it still took them (LegacyVersion, until 22.0). Among themselves these
compare part by part: numbers as numbers of eight digits, `dev` below everything, `pre` and `rc` as
`c`, words before `final` as pre-releases of what stands before them, zeros before a word dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from titan_provenance.version import Key

_PART = re.compile(r"[0-9]+|[a-z]+|-")
_SAME = {"pre": "c", "preview": "c", "rc": "c", "-": "final-", "dev": "@"}
_LEGACY, _PEP_440 = range(2)


def key(version: str) -> Key:
    """Return a key that sorts as PEP 440 says, older ways to write below; any text has a key."""
    try:
        return (_PEP_440, Version(version))
    except InvalidVersion:
        return (_LEGACY, *_legacy_parts(version.lower()))


def _legacy_parts(text: str) -> list[str]:
    parts: list[str] = []
    for found in [*_PART.findall(text), "final"]:
        if found.isdigit():
            parts.append(found.zfill(8))
            continue
        word = "*" + _SAME.get(found, found)
        if word < "*final":
            _drop_from_end(parts, "*final-")
        _drop_from_end(parts, "00000000")
        parts.append(word)
    return parts


def _drop_from_end(parts: list[str], part: str) -> None:
    while parts and parts[-1] == part:
        parts.pop()
