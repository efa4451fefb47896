"""What a .NET application is made of: `<application>.deps.json`.

`libraries` names each as `Name/Version` with its type, `targets` what each of them needs at run
time (dotnet/sdk, "Runtime Configuration Files"). The shared runtimes have one as well.
"""

from __future__ import annotations

from typing import Any

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.npm_lock import read_integrity
from titan_provenance.cataloger.text import is_name, limited, load_mapping, mapping, unique
from titan_provenance.model.package import Package

_NAME = "dotnet"
# What a build takes from another directory is `reference`: no package, and without a version.
_KINDS = {"package": "library", "runtimepack": "library", "project": "application"}
_RUNTIME_PACK = "runtimepack."


def parse(path: str, data: bytes) -> Found:
    """Return packages, runtime packs and the projects themselves; who needs whom.

    Raises ParseError for what is no JSON object or has no libraries.
    """
    fields = load_mapping(path, data)
    libraries = fields.get("libraries")
    if not isinstance(libraries, dict):
        raise ParseError(f"{path}: has no libraries")
    needs = _needs(mapping(fields.get("targets")))
    packages, problems = [], []
    for key, library in libraries.items():
        kind = _KINDS.get(str(mapping(library).get("type")).lower())
        name, _, version = key.rpartition("/")
        name = name.removeprefix(_RUNTIME_PACK)
        if kind and is_name(name) and is_name(version):
            packages.append(
                Package(
                    type="nuget",
                    name=name,
                    version=version,
                    kind=kind,
                    locations=(path,),
                    cataloger=_NAME,
                    hashes=read_integrity(mapping(library).get("sha512")),
                    depends=needs.get(key, ()),
                )
            )
        elif kind:
            problems.append(f"{path}: a library without name or version")
    return Found(packages=tuple(packages), problems=limited(problems))


def _needs(targets: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the needs of each library, of all targets together."""
    found: dict[str, list[str]] = {}
    for target in targets.values():
        for key, library in mapping(target).items():
            names = mapping(mapping(library).get("dependencies"))
            found.setdefault(key, []).extend(
                f"{name}@{version}"
                for name, version in names.items()
                if is_name(name) and is_name(version)
            )
    return {key: unique(names) for key, names in found.items()}


CATALOGER = Cataloger(
    name=_NAME,
    version=1,
    pattern=r"(?:[^/]+/)*[^/]+\.deps\.json",
    endings=(".deps.json",),
    max_size=32 * 1024 * 1024,
    parse=parse,
)
