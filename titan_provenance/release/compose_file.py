"""Services and images as compose files state them, read without Compose and without environment.

Enough of the Compose specification to propose a fleet: merge order, `extends`, `include`, `!reset`
and the interpolation of image names. What a deployment really runs only `docker compose config`
says, with the variables of its host; no `.env` file is read here, since those hold secrets.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titan_provenance.document import parse_compose_yaml
from titan_provenance.errors import DocumentError
from titan_provenance.files import is_inside, read_bounded
from titan_provenance.model.names import parse_line, parse_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from titan_provenance.document import Node

MAX_FILES = 64
_FILE_LIMIT = 1 << 20
_MAX_EXTENDS = 64
UNKNOWN = "\0"
_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*))")
_OPERATOR = re.compile(r":?[-?+]")

# A file of the tree and the name of a service in it.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with its variables replaced by their defaults.

    `origin` has one letter for each character of `text`: `l` stood there literally, `d` came from a
    variable's default, `?` is a variable without one (`UNKNOWN`, which no line of text holds).
    """

    text: str
    origin: str

    def part(self, start: int, end: int | None = None) -> Expansion:
        """Return a slice."""
        return Expansion(self.text[start:end], self.origin[start:end])

    def is_known(self) -> bool:
        """Say whether every variable has a default."""
        return UNKNOWN not in self.text

    def is_literal(self) -> bool:
        """Say whether no variable stands in it."""
        return not self.origin.strip("l")


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service: its image as written and expanded (None without one), and whether it is built.

    `place` is the file and line to look at, relative to the tree.
    """

    name: str
    image: str | None
    expansion: Expansion | None
    built: bool
    profiles: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class ComposeModel:
    """What some compose files, merged in order, say; `files` are all that were read for it."""

    name: str | None
    services: tuple[ComposeService, ...]
    files: tuple[str, ...]


def read_compose(tree: str, files: Iterable[str]) -> ComposeModel:
    """Return the model of `files` (paths below `tree`), later ones over earlier ones.

    Raises UnreadableError for a file that cannot be read, DocumentError for one that is no compose
    file, extends itself, or includes a file that lies outside the tree.
    """
    reader = _Reader(tree)
    merged: dict[str, dict[str, Node]] = {}
    name = None
    for file in files:
        for service, node in reader.services(file).items():
            if node.value is None:
                merged.pop(service, None)
            else:
                keys = reader.service(file, service)
                merged[service] = _set_keys({**merged.get(service, {}), **keys})
        name = reader.project_name(file) or name
    return ComposeModel(
        name=name,
        services=tuple(reader.value(service, merged[service]) for service in sorted(merged)),
        files=tuple(reader.documents),
    )


def expand(text: str) -> Expansion:
    """Return `text` with `$VAR`, `${VAR}`, `${VAR:-default}` and their like as without environment.

    Raises DocumentError for what Compose does not interpolate either.
    """
    parse_line(text)
    parts = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        parts.append(_literal(text[position:dollar]))
        part, position = _expand_variable(text, dollar)
        parts.append(part)
    parts.append(_literal(text[position:]))
    return Expansion("".join(p.text for p in parts), "".join(p.origin for p in parts))


def _literal(text: str) -> Expansion:
    return Expansion(text, "l" * len(text))


def _expand_variable(text: str, start: int) -> tuple[Expansion, int]:
    """Return what stands for the variable at `start`, and the position after it."""
    match = _VARIABLE.match(text, start)
    if not match:
        raise DocumentError(
            f'"{text}" has a "$" that starts no variable', hint='A literal "$" is written "$$".'
        )
    escaped, plain, _ = match.groups()
    if escaped:
        return _literal("$"), match.end()
    if plain:
        return Expansion(UNKNOWN, "?"), match.end()
    end = _closing_brace(text, match.end())
    operator = _OPERATOR.match(text, match.end(), end)
    if not operator:
        if match.end() != end:
            raise DocumentError(f'"{text[start : end + 1]}" is no variable')
        return Expansion(UNKNOWN, "?"), end + 1
    if operator[0][-1] == "?":
        return Expansion(UNKNOWN, "?"), end + 1
    inner = expand(text[operator.end() : end] if operator[0][-1] == "-" else "")
    return Expansion(inner.text, inner.origin.replace("l", "d")), end + 1


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        if text.startswith("${", position):
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if not depth:
                return position
    raise DocumentError(f'"{text}" has a "${{" without its "}}"')


class _Reader:
    """The compose files of one tree, each read once."""

    def __init__(self, tree: str) -> None:
        self._tree = tree
        self.documents: dict[str, dict[str, Node]] = {}
        self._services: dict[str, dict[str, Node]] = {}

    def services(self, file: str) -> dict[str, Node]:
        """Return the services of a file, those of the files that it includes first."""
        if file not in self._services:
            self._services[file] = self._included(file, ())
        return self._services[file]

    def project_name(self, file: str) -> str | None:
        """Return the project's name where the file knows it."""
        node = self._document(file).get("name")
        if node is None:
            return None
        expansion = node.parsed(expand)
        return node.parsed_as(expansion.text, parse_name) if expansion.is_known() else None

    def service(self, file: str, name: str, chain: tuple[Place, ...] = ()) -> dict[str, Node]:
        """Return the keys of a service, over those of the service that it extends."""
        node = self.services(file)[name]
        keys = node.mapping()
        extends = keys.get("extends")
        if extends is None or extends.value is None or _has(keys, "image"):
            return keys
        chain = (*chain, (file, name))
        base = self._base(file, extends)
        if base in chain:
            extends.fail("extends itself: " + " → ".join(place[1] for place in (*chain, base)))
        if len(chain) > _MAX_EXTENDS:
            extends.fail(f"extends more than {_MAX_EXTENDS} services in a row")
        if base[1] not in self.services(base[0]):
            extends.fail(f'extends "{base[1]}", which is no service of {base[0]}')
        return {**_set_keys(self.service(*base, chain)), **keys}

    def value(self, name: str, keys: dict[str, Node]) -> ComposeService:
        """Return a service as a value."""
        image, profiles = keys.get("image"), keys.get("profiles")
        place = image or next(iter(keys.values()), None)
        return ComposeService(
            name=name,
            image=image.text() if image else None,
            expansion=image.parsed(expand) if image else None,
            built="build" in keys,
            profiles=tuple(item.parsed(parse_line) for item in profiles.items())
            if profiles
            else (),
            place=f"{os.path.relpath(place.file, self._tree)}:{place.line}" if place else "",
        )

    def _base(self, file: str, extends: Node) -> Place:
        if isinstance(extends.value, str):
            return file, extends.text()
        keys = extends.mapping(required=("service",))
        other = self._below(file, keys["file"]) if _has(keys, "file") else file
        return other, keys["service"].text()

    def _included(self, file: str, chain: tuple[str, ...]) -> dict[str, Node]:
        document = self._document(file)
        found: dict[str, Node] = {}
        for node in _include_paths(document.get("include")):
            path = self._below(file, node)
            if path in (*chain, file):
                node.fail("includes itself: " + " → ".join((*chain, file, path)))
            found.update(self._included(path, (*chain, file)))
        services = document.get("services")
        own = services.mapping() if services and services.value is not None else {}
        for name, node in own.items():
            node.at_key().parsed_as(name, parse_name)
        return {**found, **own}

    def _below(self, file: str, node: Node) -> str:
        path = os.path.normpath(os.path.join(os.path.dirname(file), node.parsed(parse_line)))
        if not is_inside(os.path.join(self._tree, path), self._tree):
            node.fail(
                f'"{node.value}" lies outside {self._tree}',
                "Run init on the directory that holds both files.",
            )
        return path

    def _document(self, file: str) -> dict[str, Node]:
        if file not in self.documents:
            path = os.path.join(self._tree, file)
            if len(self.documents) >= MAX_FILES:
                raise DocumentError(f"{path}: more than {MAX_FILES} compose files", file=path)
            data = read_bounded(path, _FILE_LIMIT)
            self.documents[file] = parse_compose_yaml(data, path).mapping()
        return self.documents[file]


def _include_paths(node: Node | None) -> list[Node]:
    """Return the paths of `include`: each entry is a path or a mapping with one path or several."""
    found = []
    for entry in node.items() if node is not None and node.value is not None else []:
        path = entry.mapping(required=("path",))["path"] if isinstance(entry.value, dict) else entry
        found += path.items() if isinstance(path.value, list) else [path]
    return found


def _has(keys: dict[str, Node], name: str) -> bool:
    return name in keys and keys[name].value is not None


def _set_keys(keys: dict[str, Node]) -> dict[str, Node]:
    """Return the keys that have a value: `!reset` leaves none."""
    return {key: node for key, node in keys.items() if node.value is not None}
