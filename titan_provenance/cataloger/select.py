"""All catalogers, and which of them reads a path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.cataloger import os_release

if TYPE_CHECKING:
    from titan_provenance.cataloger.interface import Cataloger

CATALOGERS: tuple[Cataloger, ...] = (os_release.CATALOGER,)

# What the layer cache is keyed by besides the layer: changes whenever an answer may change.
CATALOGER_SET = " ".join(f"{cataloger.name}/{cataloger.version}" for cataloger in CATALOGERS)

_ENDINGS = tuple(sorted({ending for cataloger in CATALOGERS for ending in cataloger.endings}))
_PATTERN = re.compile("|".join(f"({cataloger.pattern})" for cataloger in CATALOGERS))


def select(path: str) -> Cataloger | None:
    """Return the cataloger that reads the file at `path` (no leading slash), if there is one."""
    # Nearly every path of an image fails here, in a third of a microsecond.
    if not path.endswith(_ENDINGS):
        return None
    match = _PATTERN.fullmatch(path)
    return CATALOGERS[match.lastindex - 1] if match and match.lastindex else None
