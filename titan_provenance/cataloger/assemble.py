"""From what the catalogers found in the files of one image to its packages, each once.

What one file adds to the package of another is joined, packages of the distribution get its name,
what the distribution's own packages brought is said once, and the dependencies are resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.cataloger.edges import find_edges
from titan_provenance.cataloger.ownership import OS_TYPES, find_owned
from titan_provenance.cataloger.text import unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from titan_provenance.cataloger.interface import Addition, Distro, Found
    from titan_provenance.model.package import Package, Pairs

# Whose packages they are where an image names no distribution: distroless ones are Debian's.
_USUAL_NAMESPACE = {"deb": "debian", "apk": "alpine"}


class Inventory(NamedTuple):
    """The packages of an image, sorted by purl, and (from, to) pairs of their indexes."""

    packages: tuple[Package, ...]
    edges: tuple[tuple[int, int], ...]
    distro: Distro | None


def _as_it_is(path: str) -> str:
    return path


def assemble(founds: Mapping[str, Found], resolve: Callable[[str], str] = _as_it_is) -> Inventory:
    """Return the packages of an image from what was found, by the path of each file.

    `founds` has the files that the finished image shows, not those that a later layer hides.
    `resolve` follows the symbolic links of the image for a path without leading slash.
    """
    paths = sorted(founds)
    distro = _distro(founds)
    additions = _index(founds[path].additions for path in paths)
    packages = [
        _join(_named_by(distro, package), additions, resolve)
        for path in paths
        for package in founds[path].packages
    ]
    owned = find_owned(packages)
    packages = [package for index, package in enumerate(packages) if index not in owned]
    return _merge(packages, find_edges(packages, resolve), distro)


def _distro(founds: Mapping[str, Found]) -> Distro | None:
    """Return the distribution: /etc/os-release counts before /usr/lib/os-release."""
    stated = {path: found.distro for path, found in founds.items() if found.distro}
    return stated[min(stated)] if stated else None


def _named_by(distro: Distro | None, package: Package) -> Package:
    """Return a package of the operating system with the distribution in its purl."""
    if package.type not in OS_TYPES:
        return package
    namespace = distro.id if distro else _USUAL_NAMESPACE.get(package.type, "")
    qualifiers = package.qualifiers
    if distro:
        release = f"{distro.id}-{distro.version}" if distro.version else distro.id
        qualifiers = tuple(sorted((*qualifiers, ("distro", release))))
    return package._replace(namespace=namespace, qualifiers=qualifiers)


def _index(groups: Iterable[tuple[Addition, ...]]) -> dict[tuple[str, str], list[Addition]]:
    index: dict[tuple[str, str], list[Addition]] = {}
    for group in groups:
        for addition in group:
            index.setdefault((addition.type, addition.key), []).append(addition)
    return index


def _join(
    package: Package,
    index: dict[tuple[str, str], list[Addition]],
    resolve: Callable[[str], str],
) -> Package:
    found = [
        addition
        for key in _keys(package, resolve)
        for addition in index.get((package.type, key), ())
        if addition.version in {"", package.version}
    ]
    if not found:
        return package
    return package._replace(
        files="\n".join(unique([package.files, *(addition.files for addition in found)])),
        licenses=unique([*package.licenses, *(text for each in found for text in each.licenses)]),
        hashes=_joined(package.hashes, (addition.hashes for addition in found)),
        qualifiers=_joined(package.qualifiers, (addition.qualifiers for addition in found)),
        depends=unique([*package.depends, *(name for each in found for name in each.depends)]),
    )


def _joined(pairs: Pairs, more: Iterable[Pairs]) -> Pairs:
    return tuple(sorted({*pairs, *(pair for group in more for pair in group)}))


def _keys(package: Package, resolve: Callable[[str], str]) -> tuple[str, ...]:
    """Return what additions may call the package, see `Addition`."""
    location = package.locations[0]
    if package.type != "deb":
        return (location.rpartition("/")[0],)
    architecture = dict(package.qualifiers).get("arch", "")
    keys = [package.name, f"{package.name}:{architecture}", location]
    # Packages of one source often share one directory of documentation by a link.
    document = resolve(f"usr/share/doc/{package.name}/copyright").rsplit("/", 2)
    return unique([*keys, document[-2]])


def _merge(
    packages: list[Package], edges: tuple[tuple[int, int], ...], distro: Distro | None
) -> Inventory:
    """Return each package once with all its locations; edges follow."""
    merged: dict[str, Package] = {}
    purls = [package.purl for package in packages]
    for purl, package in zip(purls, packages, strict=True):
        known = merged.get(purl)
        merged[purl] = _both(known, package) if known else package
    order = sorted(merged)
    numbers = {purl: number for number, purl in enumerate(order)}
    pairs = {(numbers[purls[one]], numbers[purls[other]]) for one, other in edges}
    return Inventory(
        packages=tuple(merged[purl] for purl in order),
        edges=tuple(sorted(pair for pair in pairs if pair[0] != pair[1])),
        distro=distro,
    )


def _both(one: Package, other: Package) -> Package:
    return one._replace(
        locations=unique([*one.locations, *other.locations]),
        licenses=unique([*one.licenses, *other.licenses]),
        hashes=_joined(one.hashes, (other.hashes,)),
        kind=min(one.kind, other.kind),
    )
