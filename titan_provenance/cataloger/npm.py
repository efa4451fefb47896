"""Node packages: `package.json` of what is installed, and of the application itself.

Installed is what lies directly in a `node_modules` directory (Node's module resolution, "Loading
from node_modules folders"). Other files of that name inside a package are its test fixtures, or
only tell Node a module type (`dist/esm/package.json`): no packages. Outside of `node_modules` one
that has a name and a version is the application. Fields: npm's `package.json` reference.
"""

from __future__ import annotations

import re
from typing import Any

from titan_provenance.cataloger.interface import Cataloger, Found
from titan_provenance.cataloger.text import (
    is_name,
    items,
    line,
    load_mapping,
    mapping,
    unique,
)
from titan_provenance.model.package import Package

_NAME = "npm"
_PACKAGE_NAME = re.compile(r"(?:(@[^@/\s]+)/)?([^@/\s][^@/\s]*)")
_TESTS = re.compile(r"(?:^|/)(?:tests?|__tests__|__fixtures__|fixtures|testdata|examples?)/")
# Development dependencies are not installed in an image, or are found by themselves.
_DEPENDENCIES = ("dependencies", "optionalDependencies", "peerDependencies")


def parse(path: str, data: bytes) -> Found:
    """Return the package, or nothing for a file that only happens to have this name.

    Raises ParseError for what is no JSON object.
    """
    installed = "node_modules/" in path
    if not installed and _TESTS.search(path):
        return Found()
    fields = load_mapping(path, data)
    name, version = fields.get("name"), fields.get("version")
    if not is_name(name) or not is_name(version):
        return Found()
    match = _PACKAGE_NAME.fullmatch(str(name))
    if not match:
        return Found()
    package = Package(
        type="npm",
        namespace=match[1] or "",
        name=match[2],
        version=str(version),
        kind="library" if installed else "application",
        locations=(path,),
        cataloger=_NAME,
        licenses=_licenses(fields),
        author=_person(fields.get("author")),
        homepage=line(fields.get("homepage")),
        description=line(fields.get("description")),
        depends=_dependencies(fields),
    )
    return Found(packages=(package,))


def _licenses(fields: dict[str, Any]) -> tuple[str, ...]:
    """Return `license` as an expression, or as the older forms: an object, a list of objects."""
    values = [fields.get("license"), *items(fields.get("licenses"))]
    return unique(
        [line(value.get("type") if isinstance(value, dict) else value) for value in values]
    )


def _person(value: Any) -> str:
    """Return an author, written `Name <mail> (url)` or as an object."""
    if not isinstance(value, dict):
        return line(value).partition(" (")[0]
    name, mail = line(value.get("name")), line(value.get("email"))
    return f"{name} <{mail}>" if name and mail else name or mail


def _dependencies(fields: dict[str, Any]) -> tuple[str, ...]:
    return unique(
        [name for kind in _DEPENDENCIES for name in mapping(fields.get(kind)) if is_name(name)]
    )


CATALOGER = Cataloger(
    name=_NAME,
    version=1,
    pattern=(
        r"(?:[^/]+/)*node_modules/(?:@[^/]+/)?[^@/][^/]*/package\.json"
        r"|(?!(?:.*/)?node_modules/)(?:[^/]+/)*package\.json"
    ),
    endings=("package.json",),
    max_size=4 * 1024 * 1024,
    parse=parse,
)
