"""The files that go to the host beside the images: found by pattern, bound by digest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from titan_provenance.errors import UnreadableError, UsageError, VerificationError
from titan_provenance.files import is_inside, read_bounded
from titan_provenance.model.digest import Digest
from titan_provenance.model.names import parse_relative_path
from titan_provenance.model.release import MAX_FILES, BoundFiles

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BOUND_FILE = 64 << 20


def bind_files(directory: str, patterns: Iterable[str]) -> BoundFiles:
    """Return the digests of all files below `directory` that match one of `patterns`.

    Raises UsageError for a pattern that matches nothing: a file that was renamed must not quietly
    leave the release.
    """
    kept = tuple(sorted(set(patterns)))
    paths: set[str] = set()
    for pattern in kept:
        matches = _matches(directory, pattern)
        if not matches:
            raise UsageError(
                f'files: "{pattern}" matches nothing in {directory}',
                hint="Correct the pattern in the fleet file, or remove it.",
            )
        paths |= matches
    if len(paths) > MAX_FILES:
        raise UsageError(f"files: {len(paths)} files match, more than the limit of {MAX_FILES}")
    return BoundFiles(kept, tuple((path, _digest(directory, path)) for path in sorted(paths)))


def check_files(files: BoundFiles, directory: str) -> tuple[bool, str]:
    """8. Each bound file is in `directory` as it was released, and no other matches the patterns.

    Raises VerificationError naming every file that is changed, missing or extra.
    """
    problems: list[str] = []
    for path, digest in files.digests:
        if not os.path.lexists(os.path.join(directory, path)):
            problems.append(f"{path} is missing")
        elif _digest(directory, path) != digest:
            problems.append(f"{path} is changed")
    bound = {path for path, _ in files.digests}
    found = set[str]().union(*(_matches(directory, pattern) for pattern in files.patterns))
    problems += [f"{path} is not part of the release" for path in sorted(found - bound)]
    if problems:
        shown = "; ".join(problems[:10]) + ("; …" if len(problems) > 10 else "")  # noqa: PLR2004
        raise VerificationError(
            shown, hint=f"Put the files of this release into {directory}, and only those."
        )
    return True, f"{len(files.digests)} files in {directory} as released"


def _matches(directory: str, pattern: str) -> set[str]:
    from glob import iglob

    # Patterns have * and ? only: a bracket is one that stands in the name.
    found = iglob(pattern.replace("[", "[[]"), root_dir=directory, recursive=True)
    return {
        parse_relative_path(path)
        for path in found
        if not os.path.isdir(os.path.join(directory, path))
    }


def _digest(directory: str, path: str) -> Digest:
    full = os.path.join(directory, path)
    if not is_inside(full, directory):
        raise UnreadableError(f"{full}: leads out of {directory} by a symbolic link")
    data = read_bounded(full, MAX_BOUND_FILE)
    return Digest.of(data)
