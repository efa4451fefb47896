"""What is different between two bills: packages added, removed, upgraded, downgraded.

Two versions of one package are the same package when type, namespace and name agree. Which of two
versions is the newer one is asked from `newer`; without it a change is a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from titan_provenance.sbom.bill import Bill, Component, Layer

What = Literal["added", "removed", "upgraded", "downgraded", "changed"]


class PackageChange(NamedTuple):
    """One package that differs; `before` and `after` are versions, empty where it is not there.

    `layer` is the layer that brought the newer state, or that of the removed package.
    """

    what: What
    type: str
    name: str
    before: str
    after: str
    layer: Layer | None


def compare(
    before: Bill, after: Bill, newer: Callable[[str, str, str], bool | None] | None = None
) -> list[PackageChange]:
    """Return the packages that differ, sorted by type and name.

    `newer(type, a, b)` says whether version `a` is newer than `b`, or None where it cannot tell.
    """
    old, new = _by_name(before.components), _by_name(after.components)
    changes: list[PackageChange] = []
    for key in sorted({*old, *new}):
        gone = {c.package.version: c for c in old.get(key, ())}
        come = {c.package.version: c for c in new.get(key, ())}
        only_old = sorted(set(gone) - set(come))
        only_new = sorted(set(come) - set(gone))
        pairs = min(len(only_old), len(only_new))
        for a, b in zip(only_old[:pairs], only_new[:pairs], strict=True):
            what = _direction(newer, key[0], a, b)
            changes.append(PackageChange(what, *key, a, b, come[b].layer))
        changes += [
            PackageChange("removed", *key, version, "", gone[version].layer)
            for version in only_old[pairs:]
        ]
        changes += [
            PackageChange("added", *key, "", version, come[version].layer)
            for version in only_new[pairs:]
        ]
    return changes


def is_newer(kind: str, one: str, other: str) -> bool | None:
    """Say whether version `one` of a package of purl type `kind` is newer than `other`.

    None where the ecosystem has no order here, or cannot read one of the versions.
    """
    from titan_provenance.version import VersionError, is_known
    from titan_provenance.version import compare as compare_versions

    if not is_known(kind):
        return None
    try:
        return compare_versions(kind, one, other) > 0
    except VersionError:
        return None


def _by_name(components: Iterable[Component]) -> dict[tuple[str, str], list[Component]]:
    found: dict[tuple[str, str], list[Component]] = {}
    for component in components:
        package = component.package
        name = f"{package.namespace}/{package.name}" if package.namespace else package.name
        found.setdefault((package.type, name), []).append(component)
    return found


def _direction(
    newer: Callable[[str, str, str], bool | None] | None, kind: str, before: str, after: str
) -> What:
    answer = newer(kind, after, before) if newer else None
    if answer is None:
        return "changed"
    return "upgraded" if answer else "downgraded"
