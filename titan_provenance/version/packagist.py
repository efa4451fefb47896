"""Packagist: versions as Composer compares them.

composer/semver VersionParser (`v` and case do not count, missing numbers are 0, `1.x-dev` is the
newest of branch 1), then PHP's version_compare: parts end at `.`, `-`, `_`, `+` and where digits
begin or end; in turn, other words < `dev` < `alpha`, `a` < `beta`, `b` < `rc` < the end < a number
< `pl`, `p`, and of a word only its start counts. Branches like `dev-main` sort below all numbers.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from titan_provenance.version import Key

# PHP itself writes "#" where any number may stand; in a version it means nothing.
_PART = re.compile(r"[0-9]+|[^0-9.+_#-]+")
_UNKNOWN, _DEV, _ALPHA, _BETA, _CANDIDATE, _END, _NUMBER, _PATCH = range(8)
_STARTS = (
    ("dev", _DEV),
    ("a", _ALPHA),
    ("b", _BETA),
    ("rc", _CANDIDATE),
    ("p", _PATCH),
)
_NEWEST = "9999999"


def key(version: str) -> Key:
    """Return the numbers, then what follows part by part, then the end; any text has a key."""
    parts = [
        _NEWEST if part == "x" else part
        for part in _PART.findall(version.lower().removeprefix("v"))
    ]
    numbers = [int(part) for part in takewhile(_is_number, parts)]
    suffix: list[int] = []
    for part in parts[len(numbers) :]:
        if _is_number(part):
            suffix += (_NUMBER, int(part))
        else:
            suffix.append(_kind(part))
    while numbers and not numbers[-1]:
        numbers.pop()
    return (tuple(numbers), *suffix, _END)


def _is_number(part: str) -> bool:
    return "0" <= part[0] <= "9"


def _kind(word: str) -> int:
    return next((kind for start, kind in _STARTS if word.startswith(start)), _UNKNOWN)
