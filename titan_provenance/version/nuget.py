"""NuGet: SemVer with four numbers, and letters of either case the same.

learn.microsoft.com/nuget/concepts/package-versioning: the fourth number is 0 where it is missing,
pre-release labels compare without regard to case, build metadata does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from titan_provenance.version import semver

if TYPE_CHECKING:
    from titan_provenance.version import Key


def key(version: str) -> Key:
    """Return the numbers and the pre-release, ready to compare; raises VersionError."""
    return semver.read(version.lower(), "NuGet")[:2]
