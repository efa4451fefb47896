"""Which packages are an operating-system package's own files, and so are said already.

Debian's `python3-yaml` brings a Python distribution `PyYAML`: one thing, which Debian maintains,
patches and has advisories for. The second entry is dropped. A vendor's package (`/opt/vendor/…` in
a `.deb` of its own) brings modules that no distribution looks after: those stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titan_provenance.model.package import Package

OS_TYPES = frozenset({"deb", "apk", "rpm"})

_DISTRO_MAIL = re.compile(
    r"@(?:[a-z0-9-]+\.)*(?:debian\.(?:org|net)|ubuntu\.com|canonical\.com)(?![\w.-])", re.IGNORECASE
)
_DISTRO_VENDOR = re.compile(
    r"red hat|fedora|centos|alma|rocky|oracle|amazon|suse|microsoft|mariner|photon|vmware"
    r"|openeuler|mageia|wind river|cloudlinux",
    re.IGNORECASE,
)
# Where distributions put the modules of languages, by their policies. Some of their maintainers
# write a private mail address, so that the place has to tell.
_DISTRO_PLACE = re.compile(
    r"usr/(?:lib(?:64)?/python[0-9.]*/(?:dist|site)-packages|lib(?:64)?/(?:ruby|nodejs)"
    r"|share/(?:nodejs|node_modules|ruby|rubygems-integration|gems|java|maven-repo|php))/"
)


def find_owned(packages: Sequence[Package]) -> frozenset[int]:
    """Return the indexes of those packages that an operating-system package has said already."""
    wanted: dict[str, list[int]] = {}
    for index, package in enumerate(packages):
        if package.type not in OS_TYPES and package.locations:
            wanted.setdefault(package.locations[0], []).append(index)
    owned: set[int] = set()
    for owner in packages:
        if owner.type not in OS_TYPES or not owner.files or not wanted:
            continue
        for file in owner.files.split("\n"):
            # Databases written before /lib became a link to /usr/lib name the old path.
            place = file if file in wanted else f"usr/{file}"
            owned.update(
                index for index in wanted.get(place, ()) if _says(owner, packages[index], place)
            )
    return frozenset(owned)


def _says(owner: Package, package: Package, place: str) -> bool:
    # A program without a package of its own is the program of the package that brings it.
    if package.type == "generic" or owner.type == "apk":
        return True
    known = _DISTRO_MAIL if owner.type == "deb" else _DISTRO_VENDOR
    return bool(known.search(owner.supplier) or _DISTRO_PLACE.match(place))
