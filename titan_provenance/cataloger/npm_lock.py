"""npm's lock files: the hash of the archive that each installed package came from.

`package-lock.json` beside an application and `node_modules/.package-lock.json` that npm leaves
where it installs; lockfileVersion 1 (a tree of `dependencies`), 2 and 3 (`packages` by path). What
a lock names is not always installed, so it adds to packages found and brings none of its own.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from titan_provenance.cataloger.interface import Addition, Cataloger, Found
from titan_provenance.cataloger.text import MAX_PATH, is_name, load_mapping, mapping

if TYPE_CHECKING:
    from titan_provenance.model.package import Pairs

# Subresource Integrity names → those of CycloneDX, and the length of such a hash.
_ALGORITHMS = {"sha1": ("SHA-1", 20), "sha256": ("SHA-256", 32)}
_ALGORITHMS |= {"sha384": ("SHA-384", 48), "sha512": ("SHA-512", 64)}


def parse(path: str, data: bytes) -> Found:
    """Return the hashes by the directory that each package lies in.

    Raises ParseError for what is no JSON object.
    """
    fields = load_mapping(path, data)
    root = path.rpartition("/")[0]
    if path.endswith("node_modules/.package-lock.json"):
        root = root.removesuffix("node_modules").removesuffix("/")
    prefix = f"{root}/" if root else ""
    entries = mapping(fields.get("packages")) or _flatten(mapping(fields.get("dependencies")))
    additions = (_addition(prefix, place, mapping(entry)) for place, entry in entries.items())
    return Found(additions=tuple(addition for addition in additions if addition))


def _flatten(tree: dict[str, Any]) -> dict[str, Any]:
    """Return the packages of a version 1 lock by their paths."""
    found: dict[str, Any] = {}
    waiting = [("", tree)]
    while waiting:
        prefix, level = waiting.pop()
        for name, entry in level.items():
            place = f"{prefix}node_modules/{name}"
            found[place] = entry
            if len(place) > MAX_PATH:
                continue
            below = mapping(mapping(entry).get("dependencies"))
            if below:
                waiting.append((f"{place}/", below))
    return found


def _addition(prefix: str, place: str, entry: dict[str, Any]) -> Addition | None:
    version, hashes = entry.get("version"), read_integrity(entry.get("integrity"))
    if not hashes or not isinstance(version, str) or not is_name(version):
        return None
    return Addition(type="npm", key=prefix + place, version=version, hashes=hashes)


def read_integrity(value: Any) -> Pairs:
    """Return the hashes of a Subresource Integrity text: `sha512-<base64>`, several by spaces."""
    hashes = []
    for part in value.split() if isinstance(value, str) else ():
        algorithm, _, text = part.partition("-")
        name, size = _ALGORITHMS.get(algorithm, ("", 0))
        try:
            digest = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if name and len(digest) == size:
            hashes.append((name, digest.hex()))
    return tuple(sorted(hashes))


CATALOGER = Cataloger(
    name="npm-lock",
    version=1,
    pattern=(
        r"(?:[^/]+/)*node_modules/\.package-lock\.json"
        r"|(?!(?:.*/)?node_modules/)(?:[^/]+/)*package-lock\.json"
    ),
    endings=("package-lock.json",),
    max_size=16 * 1024 * 1024,
    parse=parse,
)
