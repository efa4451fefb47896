"""Go modules and the Go toolchain.

Modules follow SemVer with a `v`. A pseudo-version (v0.0.0-20190308221718-c2843e01d9a2) is a
pre-release and sorts as one; `+incompatible` is build metadata. See go.dev/ref/mod#versions. The
toolchain has its own way to write (go1.20, go1.21rc2), which the Go vulnerability database writes
as 1.20.0 and 1.21.0-rc.2: so it is read here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.version import semver

if TYPE_CHECKING:
    from titan_provenance.version import Key

_TOOLCHAIN = re.compile(r"(?:go)?([0-9]+(?:\.[0-9]+)*)(?:(beta|rc)([0-9]+))?(?: .*)?")


def key(version: str) -> Key:
    """Return the key of a module's or the toolchain's version; raises VersionError."""
    match = _TOOLCHAIN.fullmatch(version)
    if match:
        numbers, kind, count = match.groups()
        version = f"{numbers}-{kind}.{count}" if kind else numbers
    return semver.read(version, "Go")[:2]
