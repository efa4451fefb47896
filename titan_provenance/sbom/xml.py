"""A bill as CycloneDX XML, through cyclonedx-python-lib: slower than JSON, and rarely asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from titan_provenance.sbom.cyclonedx import write_cyclonedx

if TYPE_CHECKING:
    from titan_provenance.sbom.bill import Bill
    from titan_provenance.sbom.cyclonedx import SpecVersion


def write_xml(bill: Bill, spec_version: SpecVersion = "1.6") -> bytes:
    """Return the CycloneDX document of `bill` as XML; the same bill gives the same bytes.

    The library knows no `compositions`: what they say stays in the properties of the image.
    """
    from cyclonedx.model.bom import Bom
    from cyclonedx.output.xml import XmlV1Dot6, XmlV1Dot7

    document = json.loads(write_cyclonedx(bill, spec_version))
    _name_occurrences(document)
    bom = Bom.from_json(document)  # type: ignore[attr-defined]  # added by a decorator
    writer = XmlV1Dot7 if spec_version == "1.7" else XmlV1Dot6
    return writer(bom).output_as_string(indent=2).encode() + b"\n"


def _name_occurrences(document: dict[str, Any]) -> None:
    """Give each occurrence a ref: without one the library orders them by their place in memory."""
    for component in document["components"]:
        places = component.get("evidence", {}).get("occurrences", [])
        for number, place in enumerate(places):
            place["bom-ref"] = f"{component['bom-ref']}#occurrence-{number}"
