"""Version order: which of two versions of a package is the newer one, by its ecosystem's own rules.

::

    compare("Debian:12", "1.0~rc1-1", "1.0-1")     -1
    key("deb", "1.0-1")                            a tuple that sorts as the version does
    order("Debian:12")                             the key function itself, for many versions

An ecosystem is named as OSV names it (`Debian:12`, `crates.io`; what follows the colon does not
change the order) or by its purl type (`deb`, `cargo`). The order is total: antisymmetric,
transitive, equal where the ecosystem says equal. What an ecosystem's rules do not read:

==========  ======================================================================================
Alpine      every text has a place: a tail that cannot be read sorts below the same without it
CRAN        `VersionError` for anything but numbers with dots and dashes between
Debian      `VersionError` for what dpkg refuses: empty, spaces, not ASCII, an epoch not a number
Hackage     `VersionError` for anything but numbers with dots between
Maven       every text has a place: unknown words sort above the release, below any next number
NuGet       as semver
Packagist   every text has a place: unknown words sort below `dev`
Pub         as semver
PyPI        every text has a place: what PEP 440 does not read sorts below all that it does
RPM         every text has a place: what is no letter or digit only separates
RubyGems    `VersionError` for what starts with no digit or holds other signs than dots and dashes
semver      `VersionError` for what starts with no number (`latest`, `(devel)`) or holds other signs
==========  ======================================================================================

A version of more than 512 characters is a `VersionError` everywhere; the longest in 60,215 real
advisories has 62. An ecosystem that is not listed here is a `UsageError`.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from titan_provenance.errors import UsageError
from titan_provenance.version.errors import VersionError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_LENGTH", "Key", "VersionError", "compare", "is_known", "key", "order"]

Key = tuple[Any, ...]

# Below the 640 digits that int() reads under any setting of the interpreter.
MAX_LENGTH = 512

_REMEMBERED = 65_536

# The names of https://ossf.github.io/osv-schema/#defined-ecosystems and the types of the purl
# specification, each with the file here that orders its versions.
_FILES = {
    "AlmaLinux": "rpm",
    "Alpaquita": "alpine",
    "Alpine": "alpine",
    "Azure Linux": "rpm",
    "BellSoft Hardened Containers": "alpine",
    "Bitnami": "semver",
    "CRAN": "cran",
    "Chainguard": "alpine",
    "Debian": "debian",
    "Echo": "debian",
    "GitHub Actions": "semver",
    "Go": "golang",
    "Hackage": "hackage",
    "Hex": "semver",
    "Mageia": "rpm",
    "Maven": "maven",
    "MinimOS": "alpine",
    "NuGet": "nuget",
    "Packagist": "packagist",
    "Photon OS": "rpm",
    "Pub": "pub",
    "PyPI": "pypi",
    "Red Hat": "rpm",
    "Rocky Linux": "rpm",
    "RubyGems": "rubygems",
    "SUSE": "rpm",
    "SwiftURL": "semver",
    "Ubuntu": "debian",
    "Wolfi": "alpine",
    "crates.io": "semver",
    "npm": "semver",
    "openEuler": "rpm",
    "openSUSE": "rpm",
    "apk": "alpine",
    "bitnami": "semver",
    "cargo": "semver",
    "composer": "packagist",
    "cran": "cran",
    "deb": "debian",
    "gem": "rubygems",
    "golang": "golang",
    "hackage": "hackage",
    "hex": "semver",
    "maven": "maven",
    "nuget": "nuget",
    "pub": "pub",
    "pypi": "pypi",
    "rpm": "rpm",
    "swift": "semver",
}


def compare(ecosystem: str, a: str, b: str) -> int:
    """Return -1 where `a` is older than `b`, 0 where they are the same, 1 where it is newer."""
    key_of = order(ecosystem)
    left, right = key_of(a), key_of(b)
    return (left > right) - (left < right)


def key(ecosystem: str, version: str) -> Key:
    """Return a tuple that compares with those of the same ecosystem as the versions compare."""
    return order(ecosystem)(version)


def order(ecosystem: str) -> Callable[[str], Key]:
    """Return the key function of an ecosystem; it remembers the keys of versions it has seen.

    Raises UsageError for an ecosystem that is not known here.
    """
    name = ecosystem.partition(":")[0]
    if name not in _FILES:
        raise UsageError(
            f'nothing is known here about the order of versions in "{name[:100]}"',
            hint="Known are the ecosystems of OSV and the types of package URLs, e.g. Debian, npm.",
        )
    return _remembering(_FILES[name])


def is_known(ecosystem: str) -> bool:
    """Say whether versions of this ecosystem can be ordered at all."""
    return ecosystem.partition(":")[0] in _FILES


@cache
def _remembering(file: str) -> Callable[[str], Key]:
    """Load the file of an order when it is first asked for: most scans need two or three."""
    read: Callable[[str], Key] = import_module(f"{__name__}.{file}").key

    @lru_cache(maxsize=_REMEMBERED)
    def bounded(version: str) -> Key:
        if len(version) > MAX_LENGTH:
            raise VersionError(version, f"any ecosystem: it has {len(version)} characters")
        return read(version)

    return bounded
