"""One bill for a whole fleet: release → service → packages, each shared package once."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from titan_provenance.model.package import build_purl
from titan_provenance.sbom.bill import direct_dependencies
from titan_provenance.sbom.cyclonedx import (
    component_json,
    metadata_json,
    named_property,
    root_purl,
    write_document,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from titan_provenance.sbom.bill import Bill, Component
    from titan_provenance.sbom.cyclonedx import SpecVersion


class FleetBill(NamedTuple):
    """The bills of all services of a release, by the name of the service."""

    name: str
    version: str
    services: Mapping[str, Bill]


def write_fleet(fleet: FleetBill, spec_version: SpecVersion = "1.6") -> bytes:
    """Return the CycloneDX document of a fleet; the same bills give the same bytes.

    A package that several services have is one component that names them; which layer brought it
    is said in the bill of each service.
    """
    root = build_purl("generic", "", fleet.name, fleet.version)
    bills = [fleet.services[name] for name in sorted(fleet.services)]
    digests = "".join(f"{name} {fleet.services[name].digest}\n" for name in sorted(fleet.services))
    component = {
        "bom-ref": root,
        "type": "application",
        "name": fleet.name,
        "version": fleet.version,
        "purl": root,
    }
    return write_document(
        spec_version,
        uuid.uuid5(uuid.NAMESPACE_URL, f"{root}\n{digests}"),
        metadata_json(max(bill.created for bill in bills), component),
        components=[*_services(fleet), *_packages(fleet)],
        dependencies=_dependencies(fleet, root),
    )


def _services(fleet: FleetBill) -> Iterator[dict[str, Any]]:
    for name in sorted(fleet.services):
        bill = fleet.services[name]
        service: dict[str, Any] = {
            "bom-ref": root_purl(bill),
            "type": "container",
            "name": name,
            "version": bill.version or str(bill.digest),
            "purl": root_purl(bill),
            "properties": [named_property("image", bill.name)],
        }
        if bill.digest:
            service["hashes"] = [{"alg": "SHA-256", "content": bill.digest.hex}]
        yield service


def _packages(fleet: FleetBill) -> Iterator[dict[str, Any]]:
    found: dict[str, Component] = {}
    owners: dict[str, list[str]] = {}
    for name in sorted(fleet.services):
        for component in fleet.services[name].components:
            found.setdefault(component.ref, component)
            owners.setdefault(component.ref, []).append(name)
    for ref in sorted(found):
        package = found[ref].package
        value = component_json(found[ref]._replace(layer=None, origin=None))
        value["properties"] = [
            named_property("cataloger", package.cataloger),
            *(named_property("service", name) for name in owners[ref]),
        ]
        yield value


def _dependencies(fleet: FleetBill, root: str) -> Iterator[dict[str, Any]]:
    bills = [fleet.services[name] for name in sorted(fleet.services)]
    yield {"ref": root, "dependsOn": sorted({root_purl(bill) for bill in bills})}
    edges: dict[str, set[str]] = {}
    for bill in bills:
        refs = [component.ref for component in bill.components]
        direct = direct_dependencies(refs, bill.dependencies)
        edges.setdefault(root_purl(bill), set()).update(direct)
        for ref in refs:
            edges.setdefault(ref, set()).update(bill.dependencies.get(ref, ()))
    for ref in sorted(edges):
        targets = sorted(edges[ref])
        yield {"ref": ref, "dependsOn": targets} if targets else {"ref": ref}
