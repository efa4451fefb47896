"""CRAN: numbers with dots and dashes between, which mean the same.

R's numeric_version: numbers compare in turn, and the longer of two that begin the same is newer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.version.errors import VersionError

if TYPE_CHECKING:
    from titan_provenance.version import Key

_VERSION = re.compile(r"[0-9]+(?:[.-][0-9]+)*")


def key(version: str) -> Key:
    """Return the numbers; raises VersionError."""
    if not _VERSION.fullmatch(version):
        raise VersionError(version, "CRAN")
    return tuple(int(digits) for digits in version.replace("-", ".").split("."))
