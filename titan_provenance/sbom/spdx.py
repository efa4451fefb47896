"""A bill as SPDX 2.3 JSON.

Source: SPDX specification 2.3 (ISO/IEC 5962 is 2.2.1). Files are not listed (`filesAnalyzed`
false): a package names the paths that show it in `sourceInfo`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from titan_provenance.about import NAME, VERSION
from titan_provenance.model.instant import format_instant
from titan_provenance.sbom.bill import direct_dependencies
from titan_provenance.sbom.cyclonedx import root_purl, serial_number
from titan_provenance.sbom.licenses import license_references
from titan_provenance.sbom.lines import array, dumps, write_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from titan_provenance.sbom.bill import Bill, Component

MEDIA_TYPE = "application/spdx+json"
_DOCUMENT = "SPDXRef-DOCUMENT"
_ROOT = "SPDXRef-image"
_NO = "NOASSERTION"
_PURPOSES = {
    "application": "APPLICATION",
    "container": "CONTAINER",
    "framework": "FRAMEWORK",
    "library": "LIBRARY",
    "operating-system": "OPERATING-SYSTEM",
}


def write_spdx(bill: Bill) -> bytes:
    """Return the SPDX 2.3 document of `bill`; the same bill gives the same bytes."""
    ids = {component.ref: _identifier(component.ref) for component in bill.components}
    tag = f":{bill.version}" if bill.version else ""
    header = {
        "SPDXID": _DOCUMENT,
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "name": f"{bill.name}{tag}",
        "documentNamespace": f"https://titan-provenance.dev/spdx/{serial_number(bill)}",
        "creationInfo": {
            "created": format_instant(bill.created),
            "creators": [f"Tool: {NAME}-{VERSION}"],
        },
    }
    packages = [_image(bill), *(_package(c, ids[c.ref]) for c in bill.components)]
    parts = {key: dumps(value) for key, value in header.items()}
    parts["packages"] = array(packages)
    parts["relationships"] = array(_relationships(bill, ids))
    references = license_references(component.license for component in bill.components)
    if references:
        parts["hasExtractedLicensingInfos"] = array(map(_extracted, references))
    return write_object(parts)


def _identifier(ref: str) -> str:
    """Return an SPDXID that only depends on the purl: the form allows letters, digits, . and -."""
    digest = hashlib.sha256(ref.encode(errors="replace")).hexdigest()[:16]
    name = ref.partition("@")[0].removeprefix("pkg:")
    plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
    return f"SPDXRef-{plain[:80]}-{digest}"


def _image(bill: Bill) -> dict[str, Any]:
    image: dict[str, Any] = {
        "SPDXID": _ROOT,
        "name": bill.name,
        "supplier": _NO,
        "downloadLocation": _NO,
        "filesAnalyzed": False,
        "licenseConcluded": _NO,
        "licenseDeclared": _NO,
        "copyrightText": _NO,
        "primaryPackagePurpose": "CONTAINER",
        "externalRefs": [_reference("PACKAGE-MANAGER", "purl", root_purl(bill))],
        "versionInfo": bill.version or str(bill.digest or _NO),
    }
    if bill.digest:
        image["checksums"] = [{"algorithm": "SHA256", "checksumValue": bill.digest.hex}]
    return image


def _package(component: Component, identifier: str) -> dict[str, Any]:
    package = component.package
    references = [_reference("PACKAGE-MANAGER", "purl", component.ref)]
    if component.cpe:
        references.append(_reference("SECURITY", "cpe23Type", component.cpe))
    value: dict[str, Any] = {
        "SPDXID": identifier,
        "name": _full_name(component),
        "supplier": f"Organization: {package.supplier}" if package.supplier else _NO,
        "downloadLocation": _NO,
        "filesAnalyzed": False,
        "licenseConcluded": _NO,
        "licenseDeclared": component.license or _NO,
        "copyrightText": _NO,
        "primaryPackagePurpose": _PURPOSES.get(package.kind, "OTHER"),
        "externalRefs": references,
    }
    optional = {
        "versionInfo": package.version,
        "originator": f"Person: {package.author}" if package.author else "",
        "description": package.description,
        "homepage": package.homepage,
        "sourceInfo": _found_at(component),
    }
    value.update({key: text for key, text in optional.items() if text})
    if package.hashes:
        value["checksums"] = [
            {"algorithm": alg.replace("SHA-", "SHA"), "checksumValue": content}
            for alg, content in package.hashes
        ]
    return value


def _found_at(component: Component) -> str:
    paths = ", ".join(f"/{path}" for path in component.package.locations)
    return f"found at {paths}" if paths else ""


def _full_name(component: Component) -> str:
    package = component.package
    separator = {"golang": "/", "maven": ":"}.get(package.type, "/")
    if package.namespace and package.type not in {"deb", "apk", "rpm"}:
        return f"{package.namespace}{separator}{package.name}"
    return package.name


def _reference(category: str, kind: str, locator: str) -> dict[str, str]:
    return {
        "referenceCategory": category,
        "referenceType": kind,
        "referenceLocator": locator,
    }


def _relationships(bill: Bill, ids: dict[str, str]) -> Iterable[dict[str, str]]:
    yield _relationship(_DOCUMENT, "DESCRIBES", _ROOT)
    refs = list(ids)
    for ref in refs:
        yield _relationship(_ROOT, "CONTAINS", ids[ref])
    for ref in direct_dependencies(refs, bill.dependencies):
        yield _relationship(_ROOT, "DEPENDS_ON", ids[ref])
    for ref in refs:
        for target in sorted(bill.dependencies.get(ref, ())):
            yield _relationship(ids[ref], "DEPENDS_ON", ids[target])


def _relationship(source: str, kind: str, target: str) -> dict[str, str]:
    return {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}


def _extracted(reference: str) -> dict[str, str]:
    name = reference.removeprefix("LicenseRef-")
    return {
        "licenseId": reference,
        "name": name,
        "extractedText": f"The package declares its licence as: {name}",
    }
