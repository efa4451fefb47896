"""Digests that the jobs of a CI matrix left in a directory, one file a service.

Three forms: a `.json` file with `{"service": …, "image": "repo@sha256:…"}`, one with
`{"COMPOSE-NAME": "repo@sha256:…"}` for one or more services (the old `digests.json` and its
fragments), and a file `SERVICE.txt` or `SERVICE` with `repo@sha256:…` or a digest alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titan_provenance.document import Node, nearest, parse_json
from titan_provenance.errors import DocumentError, UnreadableError, UsageError
from titan_provenance.files import read_bounded
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from titan_provenance.model.fleet import Fleet, FleetService

_LIMIT = 1 << 20
_MAX_FILES = 2048


@dataclass(frozen=True, slots=True)
class Fragment:
    """The digest that one file names for one service."""

    service: str
    digest: Digest
    file: str


def read_fragments(directory: str, fleet: Fleet) -> dict[str, Fragment]:
    """Return the fragment of each service of `fleet` that `directory` has one for.

    Raises DocumentError for a file that is no fragment, a tag where a digest belongs, a service
    that the fleet does not have, another repository than the fleet file's, or one named twice.
    """
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise UnreadableError(f"{directory}: {error.strerror}") from error
    files = [os.path.join(directory, name) for name in names if not name.startswith(".")]
    if not files or len(files) > _MAX_FILES:
        raise UsageError(f"{directory}: {len(files)} files, expected 1 to {_MAX_FILES}")
    found: dict[str, Fragment] = {}
    for file in files:
        for fragment in _read_fragment(file, fleet):
            other = found.setdefault(fragment.service, fragment)
            if other is not fragment:
                raise DocumentError(
                    f"{fragment.service}: named twice, {other.file} says {other.digest} and "
                    f"{fragment.file} says {fragment.digest}",
                    hint="Each service has one fragment: remove what an earlier run left.",
                )
    return found


def _read_fragment(file: str, fleet: Fleet) -> Iterator[Fragment]:
    data = read_bounded(file, _LIMIT)
    if not file.endswith(".json"):
        yield _text_fragment(data, file, fleet)
        return
    root = parse_json(data, file)
    keys = root.mapping()
    if set(keys) == {"service", "image"}:
        service = _service(fleet, keys["service"].text(), keys["service"])
        yield Fragment(service.name, _digest(service, keys["image"]), file)
        return
    if not keys:
        root.fail("names no service")
    for name, node in keys.items():
        service = _service(fleet, name, node)
        yield Fragment(service.name, _digest(service, node), file)


def _text_fragment(data: bytes, file: str, fleet: Fleet) -> Fragment:
    try:
        text = data.decode().strip()
    except UnicodeDecodeError as error:
        raise DocumentError(f"{file}: is not text", file=file) from error
    name = os.path.basename(file).removesuffix(".txt")
    node = Node(text, file=file, path="")
    service = _service(fleet, name, node)
    if text.startswith("sha256:"):
        return Fragment(service.name, node.parsed(Digest.parse), file)
    return Fragment(service.name, _digest(service, node), file)


def _service(fleet: Fleet, name: str, node: Node) -> FleetService:
    known = {alias: item for item in fleet.services for alias in (item.compose, item.name)}
    if name not in known:
        node.fail(f'the fleet has no service "{name}"', nearest(name, known))
    return known[name]


def _digest(service: FleetService, node: Node) -> Digest:
    reference = node.parsed(DigestReference.parse)
    wanted = service.repository
    if reference.repository != wanted:
        node.fail(
            f"{service.name} is {reference.repository} here and {wanted} in the fleet file",
            "Correct the one that is wrong; the repository is part of what gets signed.",
        )
    return reference.digest
