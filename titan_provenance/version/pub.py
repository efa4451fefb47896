"""Pub (Dart): SemVer, but build metadata counts.

pub.dev/documentation/pub_semver: after all else is equal, a version without build metadata is
older, and identifiers compare as those of a pre-release do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from titan_provenance.version import semver

if TYPE_CHECKING:
    from titan_provenance.version import Key


def key(version: str) -> Key:
    """Return numbers, pre-release and build, ready to compare; raises VersionError."""
    return semver.read(version, "Pub")
