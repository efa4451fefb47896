"""Hackage: numbers with dots between.

Haskell's Data.Version and Cabal: numbers compare in turn, and the longer of two that begin the same
is newer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.version.errors import VersionError

if TYPE_CHECKING:
    from titan_provenance.version import Key

_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def key(version: str) -> Key:
    """Return the numbers; raises VersionError."""
    if not _VERSION.fullmatch(version):
        raise VersionError(version, "Hackage")
    return tuple(int(digits) for digits in version.split("."))
