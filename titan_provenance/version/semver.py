"""npm, crates.io and what else follows Semantic Versioning 2.0.

SemVer 11: numbers compare in turn; a pre-release is older than its release; its identifiers compare
in turn, digits as numbers and below words, words as ASCII text, more identifiers above fewer;
build metadata does not count. More is read than SemVer allows, as npm, Go and OSV do: a leading
`v` or `=`, leading zeros, one number or many (a missing one is 0), a pre-release without its dash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.version.errors import VersionError

if TYPE_CHECKING:
    from titan_provenance.version import Key

_VERSION = re.compile(
    r"[=vV]*([0-9]+(?:\.[0-9]+)*)"
    r"(?:(?:-|(?=[A-Za-z]))([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+([0-9A-Za-z.-]*))?"
)
_RELEASE = ((2,),)  # above any identifier


def key(version: str) -> Key:
    """Return the numbers and the pre-release, ready to compare; raises VersionError."""
    return read(version, "semantic versioning")[:2]


def read(version: str, rules: str) -> tuple[Key, Key, Key]:
    """Return numbers, pre-release and build metadata, for `rules` that differ in the last."""
    match = _VERSION.fullmatch(version.strip())
    if not match:
        raise VersionError(version, rules)
    numbers, pre_release, build = match.groups()
    return (
        _numbers(numbers),
        _identifiers(pre_release) if pre_release else _RELEASE,
        _identifiers(build) if build else (),
    )


def _numbers(text: str) -> Key:
    """Return the numbers without the zeros at the end: those that are missing count as 0."""
    numbers = [int(digits) for digits in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _identifiers(text: str) -> Key:
    return tuple(
        (0, int(identifier)) if identifier.isdigit() else (1, identifier)
        for identifier in text.split(".")
    )
