"""How much of what the published minimum requirements ask for a bill says, field by field.

Sources: NTIA, "The Minimum Elements For a Software Bill of Materials" (2021); CISA, "2025 Minimum
Elements for a Software Bill of Materials"; BSI TR-03183-2 v2.1, section 5 (required fields).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from titan_provenance.sbom.bill import Bill, Component


class Field(NamedTuple):
    """One required field: of the document, or of every component."""

    name: str
    document: Callable[[Bill], bool] | None = None
    component: Callable[[Component], bool] | None = None


class Missing(NamedTuple):
    """A field that is missing in the document (no `components`), or in some of `of` components."""

    field: str
    components: tuple[str, ...]
    of: int


class Report(NamedTuple):
    """The result for one profile; `score` from 0 to 100 is the share of fields that are there."""

    profile: str
    score: float
    missing: tuple[Missing, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


def check_quality(bill: Bill, profile: str) -> Report:
    """Hold `bill` against the profile of that name (a key of `PROFILES`)."""
    fields = PROFILES[profile]
    there = total = 0
    missing: list[Missing] = []
    for field in fields:
        if field.document:
            total += 1
            present = field.document(bill)
            there += present
            if not present:
                missing.append(Missing(field.name, (), 0))
        elif field.component:
            lacking = [item.ref for item in bill.components if not field.component(item)]
            total += len(bill.components)
            there += len(bill.components) - len(lacking)
            if lacking:
                missing.append(Missing(field.name, tuple(lacking), len(bill.components)))
    return Report(profile, round(100 * there / total, 1) if total else 0.0, tuple(missing))


def _has_author(bill: Bill) -> bool:
    return bool(bill.making.authors or bill.making.tools)


def _has_graph(bill: Bill) -> bool:
    """Whether any component is said to need another: a list alone says nothing of dependencies."""
    return bool(bill.dependencies) or len(bill.components) == 1


def _has_sha512(component: Component) -> bool:
    return any(algorithm == "SHA-512" for algorithm, _ in component.package.hashes)


_NAME = Field("component name", component=lambda item: bool(item.package.name))
_VERSION = Field("component version", component=lambda item: bool(item.package.version))
_SUPPLIER = Field(
    "supplier name", component=lambda item: bool(item.package.supplier or item.package.author)
)
_IDENTIFIER = Field("unique identifier", component=lambda item: bool(item.ref or item.cpe))
_LICENSE = Field("licence", component=lambda item: bool(item.license))
_HASH = Field("component hash", component=lambda item: bool(item.package.hashes))
_AUTHOR = Field("author of the bill", document=_has_author)
_TIMESTAMP = Field("timestamp", document=lambda bill: bill.created.timestamp() > 0)
_RELATIONSHIPS = Field("dependency relationships", document=_has_graph)

PROFILES: dict[str, tuple[Field, ...]] = {
    "ntia": (_AUTHOR, _TIMESTAMP, _RELATIONSHIPS, _SUPPLIER, _NAME, _VERSION, _IDENTIFIER),
    "cisa-2025": (
        _AUTHOR,
        _TIMESTAMP,
        Field("tool name", document=lambda bill: bool(bill.making.tools)),
        Field("generation context", document=lambda bill: bool(bill.making.phases)),
        _RELATIONSHIPS,
        _SUPPLIER._replace(name="software producer"),
        _NAME,
        _VERSION,
        _IDENTIFIER,
        _HASH,
        _LICENSE,
    ),
    "bsi-tr-03183-2": (
        _AUTHOR._replace(name="creator of the bill"),
        _TIMESTAMP,
        Field("no vulnerabilities inside", document=lambda bill: not bill.making.vulnerabilities),
        _RELATIONSHIPS,
        _SUPPLIER._replace(name="component creator"),
        _NAME,
        _VERSION,
        Field("filename", component=lambda item: bool(item.package.locations)),
        _LICENSE._replace(name="distribution licence"),
        Field("SHA-512 of the deployable component", component=_has_sha512),
    ),
}
