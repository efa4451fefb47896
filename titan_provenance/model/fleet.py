"""A fleet: which services a release consists of and how each one is found.

The values that a fleet file `titan-provenance.yaml` states. Its format is the JSON Schema
`titan-provenance schema fleet`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from titan_provenance.document import parse_yaml
from titan_provenance.model.names import parse_line, parse_name, parse_relative_path
from titan_provenance.model.reference import Repository, parse_reference
from titan_provenance.model.release import MAX_FILES, MAX_SERVICES

if TYPE_CHECKING:
    from titan_provenance.document import Node
    from titan_provenance.model.reference import Reference

FORMAT_VERSION = 1

# Sections of commands that this version does not have: mappings that are not interpreted.
_UNUSED_SECTIONS = ("policy", "preflight", "nightly")
_KEYS = ("version", "fleet", "services", "trust", "compose", "files", *_UNUSED_SECTIONS)


class FleetService(NamedTuple):
    """One service: where its image is pushed, and the service's name in the compose file."""

    name: str
    image: Reference
    compose: str

    @property
    def repository(self) -> Repository:
        """Where the image is pushed, without tag or digest."""
        return self.image if isinstance(self.image, Repository) else self.image.repository


class Fleet(NamedTuple):
    """A fleet file: services sorted by name.

    `trust`, `compose` and `files` are paths as written, relative to `directory`, where the fleet
    file `path` lies; `files` may be patterns with `*` and `?`. `unused_sections` are those present
    that no command of this version reads.
    """

    name: str
    services: tuple[FleetService, ...]
    path: str
    trust: str | None = None
    compose: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unused_sections: tuple[str, ...] = ()

    @property
    def directory(self) -> str:
        """The directory where the fleet file lies."""
        return os.path.dirname(self.path) or os.curdir


def parse_fleet(data: bytes, path: str) -> Fleet:
    """Return the fleet that the file `path` with the bytes `data` states.

    Raises DocumentError with line and column for anything that the format does not have, no
    service, more than 1024, or two services that have the same name in the compose file.
    """
    keys = parse_yaml(data, path).mapping(_KEYS, required=("version", "fleet", "services"))
    if keys["version"].integer() != FORMAT_VERSION:
        keys["version"].fail(
            f"fleet files of version {keys['version'].value} are not known here",
            f"This program reads version {FORMAT_VERSION}.",
        )
    unused = tuple(section for section in _UNUSED_SECTIONS if section in keys)
    for section in unused:
        keys[section].mapping()
    return Fleet(
        name=keys["fleet"].parsed(parse_name),
        services=_parse_services(keys["services"]),
        path=path,
        trust=keys["trust"].parsed(parse_line) if "trust" in keys else None,
        compose=_parse_paths(keys["compose"]) if "compose" in keys else (),
        files=_parse_paths(keys["files"]) if "files" in keys else (),
        unused_sections=unused,
    )


def _parse_services(node: Node) -> tuple[FleetService, ...]:
    entries = node.mapping()
    if not entries:
        node.fail("names no service", "A fleet has at least one: `brain: {image: …}`.")
    if len(entries) > MAX_SERVICES:
        node.fail(f"{len(entries)} services, more than {MAX_SERVICES}")
    services = tuple(_parse_service(name, entries[name]) for name in sorted(entries))
    owners: dict[str, str] = {}
    for service in services:
        owner = owners.setdefault(service.compose, service.name)
        if owner != service.name:
            entries[service.name].at_key().fail(
                f'the compose service "{service.compose}" is also that of "{owner}"',
                "Each service of a fleet is one service of the compose file.",
            )
    return services


def _parse_service(name: str, node: Node) -> FleetService:
    node.at_key().parsed_as(name, parse_name)
    keys = node.mapping(("image", "compose"), required=("image",))
    return FleetService(
        name=name,
        image=keys["image"].parsed(parse_reference),
        compose=keys["compose"].parsed(parse_name) if "compose" in keys else name,
    )


def _parse_paths(node: Node) -> tuple[str, ...]:
    items = node.items()
    if len(items) > MAX_FILES:
        node.fail(f"{len(items)} entries, more than {MAX_FILES}")
    found: dict[str, None] = {}
    for item in items:
        text = item.parsed(parse_relative_path)
        if text in found:
            item.fail(f'"{text}" is named twice')
        found[text] = None
    return tuple(found)
