"""A bill as CycloneDX 1.6 or 1.7 JSON, written directly: one line a component, reproducible.

Source: CycloneDX specification 1.6 (ECMA-424) and 1.7, JSON. The library for CycloneDX reads
documents of others (titan_provenance/sbom/foreign.py); building its models would take seconds.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Literal

from titan_provenance.about import NAME, VERSION
from titan_provenance.model.instant import format_instant
from titan_provenance.model.package import build_purl
from titan_provenance.sbom.bill import direct_dependencies
from titan_provenance.sbom.lines import array, dumps, write_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from titan_provenance.cataloger.interface import Distro
    from titan_provenance.sbom.bill import Bill, Component

SpecVersion = Literal["1.6", "1.7"]
SPEC_VERSIONS: tuple[SpecVersion, ...] = ("1.6", "1.7")
MEDIA_TYPE = "application/vnd.cyclonedx+json"
PROPERTY = "titan-provenance"


def write_cyclonedx(bill: Bill, spec_version: SpecVersion = "1.6") -> bytes:
    """Return the CycloneDX document of `bill`; the same bill gives the same bytes."""
    root = root_purl(bill)
    return write_document(
        spec_version,
        serial_number(bill),
        _metadata(bill, root),
        components=_components(bill),
        dependencies=_dependencies(bill, root),
        compositions=_compositions(bill, root),
    )


def write_document(
    spec_version: SpecVersion,
    serial: uuid.UUID,
    metadata: Mapping[str, Any],
    **arrays: Iterable[Mapping[str, Any]],
) -> bytes:
    """Return a CycloneDX document of these parts; each element of an array has its own line."""
    parts = {
        "$schema": dumps(f"http://cyclonedx.org/schema/bom-{spec_version}.schema.json"),
        "bomFormat": '"CycloneDX"',
        "specVersion": dumps(spec_version),
        "serialNumber": dumps(f"urn:uuid:{serial}"),
        "version": "1",
        "metadata": dumps(metadata),
        **{key: array(values) for key, values in arrays.items()},
    }
    return write_object(parts)


def serial_number(bill: Bill) -> uuid.UUID:
    """Return the serial number: a name-based UUID (RFC 9562, version 5) of image and platform."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{bill.digest or bill.name}#{bill.platform}")


def root_purl(bill: Bill) -> str:
    """Return the purl of the image itself (purl type oci)."""
    name = bill.name.rpartition("/")[2]
    repository = bill.name if "/" in bill.name else ""
    qualifiers = (
        ("arch", bill.platform.partition("/")[2]),
        ("repository_url", repository),
        ("tag", bill.version),
    )
    version = str(bill.digest) if bill.digest else ""
    return build_purl("oci", "", name.lower(), version, qualifiers)


def _metadata(bill: Bill, root: str) -> dict[str, Any]:
    properties = [
        *(
            named_property(f"cataloger:{item.cataloger}", "\n".join([item.status, *item.reasons]))
            for item in bill.coverage
        ),
        named_property("platform", bill.platform),
        *(named_property(f"label:{name}", value) for name, value in bill.labels),
        *(
            named_property(
                f"layer:{layer.number}",
                f"{layer.digest or '-'} {layer.diff_id} {layer.created_by}",
            )
            for layer in bill.layers
        ),
    ]
    component: dict[str, Any] = {
        "bom-ref": root,
        "type": "container",
        "name": bill.name,
        "purl": root,
        "properties": properties,
    }
    if bill.digest:
        component["hashes"] = [{"alg": "SHA-256", "content": bill.digest.hex}]
    if bill.version:
        component["version"] = bill.version
    return metadata_json(bill.created, component)


def metadata_json(created: datetime, component: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a document about `component`, made at `created` by this tool."""
    tool = {"type": "application", "name": NAME, "version": VERSION}
    return {
        "timestamp": format_instant(created),
        "lifecycles": [{"phase": "post-build"}],
        "tools": {"components": [tool]},
        "component": component,
    }


def _components(bill: Bill) -> Iterable[dict[str, Any]]:
    if bill.distro:
        yield {
            "bom-ref": _distro_ref(bill.distro),
            "type": "operating-system",
            "name": bill.distro.id,
            "version": bill.distro.version,
        }
    for component in bill.components:
        yield component_json(component)


def _distro_ref(distro: Distro) -> str:
    return f"os:{distro.id}@{distro.version}"


def component_json(component: Component) -> dict[str, Any]:
    """Return one component as plain JSON values."""
    package = component.package
    value: dict[str, Any] = {
        "bom-ref": component.ref,
        "type": package.kind,
        "name": package.name,
        "purl": component.ref,
        "evidence": _evidence(component),
        "properties": _properties(component),
    }
    optional = {
        "group": package.namespace if package.type not in {"deb", "apk", "rpm"} else "",
        "version": package.version,
        "description": package.description,
        "cpe": component.cpe,
    }
    value.update({key: text for key, text in optional.items() if text})
    if package.supplier:
        value["supplier"] = {"name": package.supplier}
    if package.author:
        value["authors"] = [{"name": package.author}]
    if component.license:
        value["licenses"] = [{"expression": component.license, "acknowledgement": "declared"}]
    if package.hashes:
        value["hashes"] = [{"alg": alg, "content": content} for alg, content in package.hashes]
    if package.homepage:
        value["externalReferences"] = [{"type": "website", "url": package.homepage}]
    return value


def _evidence(component: Component) -> dict[str, Any]:
    package = component.package
    method: dict[str, Any] = {"technique": package.method, "confidence": package.confidence}
    if package.locations:
        method["value"] = f"/{package.locations[0]}"
    identity = {"field": "purl", "confidence": package.confidence, "methods": [method]}
    evidence: dict[str, Any] = {"identity": [identity]}
    if package.locations:
        evidence["occurrences"] = [{"location": f"/{path}"} for path in package.locations]
    return evidence


def _properties(component: Component) -> list[dict[str, str]]:
    package, layer = component.package, component.layer
    known = {"cataloger": package.cataloger}
    if layer:
        known["layer:createdBy"] = layer.created_by
        known["layer:diffID"] = str(layer.diff_id)
        known["layer:digest"] = str(layer.digest) if layer.digest else ""
        known["layer:index"] = str(layer.number)
    known["origin"] = component.origin or ""
    known["source"] = package.source
    known["sourceVersion"] = package.source_version
    return [named_property(name, text) for name, text in known.items() if text]


def named_property(name: str, value: str) -> dict[str, str]:
    """Return a property in the namespace of the toolkit."""
    return {"name": f"{PROPERTY}:{name}", "value": value}


def _dependencies(bill: Bill, root: str) -> Iterable[dict[str, Any]]:
    refs = [component.ref for component in bill.components]
    direct = direct_dependencies(refs, bill.dependencies)
    if bill.distro:
        direct = [_distro_ref(bill.distro), *direct]
        yield {"ref": _distro_ref(bill.distro)}
    yield {"ref": root, "dependsOn": direct}
    for ref in refs:
        targets = bill.dependencies.get(ref, ())
        yield {"ref": ref, "dependsOn": sorted(targets)} if targets else {"ref": ref}


def _compositions(bill: Bill, root: str) -> Iterable[dict[str, Any]]:
    """Say of which components the list is complete: those of catalogers that read everything."""
    status = {coverage.cataloger: coverage.status for coverage in bill.coverage}
    known = all(value == "succeeded" for value in status.values())
    yield {"aggregate": "unknown" if known else "incomplete", "assemblies": [root]}
    found: dict[str, list[str]] = {}
    for component in bill.components:
        found.setdefault(component.package.cataloger, []).append(component.ref)
    for cataloger in sorted(found):
        complete = status.get(cataloger) == "succeeded"
        aggregate = "complete" if complete else "incomplete"
        yield {"aggregate": aggregate, "assemblies": found[cataloger]}
