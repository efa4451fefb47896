"""A package in an image: what one cataloger says of it, ready for a document and for a cache.

The words are those of the package URL specification (type, namespace, name, version, qualifiers)
and of CycloneDX evidence (method, confidence, occurrences). Everything else stands as the package
itself declares it; licences become SPDX expressions elsewhere.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from titan_provenance.errors import DocumentError

Texts = tuple[str, ...]
Pairs = tuple[tuple[str, str], ...]

_PAIR = 2


class Package(NamedTuple):
    """One package, at one place or several of an image.

    - `type`, `namespace`, `name`, `version`, `qualifiers`: the parts of its purl, not encoded.
    - `kind`: the CycloneDX component type, `application` for what is run, not linked to.
    - `locations`: paths in the image without leading slash, that which declares the package first.
    - `cataloger`, `method`, `confidence`: who found it, by which CycloneDX evidence technique, and
      how sure that is (0 to 1).
    - `source`, `source_version`: the source package that a distribution built it from; advisories
      of distributions name that one.
    - `hashes`: (CycloneDX algorithm, lower-case hexadecimal) of the archive it was installed from.
    - `files`: paths that the package owns, separated by newlines: one text, since a Debian image
      has tens of thousands of them.
    - `depends`, `provides`: names in the terms of its own ecosystem, see `cataloger/edges.py`.
    """

    type: str
    name: str
    version: str = ""
    namespace: str = ""
    qualifiers: Pairs = ()
    kind: str = "library"
    locations: Texts = ()
    cataloger: str = ""
    method: str = "manifest-analysis"
    confidence: float = 1.0
    source: str = ""
    source_version: str = ""
    licenses: Texts = ()
    supplier: str = ""
    author: str = ""
    homepage: str = ""
    description: str = ""
    hashes: Pairs = ()
    files: str = ""
    depends: Texts = ()
    provides: Texts = ()

    @property
    def purl(self) -> str:
        """The canonical package URL."""
        return build_purl(self.type, self.namespace, self.name, self.version, self.qualifiers)

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the defaults, as plain JSON values."""
        return record_to_json(self)

    @classmethod
    def from_json(cls, value: Any) -> Package:
        """Return the package that `to_json` gave; raises DocumentError for anything else."""
        return record_from_json(cls, value)


_SEPARATORS = re.compile(r"[-_.]+")
_LOWER_NAMESPACE = frozenset({"deb", "apk", "rpm", "composer"})
_LOWER_NAME = frozenset({"deb", "apk", "composer", "pypi"})


def build_purl(
    kind: str, namespace: str, name: str, version: str = "", qualifiers: Pairs = ()
) -> str:
    """Return the canonical package URL of these parts (purl specification, "How to build").

    Names are folded to lower case as the definition of the type says. Go modules keep their case:
    the note of the Go definition asks for lower case, but module paths that differ in case are
    different modules, and advisories name them as they are.
    """
    namespace = namespace.strip("/")
    if kind in _LOWER_NAMESPACE:
        namespace = namespace.lower()
    if kind in _LOWER_NAME:
        name = name.lower()
    if kind == "pypi":
        name = name.replace("_", "-")
    parts = [_encode(part) for part in namespace.split("/") if part] + [_encode(name)]
    text = f"pkg:{kind}/{'/'.join(parts)}"
    if version:
        text = f"{text}@{_encode(version)}"
    pairs = sorted((key.lower(), value) for key, value in qualifiers if value)
    if pairs:
        text = f"{text}?{'&'.join(f'{key}={_encode(value)}' for key, value in pairs)}"
    return text


def normalize_pypi(name: str) -> str:
    """Return a Python project's name in the one form that identifies it (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


def _encode(text: str) -> str:
    # Names come from images: a lone surrogate must not end the program.
    return quote(text, safe=":", errors="replace")


R = TypeVar("R")


def record_to_json(record: Any) -> dict[str, Any]:
    """Return the fields of a NamedTuple that differ from their defaults."""
    defaults = record._field_defaults
    return {
        field: value
        for field, value in zip(record._fields, record, strict=True)
        if field not in defaults or value != defaults[field]
    }


def record_from_json(record: type[R], value: Any) -> R:
    """Return the NamedTuple whose fields are texts, numbers, `Texts` or `Pairs` from plain JSON.

    Raises DocumentError for unknown and missing fields and for values of another type.
    """
    if not isinstance(value, dict):
        raise DocumentError(f"expected a record {record.__name__}")
    annotations = record.__annotations__
    fields: dict[str, Any] = {}
    for field, item in value.items():
        if field not in annotations:
            raise DocumentError(f'{record.__name__} has no field "{str(field)[:100]}"')
        read = _READERS[annotations[field].__forward_arg__]
        fields[field] = read(item)
    try:
        return record(**fields)
    except TypeError as error:
        raise DocumentError(f"{record.__name__} lacks a field") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DocumentError("expected text in a record")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DocumentError("expected a number in a record")
    return float(value)


def _texts(value: Any) -> Texts:
    if not isinstance(value, list | tuple):
        raise DocumentError("expected a list of texts in a record")
    return tuple(map(_text, value))


def _pairs(value: Any) -> Pairs:
    if not isinstance(value, list | tuple):
        raise DocumentError("expected a list of pairs in a record")
    pairs = tuple(map(_texts, value))
    if any(len(pair) != _PAIR for pair in pairs):
        raise DocumentError("expected pairs in a record")
    return tuple((pair[0], pair[1]) for pair in pairs)


_READERS = {"str": _text, "float": _number, "Texts": _texts, "Pairs": _pairs}
