"""RubyGems: digits and words between dots.

Gem::Version (rubygems lib/rubygems/version.rb): segments compare in turn, numbers as numbers, words
as ASCII text, any word below any number; a missing segment is 0, hence a word makes a pre-release.
`-` stands for `.pre.`. Zeros before the first word, and at the end of all, do not count. More is
read than Gem::Version allows: a word right after the first digits (`1beta`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.version.errors import VersionError

if TYPE_CHECKING:
    from titan_provenance.version import Key

_VERSION = re.compile(r"[0-9][0-9A-Za-z]*(?:[.-][0-9A-Za-z]+)*")
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+")

_Segment = tuple[int, int] | tuple[int, str]

_WORD, _ZERO_BEFORE_WORD, _END, _NUMBER = range(4)


def key(version: str) -> Key:
    """Return kind and value of each segment in turn, then the end; raises VersionError."""
    text = version.strip() or "0"
    if not _VERSION.fullmatch(text):
        raise VersionError(version, "RubyGems")
    segments: list[int | str] = [
        int(segment) if segment.isdigit() else segment
        for segment in _SEGMENT.findall(text.replace("-", ".pre."))
    ]
    words = (index for index, segment in enumerate(segments) if isinstance(segment, str))
    first_word = next(words, len(segments))
    numbers, rest = segments[:first_word], segments[first_word:]
    return (*_ranked(numbers), *_ranked(rest), (_END, 0))


def _ranked(segments: list[int | str]) -> list[_Segment]:
    """Say of each segment what it is, without the zeros at the end.

    A 0 equals the end, so that what follows it decides: zeros before a word sort below the end.
    """
    ranked: list[_Segment] = []
    zero: _Segment | None = None
    for segment in reversed(segments):
        if isinstance(segment, str):
            ranked.append((_WORD, segment))
            zero = (_ZERO_BEFORE_WORD, 0)
        elif segment:
            ranked.append((_NUMBER, segment))
            zero = (_NUMBER, 0)
        elif zero:
            ranked.append(zero)
    return ranked[::-1]
