"""All catalogers, and which of them reads a path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.cataloger import (
    apk,
    composer,
    copyright_file,
    dotnet,
    dpkg,
    executable,
    gem,
    java,
    jdk_release,
    npm,
    npm_lock,
    os_release,
    python,
    rpm_bdb,
    rpm_ndb,
    rpm_sqlite,
)

if TYPE_CHECKING:
    from titan_provenance.cataloger.interface import Cataloger

CATALOGERS: tuple[Cataloger, ...] = (
    os_release.CATALOGER,
    apk.CATALOGER,
    dpkg.STATUS,
    dpkg.STATUS_D,
    dpkg.LIST,
    dpkg.MD5SUMS,
    copyright_file.CATALOGER,
    npm.CATALOGER,
    npm_lock.CATALOGER,
    python.METADATA,
    python.REQUIRES,
    python.DIRECT_URL,
    java.CATALOGER,
    jdk_release.CATALOGER,
    gem.CATALOGER,
    composer.CATALOGER,
    dotnet.CATALOGER,
    rpm_sqlite.CATALOGER,
    rpm_ndb.CATALOGER,
    rpm_bdb.CATALOGER,
)

# What the layer cache is keyed by besides the layer: changes whenever an answer may change.
_NAMES = [f"{cataloger.name}/{cataloger.version}" for cataloger in CATALOGERS]
CATALOGER_SET = " ".join([*_NAMES, f"executable/{executable.VERSION}"])

_ENDINGS = tuple(sorted({ending for cataloger in CATALOGERS for ending in cataloger.endings}))
# All endings have four characters at least.
_TAIL = 4
_TAILS = frozenset(ending[-_TAIL:] for ending in _ENDINGS)
_WITHIN = tuple(sorted({cataloger.within for cataloger in CATALOGERS if cataloger.within}))
_PATTERN = re.compile("|".join(f"({cataloger.pattern})" for cataloger in CATALOGERS))


def select(path: str) -> Cataloger | None:
    """Return the cataloger that reads the file at `path` (no leading slash), if there is one."""
    # Nearly every path of an image fails here, which costs far less than matching patterns.
    if path[-_TAIL:] not in _TAILS or not path.endswith(_ENDINGS):
        for part in _WITHIN:
            if part in path:
                break
        else:
            return None
    match = _PATTERN.fullmatch(path)
    return CATALOGERS[match.lastindex - 1] if match and match.lastindex else None
