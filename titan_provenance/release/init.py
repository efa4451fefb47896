"""A first fleet file, proposed from the compose files of a deployment tree.

Everything proposed is for a person to read and change: what could not be known is marked FILL IN.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titan_provenance.errors import DocumentError, UnreadableError, UsageError
from titan_provenance.model.names import parse_relative_path
from titan_provenance.model.reference import Repository, parse_reference
from titan_provenance.release.compose_file import MAX_FILES, UNKNOWN, read_compose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from titan_provenance.model.reference import Reference
    from titan_provenance.release.compose_file import ComposeModel, ComposeService, Expansion

TRUST = "keys/trust.yaml"

_COMPOSE_FILE = re.compile(r"(?:docker-)?compose(?:[._-]([A-Za-z0-9._-]+))?\.ya?ml", re.ASCII)
_PRODUCTION = ("prod", "production")
_EXAMPLE_REGISTRY = "registry.example"
# What usually goes to a host beside the compose file; each is proposed where something matches it.
_FILE_PATTERNS = (
    "config/*.template",
    "migrations/*.sql",
    "db/migrations/*.sql",
    "posture/*.y*ml",
    "postures/*.y*ml",
    "config/posture/*.y*ml",
    "config/postures/*.y*ml",
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*", re.ASCII)
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_MAX_NAME = 63


@dataclass(frozen=True, slots=True)
class ProposedService:
    """One service of the fleet file; `comment` is for whoever reads it.

    `fill_in` says that the repository is a guess.
    """

    name: str
    image: Reference
    compose: str
    comment: str = ""
    fill_in: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A fleet file before it is written; `unused` are the compose files that were passed over."""

    fleet: str
    services: tuple[ProposedService, ...]
    compose: tuple[str, ...]
    files: tuple[str, ...]
    unused: tuple[str, ...]

    def to_fill_in(self) -> int:
        """Return how many services have a guessed repository."""
        return sum(service.fill_in for service in self.services)


def propose_fleet(tree: str, chosen: Sequence[str] = ()) -> Proposal:
    """Return a proposal for the directory `tree`, from `chosen` compose files or those found.

    Found are those at the top of the tree: the production file (over the base file when it is an
    overlay), else the base file and its override. Raises UsageError when there is none or the
    choice is not clear, UnreadableError and DocumentError for files that cannot be used.
    """
    found = _compose_files(tree)
    model, compose = _model(tree, found, chosen)
    if not model.services:
        raise DocumentError(f"{os.path.join(tree, compose[-1])}: has no services")
    names = [service.name for service in model.services]
    fleet = model.name or _common_prefix(names) or _slug(os.path.basename(os.path.realpath(tree)))
    short = _short_names(names, fleet)
    services = [_propose_service(service, short[service.name], fleet) for service in model.services]
    return Proposal(
        fleet=fleet,
        services=tuple(sorted(services, key=lambda service: service.name)),
        compose=tuple(compose),
        files=(*dict.fromkeys((*compose, *model.files)), *_bound_patterns(tree)),
        unused=tuple(file for file in found if file not in model.files),
    )


def fleet_text(proposal: Proposal) -> str:
    """Return the fleet file that says what is proposed."""
    lines = [
        "# The fleet: which services one release consists of, and how each one is found.",
        "# `titan-provenance schema fleet` prints the JSON Schema of this file, for editors.",
        "version: 1",
        f"fleet: {_scalar(proposal.fleet)}",
        "",
        "# Each service and the repository of its image. The tag is the version of the release",
        "# unless one stands here; `compose` is the service's name in the compose file where it",
        "# differs.",
        "services:",
    ]
    for service in proposal.services:
        lines += [f"  # {service.comment}"] if service.comment else []
        differs = service.compose != service.name
        compose = f", compose: {_scalar(service.compose)}" if differs else ""
        lines.append(f'  {_scalar(service.name)}: {{image: "{service.image}"{compose}}}')
    lines += [
        "",
        "# Who may sign a release and how many must; hosts may have their own instead.",
        f"trust: {TRUST}",
        "",
        "# The compose files of the deployment, in the order in which they are merged.",
        "compose:",
        *(f"  - {_scalar(path)}" for path in proposal.compose),
        "",
        "# What goes to the host beside the images: a release states the digest of each file.",
        "files:",
        *(f"  - {_scalar(path)}" for path in proposal.files),
    ]
    return "\n".join(lines) + "\n"


def _compose_files(tree: str) -> list[str]:
    """Return the compose files at the top of the tree, the ones that Compose prefers first."""
    try:
        names = [name for name in os.listdir(tree) if _COMPOSE_FILE.fullmatch(name)]
    except OSError as error:
        raise UnreadableError(f"{tree}: {error.strerror}") from error
    if len(names) > MAX_FILES:
        raise UsageError(
            f"{tree}: {len(names)} compose files, more than {MAX_FILES}",
            hint="Say which ones make the deployment: --compose FILE.",
        )
    return sorted(names, key=lambda name: (name.startswith("docker-"), name))


def _model(
    tree: str, found: Sequence[str], chosen: Sequence[str]
) -> tuple[ComposeModel, Sequence[str]]:
    if chosen:
        files = [parse_relative_path(os.path.normpath(file)) for file in chosen]
        return read_compose(tree, files), files
    base = _first(found, (None,))
    production = _first(found, _PRODUCTION)
    if production:
        model = read_compose(tree, production)
        if not base or all(service.image or service.built for service in model.services):
            return model, production
        return read_compose(tree, base + production), base + production
    if base:
        files = base + _first(found, ("override",))
        return read_compose(tree, files), files
    if len(found) == 1:
        return read_compose(tree, found), found
    if found:
        raise UsageError(
            f"{tree}: which of {', '.join(found)} is the deployment?",
            hint="Name the files in the order in which they are merged: --compose FILE.",
        )
    raise UsageError(
        f"{tree}: no compose file here",
        hint="Run init where compose.yaml or docker-compose.yml lies, or pass that directory.",
    )


def _first(found: Sequence[str], variants: Sequence[str | None]) -> list[str]:
    """Return the first file whose name says one of `variants`: `prod` in compose.prod.yaml."""
    for name in found:
        match = _COMPOSE_FILE.fullmatch(name)
        if match and match[1] in variants:
            return [name]
    return []


def _common_prefix(names: Sequence[str]) -> str | None:
    """Return `titan` when more services are called titan-… than anything else, and two at least."""
    prefixes = Counter(match[1] for name in names if (match := re.match(r"(\w+?)[-_].", name)))
    ranked = prefixes.most_common(2)
    if not ranked or ranked[0][1] == 1:
        return None
    return ranked[0][0] if len(ranked) == 1 or ranked[0][1] > ranked[1][1] else None


def _short_names(names: Sequence[str], fleet: str) -> dict[str, str]:
    """Return each service's name without the fleet's, where that leaves a name of its own."""
    short = {name: _without_prefix(name, fleet) for name in names}
    taken = Counter(short.values())
    return {name: new if taken[new] == 1 else name for name, new in short.items()}


def _without_prefix(name: str, fleet: str) -> str:
    rest = name.removeprefix(fleet)
    return rest[1:] if rest[:1] in {"-", "_"} and rest[1:2].isalnum() else name


def _propose_service(service: ComposeService, name: str, fleet: str) -> ProposedService:
    """Propose a service: a tag that is a variable is dropped, a literal one kept."""
    if service.expansion is None:
        problem = "builds it and names no image" if service.built else "names no image"
        return _to_fill_in(service, name, fleet, problem)
    end = _end_of_repository(service.expansion.text)
    repository, rest = service.expansion.part(0, end), service.expansion.part(end)
    written = f'says "{service.image}"'
    try:
        image = parse_reference(repository.text + (rest.text if rest.is_literal() else ""))
    except DocumentError:
        return _to_fill_in(service, name, fleet, written)
    if service.built:
        # Its tag is the version of the release, whatever tag a local build gets.
        image = Repository.parse(repository.text)
        if image.path.startswith("library/"):
            return _to_fill_in(service, name, fleet, f"{written}, which names no registry")
    comment = ""
    if not service.built and rest.is_known() and not rest.is_literal():
        comment = (
            f'{service.place} {written}: add "{rest.text}" unless it has the release\'s version.'
        )
    return ProposedService(name, image, service.name, _comment(service, comment))


def _end_of_repository(text: str) -> int:
    """Return where the tag or the digest of an image reference begins."""
    end = text.find("@")
    end = len(text) if end < 0 else end
    colon = text.rfind(":", 0, end)
    return colon if colon > text.rfind("/", 0, end) else end


def _to_fill_in(service: ComposeService, name: str, fleet: str, problem: str) -> ProposedService:
    """Propose a guess that keeps what is known of the repository's name."""
    image = _known_parts(service.expansion, name, fleet) or Repository(
        _EXAMPLE_REGISTRY, f"{_slug(fleet).lower()}/{_slug(name).lower()}"
    )
    comment = _comment(service, f"FILL IN the repository: {service.place} {problem}.")
    return ProposedService(name, image, service.name, comment, fill_in=True)


def _known_parts(expansion: Expansion | None, name: str, fleet: str) -> Repository | None:
    """Return the repository with a guess for each part that is one variable as a whole."""
    text = expansion.text[: _end_of_repository(expansion.text)] if expansion else ""
    parts = text.split("/")
    if UNKNOWN not in parts or len(parts) == 1:
        return None
    guesses = {0: _EXAMPLE_REGISTRY, len(parts) - 1: _slug(name).lower()}
    filled = [
        guesses.get(index, _slug(fleet).lower()) if part == UNKNOWN else part
        for index, part in enumerate(parts)
    ]
    try:
        return Repository.parse("/".join(filled))
    except DocumentError:
        return None


def _comment(service: ComposeService, comment: str) -> str:
    profiles = f"Runs only with profile {', '.join(service.profiles)}." if service.profiles else ""
    return " ".join(filter(None, (comment, profiles)))


def _bound_patterns(tree: str) -> list[str]:
    """Return the usual patterns that match a file of the tree."""
    found = []
    for pattern in _FILE_PATTERNS:
        directory, _, name = pattern.rpartition("/")
        path = os.path.join(tree, directory)
        if os.path.isdir(path) and fnmatch.filter(os.listdir(path), name):
            found.append(pattern)
    return found


def _slug(text: str) -> str:
    """Return `text` as a name that a release, and in lower case a repository, may have."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:_MAX_NAME].rstrip("-") or "fleet"


def _scalar(text: str) -> str:
    """Return `text` as YAML that reads back as the same text."""
    if _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
