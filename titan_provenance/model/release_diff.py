"""What is different between two releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from titan_provenance.model.release import Release, ReleasedService


@dataclass(frozen=True, slots=True)
class Change:
    """One service or file that differs; `before` and `after` are None where it is not."""

    kind: Literal["service", "file"]
    name: str
    before: str | None
    after: str | None

    @property
    def what(self) -> Literal["added", "removed", "changed"]:
        """Say which of the three it is."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


def compare(before: Release, after: Release) -> list[Change]:
    """Return the services (image or compose name) and files that differ, services first."""
    services = _compare("service", _services(before), _services(after))
    files = _compare("file", _files(before), _files(after))
    return services + files


def _services(release: Release) -> dict[str, str]:
    return {service.name: _identity(service) for service in release.services}


def _identity(service: ReleasedService) -> str:
    name = "" if service.compose == service.name else f" as {service.compose}"
    return f"{service.image}{name}"


def _files(release: Release) -> dict[str, str]:
    return {path: str(digest) for path, digest in release.files.digests}


def _compare(
    kind: Literal["service", "file"], before: Mapping[str, str], after: Mapping[str, str]
) -> list[Change]:
    return [
        Change(kind, name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
