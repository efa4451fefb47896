"""Bills of materials from outside: ours, and those of syft, trivy, BuildKit and others → `Bill`.

CycloneDX and SPDX 2.x in JSON are read here, since a scan reads many; CycloneDX XML goes through
cyclonedx-python-lib. A document may leave out what we would state; what it does state must have the
type that its format says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from titan_provenance.cataloger.interface import Distro
from titan_provenance.document import load_json
from titan_provenance.errors import DocumentError
from titan_provenance.model.digest import Digest
from titan_provenance.model.instant import read_foreign_instant
from titan_provenance.model.package import Package
from titan_provenance.sbom.bill import Bill, Component, Coverage, Layer, Making, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


MAX_DOCUMENT = 256 << 20
MAX_VALUES = 20_000_000
MAX_COMPONENTS = 1_000_000
_PROPERTY = "titan-provenance:"
_HEX_SHA256 = 64
_STATUSES: dict[str, Status] = {"succeeded": "succeeded", "partial": "partial"}


def read_bill(data: bytes, name: str) -> Bill:
    """Return the bill in the document called `name`, of whichever format it is.

    Raises DocumentError for anything that is no CycloneDX or SPDX 2.x document.
    """
    if data.lstrip()[:1] == b"<":
        data = _xml_to_json(data, name)
    document = load_json(data, name, max_values=MAX_VALUES)
    try:
        if _is(document, "bomFormat", "CycloneDX"):
            return _read_cyclonedx(document)
        if isinstance(document, dict) and str(document.get("spdxVersion", "")).startswith("SPDX-2"):
            return _read_spdx(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DocumentError(f"{name}: not as its format says: {error!r}"[:300]) from error
    raise DocumentError(
        f"{name}: is neither CycloneDX nor SPDX 2",
        hint="Make one: titan-provenance sbom generate IMAGE -o FILE",
    )


def parse_purl(text: str) -> Package:
    """Return the parts of a package URL; raises DocumentError for what is none.

    Source: purl specification, "How to parse a purl string in its components".
    """
    rest, _, _ = text.partition("#")
    rest, _, query = rest.partition("?")
    scheme, colon, path = rest.partition(":")
    kind, slash, path = path.lstrip("/").partition("/")
    if scheme.lower() != "pkg" or not colon or not slash or not kind or not path.strip("/"):
        raise DocumentError(f'"{text[:200]}" is no package URL')
    path, at, version = path.rpartition("@") if "@" in path[1:] else (path, "", "")
    *spaces, name = [unquote(part) for part in path.strip("/").split("/")]
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return Package(
        type=kind.lower(),
        namespace="/".join(spaces),
        name=name,
        version=unquote(version) if at else "",
        qualifiers=tuple(sorted((key.lower(), unquote(value)) for key, _, value in pairs)),
    )


def _is(document: Any, key: str, value: str) -> bool:
    return isinstance(document, dict) and document.get(key) == value


def _xml_to_json(data: bytes, name: str) -> bytes:
    from xml.etree.ElementTree import ParseError

    from cyclonedx.exception import CycloneDxException
    from cyclonedx.model.bom import Bom
    from cyclonedx.output.json import JsonV1Dot6
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(data, forbid_dtd=True)
        bom = Bom.from_xml(root)  # type: ignore[attr-defined]  # added by a decorator
        return JsonV1Dot6(bom).output_as_string().encode()
    except DefusedXmlException as error:
        raise DocumentError(f"{name}: declares XML entities or a document type") from error
    except (CycloneDxException, ParseError, ValueError, TypeError, AttributeError) as error:
        raise DocumentError(f"{name}: is no CycloneDX XML: {error!r}"[:300]) from error


# --- CycloneDX -----------------------------------------------------------------------------------


def _read_cyclonedx(document: Mapping[str, Any]) -> Bill:
    metadata = document.get("metadata") or {}
    root = metadata.get("component") or {}
    properties = _properties(root)
    layers = _layers(properties)
    found = list(_flat(document.get("components") or []))
    components = [_cyclonedx_component(item, layers) for item in found if item.get("purl")]
    refs = {item.get("bom-ref"): item["purl"] for item in found if item.get("purl")}
    return Bill(
        name=str(root.get("name") or "unnamed"),
        version=str(root.get("version") or ""),
        digest=_sha256(root.get("hashes") or []),
        platform=properties.get("platform", ""),
        created=read_foreign_instant(str(metadata.get("timestamp"))),
        components=_unique(components),
        dependencies=_edges(document.get("dependencies") or [], refs),
        coverage=tuple(_coverage(properties)),
        layers=tuple(layers.values()),
        distro=_distro(found),
        making=_making(document, metadata),
        labels=tuple(
            (key.removeprefix("label:"), value)
            for key, value in properties.items()
            if key.startswith("label:")
        ),
    )


def _flat(components: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield components and those nested in them (CycloneDX allows a tree)."""
    todo = list(reversed(components))
    count = 0
    while todo:
        item = todo.pop()
        count += 1
        if count > MAX_COMPONENTS:
            raise ValueError(f"more than {MAX_COMPONENTS} components")
        todo.extend(reversed(item.get("components") or []))
        yield item


def _cyclonedx_component(item: Mapping[str, Any], layers: Mapping[str, Layer]) -> Component:
    ref = str(item["purl"])
    properties = _properties(item)
    evidence = item.get("evidence") or {}
    occurrences = [str(place["location"]) for place in evidence.get("occurrences") or []]
    identity: Any = evidence.get("identity") or [{}]
    first = identity[0] if isinstance(identity, list) else identity
    methods = first.get("methods") or [{}]
    references = item.get("externalReferences") or []
    package = parse_purl(ref)._replace(
        kind=str(item.get("type") or "library"),
        locations=tuple(path.lstrip("/") for path in occurrences),
        cataloger=properties.get("cataloger", ""),
        method=str(methods[0].get("technique") or "other"),
        confidence=float(first.get("confidence") or 0),
        source=properties.get("source", ""),
        source_version=properties.get("sourceVersion", ""),
        supplier=str((item.get("supplier") or {}).get("name") or item.get("publisher") or ""),
        author=", ".join(str(a.get("name", "")) for a in item.get("authors") or []),
        homepage=next((str(r["url"]) for r in references if r.get("type") == "website"), ""),
        description=str(item.get("description") or ""),
        hashes=tuple((str(h["alg"]), str(h["content"])) for h in item.get("hashes") or []),
    )
    origin = properties.get("origin")
    return Component(
        ref=ref,
        package=package,
        layer=layers.get(properties.get("layer:index", "")),
        origin="base" if origin == "base" else "service" if origin == "service" else None,
        license=_cyclonedx_license(item.get("licenses") or []),
        cpe=str(item.get("cpe") or ""),
    )


def _cyclonedx_license(choices: list[Any]) -> str:
    """Return one expression; names that are no identifiers go through the same rules as ours."""
    from titan_provenance.sbom.licenses import spdx_expression

    texts = []
    for choice in choices:
        named = choice.get("license") or {}
        texts.append(str(choice.get("expression") or named.get("id") or named.get("name") or ""))
    return spdx_expression(texts)


def _properties(item: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(entry["name"]).removeprefix(_PROPERTY): str(entry.get("value") or "")
        for entry in item.get("properties") or []
        if str(entry.get("name", "")).startswith(_PROPERTY)
    }


def _layers(properties: Mapping[str, str]) -> dict[str, Layer]:
    layers = {}
    for key, value in properties.items():
        if key.startswith("layer:"):
            number = key.removeprefix("layer:")
            digest, diff_id, created_by = [*value.split(" ", 2), ""][:3]
            stored = None if digest == "-" else Digest.parse(digest)
            layers[number] = Layer(int(number), stored, Digest.parse(diff_id), created_by)
    return layers


def _coverage(properties: Mapping[str, str]) -> Iterator[Coverage]:
    """Yield how each cataloger fared, which only our own documents say."""
    for key, value in sorted(properties.items()):
        if key.startswith("cataloger:"):
            status, *reasons = value.split("\n")
            cataloger = key.removeprefix("cataloger:")
            yield Coverage(cataloger, _STATUSES.get(status, "failed"), tuple(reasons))


def _making(document: Mapping[str, Any], metadata: Mapping[str, Any]) -> Making:
    tools = metadata.get("tools") or []
    if isinstance(tools, dict):
        tools = [*(tools.get("components") or []), *(tools.get("services") or [])]
    people = [
        *(metadata.get("authors") or []),
        metadata.get("manufacturer"),
        metadata.get("supplier"),
    ]
    return Making(
        authors=tuple(str(person["name"]) for person in people if person and person.get("name")),
        tools=tuple(str(tool.get("name") or "") for tool in tools),
        phases=tuple(str(item.get("phase") or "") for item in metadata.get("lifecycles") or []),
        vulnerabilities=bool(document.get("vulnerabilities")),
    )


def _distro(components: list[dict[str, Any]]) -> Distro | None:
    for item in components:
        if item.get("type") == "operating-system":
            return Distro(str(item.get("name") or ""), str(item.get("version") or ""))
    return None


def _edges(dependencies: list[Any], refs: Mapping[str | None, str]) -> dict[str, tuple[str, ...]]:
    edges: dict[str, set[str]] = {}
    for entry in dependencies:
        source = refs.get(entry.get("ref"))
        targets = {refs[ref] for ref in entry.get("dependsOn") or [] if ref in refs}
        if source and targets:
            edges.setdefault(source, set()).update(targets)
    return {source: tuple(sorted(targets)) for source, targets in edges.items()}


# --- SPDX ----------------------------------------------------------------------------------------


def _read_spdx(document: Mapping[str, Any]) -> Bill:
    packages = document.get("packages") or []
    if len(packages) > MAX_COMPONENTS:
        raise ValueError(f"more than {MAX_COMPONENTS} packages")
    root = _spdx_root(document, packages)
    refs = {str(item["SPDXID"]): _spdx_purl(item) for item in packages if item is not root}
    edges: dict[str, set[str]] = {}
    for relation in document.get("relationships") or []:
        source, target = (
            refs.get(relation["spdxElementId"]),
            refs.get(relation["relatedSpdxElement"]),
        )
        kind = relation.get("relationshipType")
        if kind == "DEPENDENCY_OF":
            source, target = target, source
        if source and target and kind in {"DEPENDS_ON", "DEPENDENCY_OF"}:
            edges.setdefault(source, set()).add(target)
    components = [
        _spdx_component(item, refs[item["SPDXID"]]) for item in packages if refs.get(item["SPDXID"])
    ]
    return Bill(
        name=str(root.get("name") or document.get("name") or "unnamed"),
        version=str(root.get("versionInfo") or ""),
        digest=_sha256(root.get("checksums") or []),
        platform="",
        created=read_foreign_instant(str((document.get("creationInfo") or {}).get("created"))),
        components=_unique(components),
        dependencies={ref: tuple(sorted(targets)) for ref, targets in edges.items()},
        coverage=(),
        layers=(),
        making=_spdx_making(document.get("creationInfo") or {}),
    )


def _spdx_making(information: Mapping[str, Any]) -> Making:
    creators = [str(creator).partition(": ") for creator in information.get("creators") or []]
    return Making(
        authors=tuple(name for kind, _, name in creators if kind in {"Person", "Organization"}),
        tools=tuple(name for kind, _, name in creators if kind == "Tool"),
    )


def _spdx_root(document: Mapping[str, Any], packages: list[Any]) -> Mapping[str, Any]:
    described = set(document.get("documentDescribes") or [])
    for relation in document.get("relationships") or []:
        if relation.get("relationshipType") == "DESCRIBES":
            described.add(relation["relatedSpdxElement"])
    return next((item for item in packages if item["SPDXID"] in described), {})


def _spdx_purl(item: Mapping[str, Any]) -> str:
    for reference in item.get("externalRefs") or []:
        if reference.get("referenceType") == "purl":
            return str(reference["referenceLocator"])
    return ""


def _spdx_component(item: Mapping[str, Any], ref: str) -> Component:
    from titan_provenance.sbom.licenses import spdx_expression

    references = item.get("externalRefs") or []
    cpes = [str(r["referenceLocator"]) for r in references if r.get("referenceType") == "cpe23Type"]
    source = str(item.get("sourceInfo") or "").removeprefix("found at ")
    package = parse_purl(ref)._replace(
        kind=str(item.get("primaryPackagePurpose") or "library").lower(),
        locations=tuple(path.lstrip("/") for path in source.split(", ") if path.startswith("/")),
        supplier=_spdx_actor(item.get("supplier")),
        author=_spdx_actor(item.get("originator")),
        homepage=_stated(item.get("homepage")),
        description=_stated(item.get("description")),
        hashes=tuple(_spdx_hashes(item.get("checksums") or [])),
    )
    declared = _stated(item.get("licenseDeclared")) or _stated(item.get("licenseConcluded"))
    return Component(
        ref=ref,
        package=package,
        layer=None,
        origin=None,
        license=spdx_expression([declared]) if declared else "",
        cpe=cpes[0] if cpes else "",
    )


def _spdx_actor(value: Any) -> str:
    return _stated(value).partition(": ")[2] or _stated(value)


def _stated(value: Any) -> str:
    text = str(value or "")
    return "" if text in {"NOASSERTION", "NONE"} else text


def _spdx_hashes(checksums: list[Any]) -> Iterator[tuple[str, str]]:
    for checksum in checksums:
        algorithm = str(checksum["algorithm"])
        if algorithm.startswith("SHA") and not algorithm.startswith("SHA3"):
            algorithm = f"SHA-{algorithm[3:]}"
        yield algorithm, str(checksum["checksumValue"])


# --- both ----------------------------------------------------------------------------------------


def _unique(components: list[Component]) -> tuple[Component, ...]:
    """Return one component a purl, sorted; places of the same package are joined."""
    known: dict[str, Component] = {}
    for component in components:
        first = known.setdefault(component.ref, component)
        if first is not component:
            places = dict.fromkeys([*first.package.locations, *component.package.locations])
            package = first.package._replace(locations=tuple(places))
            known[component.ref] = first._replace(package=package)
    return tuple(known[ref] for ref in sorted(known))


def _sha256(hashes: list[Any]) -> Digest | None:
    for entry in hashes:
        name = str(entry.get("alg") or entry.get("algorithm") or "").replace("-", "")
        content = str(entry.get("content") or entry.get("checksumValue") or "").lower()
        if name == "SHA256" and len(content) == _HEX_SHA256:
            return Digest.parse_hex(content)
    return None
