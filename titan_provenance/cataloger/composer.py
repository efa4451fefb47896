"""Installed PHP packages: `vendor/composer/installed.json`.

Composer 1 writes a list of packages, Composer 2 an object with the list as `packages`; each is
what the package's own `composer.json` says, with `dist` for the archive it came from.
"""

from __future__ import annotations

import re
from typing import Any

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.text import (
    is_name,
    items,
    limited,
    line,
    load,
    mapping,
    unique,
)
from titan_provenance.model.package import Package, Pairs

_NAME = "composer"
_SHA1 = re.compile(r"[0-9a-f]{40}")


def parse(path: str, data: bytes) -> Found:
    """Return the packages; one without name or version is a problem.

    Raises ParseError for what is no JSON or has no list of packages.
    """
    value = load(path, data)
    entries = value.get("packages") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise ParseError(f"{path}: has no list of packages")
    packages, problems = [], []
    for entry in entries:
        package = _package(path, mapping(entry))
        if package:
            packages.append(package)
        else:
            problems.append(f"{path}: a package without name or version")
    return Found(packages=tuple(packages), problems=limited(problems))


def _package(path: str, entry: dict[str, Any]) -> Package | None:
    name, version = entry.get("name"), entry.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    if not is_name(name) or not is_name(version):
        return None
    namespace, _, short = name.rpartition("/")
    if not short:
        return None
    people = [mapping(person) for person in items(entry.get("authors"))]
    license_ = entry.get("license")
    return Package(
        type="composer",
        namespace=namespace,
        name=short,
        version=version,
        locations=(path,),
        cataloger=_NAME,
        licenses=unique([line(text) for text in items(license_) or [license_]]),
        author=", ".join(unique([line(person.get("name")) for person in people]))[:500],
        homepage=line(entry.get("homepage")),
        description=line(entry.get("description")),
        hashes=_hashes(mapping(entry.get("dist"))),
        depends=_names(entry.get("require")),
        provides=_names(entry.get("provide")) + _names(entry.get("replace")),
    )


def _hashes(dist: dict[str, Any]) -> Pairs:
    digest = dist.get("shasum")
    return (("SHA-1", digest),) if isinstance(digest, str) and _SHA1.fullmatch(digest) else ()


def _names(value: Any) -> tuple[str, ...]:
    return unique([name.lower() for name in mapping(value) if is_name(name)])


CATALOGER = Cataloger(
    name=_NAME,
    version=1,
    pattern=r"(?:[^/]+/)*composer/installed\.json",
    endings=("composer/installed.json",),
    max_size=32 * 1024 * 1024,
    parse=parse,
)
