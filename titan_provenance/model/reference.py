"""Names of images: a repository, a repository with a tag, a repository with a digest.

They are three types, since they promise different things: a tag may point elsewhere tomorrow, a
digest may not. Grammar: distribution/reference and the OCI distribution specification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from titan_provenance.errors import DocumentError
from titan_provenance.model.digest import Digest

DOCKER_HUB = "docker.io"

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?",
    re.ASCII,
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_IN_TAG = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_MAX_TAG = 128
_MAX_NAME = 255


class Repository(NamedTuple):
    """A registry host (with port) and a path in it, `ghcr.io/titan/brain`."""

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Return the repository that `text` names; short names belong to Docker Hub.

        Raises DocumentError when `text` has a tag, a digest, or is no repository name.
        """
        first, slash, rest = text.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost" or first[:1] == "["):
            registry, path = first, rest
        else:
            registry, path = DOCKER_HUB, text
        if registry in {DOCKER_HUB, "index.docker.io", "registry-1.docker.io"}:
            registry = DOCKER_HUB
            path = path if "/" in path else f"library/{path}"
        if len(text) > _MAX_NAME or not _HOST.fullmatch(registry) or not _PATH.fullmatch(path):
            raise DocumentError(
                f'"{text[:100]}" is no image repository',
                hint="Write it as registry.example/team/service, in lower case.",
            )
        return cls(registry, path)

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


@dataclass(frozen=True, slots=True)
class TagReference:
    """A repository and a tag: where to look, not what will be found."""

    repository: Repository
    tag: str

    def __post_init__(self) -> None:
        parse_tag(self.tag)

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


class DigestReference(NamedTuple):
    """A repository and a digest: exactly one content, for ever."""

    repository: Repository
    digest: Digest

    @classmethod
    def parse(cls, text: str) -> DigestReference:
        """Return the digest reference `repository[:tag]@sha256:…`; a tag in it is dropped.

        Raises DocumentError when there is no digest.
        """
        reference = parse_reference(text)
        if not isinstance(reference, DigestReference):
            raise DocumentError(
                f'"{text[:200]}" names no digest',
                hint="Write repository@sha256:…; a tag can move, a digest cannot.",
            )
        return reference

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


def parse_tag(text: str) -> str:
    """Return a tag; raises DocumentError for what the distribution specification does not allow."""
    if not 0 < len(text) <= _MAX_TAG or text[0] in ".-" or not _IN_TAG.issuperset(text):
        raise DocumentError(
            f'"{text[:100]}" is no tag',
            hint="A tag has at most 128 letters, digits, dots, dashes and underscores.",
        )
    return text


Reference = Repository | TagReference | DigestReference


def parse_reference(text: str) -> Reference:
    """Return what `text` names: a digest reference if it has a digest, else a tag, else neither.

    Raises DocumentError for anything that is no image reference.
    """
    name, at, digest = text.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, ""
    repository = Repository.parse(head)
    tagged = TagReference(repository, tag) if tag or (colon and name.endswith(":")) else None
    if at:
        return DigestReference(repository, Digest.parse(digest))
    return tagged or repository
