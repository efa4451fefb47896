"""The `release` file of a Java runtime: `JAVA_VERSION="21.0.2"`, `IMPLEMENTOR="…"` (JEP 223)."""

from __future__ import annotations

import re

from titan_provenance.cataloger.interface import Cataloger, Found
from titan_provenance.cataloger.text import decode, is_name, line
from titan_provenance.model.package import Package

_FIELD = re.compile(r'^([A-Z_]+)="([^"\n]*)"', re.MULTILINE)


def parse(path: str, data: bytes) -> Found:
    """Return the runtime; nothing for a file that only has this name."""
    fields = dict(_FIELD.findall(decode(data)))
    version = fields.get("JAVA_VERSION", "")
    if not is_name(version):
        return Found()
    vendor = line(fields.get("IMPLEMENTOR"))
    package = Package(
        type="generic",
        name="graalvm" if "GRAALVM_VERSION" in fields else "openjdk",
        version=version,
        kind="application",
        locations=(path,),
        cataloger="java-runtime",
        supplier=vendor if vendor != "N/A" else "",
    )
    return Found(packages=(package,))


CATALOGER = Cataloger(
    name="java-runtime",
    version=1,
    pattern=r"(?:[^/]+/)*release",
    endings=("/release",),
    max_size=64 * 1024,
    parse=parse,
)
