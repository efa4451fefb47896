"""What is in an image, assembled: the one value that every document is written from.

A bill is about one image. Its components are unique by purl: a package found at several places is
one component with several occurrences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from titan_provenance.cataloger.interface import Distro
    from titan_provenance.model.digest import Digest
    from titan_provenance.model.package import Package

Origin = Literal["base", "service"]
Status = Literal["succeeded", "partial", "failed"]


class Layer(NamedTuple):
    """One layer of the image: its number from 0, digest as stored, diffID and history line.

    `digest` is None where the source keeps layers without a manifest (the engine).
    """

    number: int
    digest: Digest | None
    diff_id: Digest
    created_by: str


class Component(NamedTuple):
    """One package of the bill; `licenses` is one SPDX expression, empty when nothing is declared.

    `layer` is the layer that brought it first, `origin` whether that layer belongs to the base
    image; both are None in documents of tools that do not say so.
    """

    ref: str
    package: Package
    layer: Layer | None
    origin: Origin | None
    license: str = ""
    cpe: str = ""


class Coverage(NamedTuple):
    """How one cataloger fared on the image, and what it could not read."""

    cataloger: str
    status: Status
    reasons: tuple[str, ...] = ()


class Making(NamedTuple):
    """How a document came about: its authors, the tools, the phase, and whether it names flaws.

    Empty for a bill that is about to be written: the writers say it.
    """

    authors: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    vulnerabilities: bool = False


class Bill(NamedTuple):
    """The bill of one image.

    `name` is the repository or path that it was read from, `version` a tag or empty; `digest` is
    that of the manifest or, for an image without one, of the config (None where a foreign document
    does not say). `dependencies` maps the ref of a component to those that it needs, `created` is
    when the image was made.
    """

    name: str
    version: str
    digest: Digest | None
    platform: str
    created: datetime
    components: tuple[Component, ...]
    dependencies: Mapping[str, tuple[str, ...]]
    coverage: tuple[Coverage, ...]
    layers: tuple[Layer, ...]
    distro: Distro | None = None
    labels: tuple[tuple[str, str], ...] = ()
    making: Making = Making()


def direct_dependencies(
    refs: Sequence[str], dependencies: Mapping[str, Iterable[str]]
) -> list[str]:
    """Return the refs that nothing else leads to, so that root → these reaches every ref.

    Of a circle that nothing outside leads into, its first ref in order is taken.
    """
    needed = {target for targets in dependencies.values() for target in targets}
    direct = [ref for ref in refs if ref not in needed]
    reached: set[str] = set()
    for ref in direct:
        _reach(ref, dependencies, reached)
    for ref in refs:
        if ref not in reached:
            direct.append(ref)
            _reach(ref, dependencies, reached)
    return sorted(direct)


def _reach(start: str, dependencies: Mapping[str, Iterable[str]], reached: set[str]) -> None:
    todo = [start]
    while todo:
        ref = todo.pop()
        if ref not in reached:
            reached.add(ref)
            todo.extend(dependencies.get(ref, ()))
