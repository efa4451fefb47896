"""Which package of an image needs which: each ecosystem's own way to find a dependency.

`Package.depends` holds, by type:

- deb, apk, rpm: names, matched by names and `provides`; deb `a|b` means the first that is there;
  rpm also paths, matched by owned files.
- npm: names, looked for upwards from the package's directory as Node does.
- pypi: normalised names, first in the same directory. gem, composer: names.
- golang, cargo, nuget: `name@version`, matched in the same file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.model.package import normalize_pypi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from titan_provenance.model.package import Package

    Edges = Iterator[tuple[int, int]]


# So many may satisfy one dependency. Hostile databases let everyone provide what everyone needs.
_MAX_TARGETS = 8


class _Numbered(NamedTuple):
    """The packages of one type with their numbers in the whole list."""

    members: list[tuple[int, Package]]
    resolve: Callable[[str], str]


def find_edges(
    packages: Sequence[Package], resolve: Callable[[str], str]
) -> tuple[tuple[int, int], ...]:
    """Return (from, to) pairs of indexes, sorted; what is not in the image has no edge.

    `resolve` follows the symbolic links of the image for a path without leading slash.
    """
    by_type: dict[str, list[tuple[int, Package]]] = {}
    for index, package in enumerate(packages):
        by_type.setdefault(package.type, []).append((index, package))
    found: set[tuple[int, int]] = set()
    for kind, members in by_type.items():
        if kind in _FINDERS:
            found.update(_FINDERS[kind](_Numbered(members, resolve)))
    return tuple(sorted(pair for pair in found if pair[0] != pair[1]))


def _of_system(numbered: _Numbered) -> Edges:
    providers: dict[str, list[int]] = {}
    names: dict[str, list[int]] = {}
    for index, package in numbered.members:
        names.setdefault(package.name, []).append(index)
        for name in package.provides:
            providers.setdefault(name, []).append(index)
    _add_paths(numbered.members, providers)
    for index, package in numbered.members:
        for dependency in package.depends:
            for name in dependency.split("|"):
                targets = names.get(name) or providers.get(name)
                if targets:
                    yield from ((index, target) for target in targets[:_MAX_TARGETS])
                    break


def _add_paths(members: list[tuple[int, Package]], providers: dict[str, list[int]]) -> None:
    """Let packages provide those of their files that others depend on, `/usr/bin/sh`."""
    wanted = {
        name.removeprefix("/")
        for _, package in members
        for name in package.depends
        if name.startswith("/") and name not in providers
    }
    for index, package in members if wanted else ():
        for file in wanted.intersection(package.files.split("\n")):
            providers.setdefault(f"/{file}", []).append(index)


def _of_npm(numbered: _Numbered) -> Edges:
    places = {_directory(package.locations[0]): index for index, package in numbered.members}
    for index, package in numbered.members:
        directories = list(_upwards(_directory(package.locations[0])))
        for name in package.depends:
            for directory in directories:
                place = f"{directory}node_modules/{name}"
                target = places.get(place)
                if target is None:
                    target = places.get(numbered.resolve(place))
                if target is not None:
                    yield index, target
                    break


def _upwards(directory: str) -> Iterator[str]:
    """Return the directories, each with a slash behind, whose `node_modules` Node looks into."""
    parts = directory.split("/") if directory else []
    for depth in range(len(parts), -1, -1):
        if not depth or parts[depth - 1] != "node_modules":
            yield "".join(f"{part}/" for part in parts[:depth])


def _of_python(numbered: _Numbered) -> Edges:
    return _by_name(numbered, lambda package: normalize_pypi(package.name))


def _of_gem(numbered: _Numbered) -> Edges:
    return _by_name(numbered, lambda package: package.name)


def _of_composer(numbered: _Numbered) -> Edges:
    return _by_name(numbered, lambda package: f"{package.namespace}/{package.name}".lower())


def _by_name(numbered: _Numbered, name_of: Callable[[Package], str]) -> Edges:
    """Match names, in the environment of the package first: where its metadata lies."""
    names: dict[str, list[tuple[str, int]]] = {}
    for index, package in numbered.members:
        environment = _directory(_directory(package.locations[0]))
        for name in {name_of(package), *package.provides}:
            names.setdefault(name, []).append((environment, index))
    for index, package in numbered.members:
        environment = _directory(_directory(package.locations[0]))
        for name in package.depends:
            candidates = names.get(name, [])
            near = [target for place, target in candidates if place == environment]
            # Nearer to the root is what all environments see, vendored copies lie deeper.
            far = [target for _, target in sorted(candidates, key=_depth)[:1]]
            yield from ((index, target) for target in near[:_MAX_TARGETS] or far)


def _depth(candidate: tuple[str, int]) -> tuple[int, str, int]:
    return candidate[0].count("/"), *candidate


def _in_one_file(numbered: _Numbered) -> Edges:
    places = {
        (location, f"{_full_name(package)}@{package.version}"): index
        for index, package in numbered.members
        for location in package.locations
    }
    for index, package in numbered.members:
        for location in package.locations:
            yield from _pairs(index, (places.get((location, name)) for name in package.depends))


def _pairs(index: int, targets: Iterable[int | None]) -> Edges:
    return ((index, target) for target in targets if target is not None)


def _full_name(package: Package) -> str:
    return f"{package.namespace}/{package.name}" if package.namespace else package.name


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


_FINDERS = {
    "apk": _of_system,
    "cargo": _in_one_file,
    "composer": _of_composer,
    "deb": _of_system,
    "gem": _of_gem,
    "golang": _in_one_file,
    "npm": _of_npm,
    "nuget": _in_one_file,
    "pypi": _of_python,
    "rpm": _of_system,
}
