"""Alpine, Wolfi and all that apk installs: `1.2.3b_rc1_git20240101~c0ffee-r4`.

apk-package(5) and apk-tools `src/version.c` (3.0), which follow Gentoo: numbers, one letter,
suffixes with or without a number, a commit, the revision of the build. The first token that
differs decides. Where one version goes on and the other ends, the longer is newer, except that a
suffix of a pre-release makes it older. Of two different kinds of token, that which stands earlier
in the pattern is newer. A number after the first that starts with 0 compares as text, as in a
decimal fraction: 1.05 < 1.1.

apk calls everything else invalid and stops comparing there; here, too, an unreadable tail sorts
below the end and two of them are equal, and a revision before such a tail does not count. Beyond
apk, a number may be missing between dots and digits may follow the letter (`6.6.2p1`), since
packages with such versions exist.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from titan_provenance.version import Key

_VERSION = re.compile(
    r"([0-9.]*)"
    r"(?:([a-z])([0-9]*))?"
    r"((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)"
    r"(?:~([0-9a-f]+))?"
    r"(-r[0-9]*)?"
    r"(?s:(.*))"
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")

# What kind of token is newer than which other, at the same place.
_PRE_RELEASE, _UNREADABLE, _MISSING, _END, _REVISION, _COMMIT = range(6)
_SUFFIX_NUMBER, _POST_RELEASE, _LETTER, _FRACTION, _NUMBER = range(6, 11)

_SUFFIXES = {
    name: (_PRE_RELEASE if index < 0 else _POST_RELEASE, index)
    for index, name in enumerate(
        ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"], start=-4
    )
}


def key(version: str) -> Key:
    """Return kind and value of each token in turn, then the end; any text has a key."""
    # Every part of the pattern may be empty and the last takes the rest: it reads any text.
    numbers, letter, digits, suffixes, commit, revision, tail = _VERSION.findall(version)[0]
    tokens = _numbers(numbers) if numbers else []
    if letter:
        tokens += (_LETTER, letter)
    if digits:
        tokens += (_NUMBER, int(digits))
    if suffixes:
        tokens += _suffixes(suffixes)
    if commit:
        tokens += (_COMMIT, commit)
    if tail:
        return (*tokens, _UNREADABLE)
    if revision:
        tokens += (_REVISION, int(revision.removeprefix("-r") or 0))
    return (*tokens, _END)


def _numbers(text: str) -> list[int | str]:
    first, *others = text.split(".")
    tokens: list[int | str] = [_NUMBER, int(first)] if first else [_MISSING]
    for digits in others:
        if not digits:
            tokens.append(_MISSING)
        elif digits[0] == "0":
            tokens += (_FRACTION, digits)
        else:
            tokens += (_NUMBER, int(digits))
    return tokens


def _suffixes(text: str) -> list[int | str]:
    tokens: list[int | str] = []
    for name, digits in _SUFFIX.findall(text):
        tokens += _SUFFIXES[name]
        if digits:
            tokens += (_SUFFIX_NUMBER, int(digits))
    return tokens
