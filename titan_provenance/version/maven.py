"""Maven: numbers and words between dots, dashes and every change from digits to letters.

maven.apache.org/pom.html#version-order-specification, with the words of ComparableVersion: `alpha`
< `beta` < `milestone` < `rc` < `snapshot` < the release itself < `sp` < other words in their
alphabetical order < a number after a dash < a number after a dot. Case does not count; `a`, `b` and
`m` before a digit are short for the first three, `cr` is `rc`. Zeros and words for the release
(`ga`, `final`, `release`) count for nothing at the end and before a dash or a word.

ComparableVersion itself is not transitive where a word stands between dots (1 < 1.x.x < 1-alpha <
1 in Maven 3.8.7); the specification, which treats `.x` as `-x`, is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from titan_provenance.version import Key

_PART = re.compile(r"(^|[.-])([^.-]*)")
_PIECE = re.compile(r"[0-9]+|[^0-9]+")

_Token = tuple[int, int] | tuple[int, str]

_PRE_RELEASE, _RELEASE, _WORD, _DASH_NUMBER, _DOT_NUMBER = range(5)
_PRE_RELEASES: dict[str, _Token] = {
    word: (_PRE_RELEASE, index)
    for index, word in enumerate(["alpha", "beta", "milestone", "rc", "snapshot"])
}
_WORDS: dict[str, _Token] = {
    **_PRE_RELEASES,
    "cr": _PRE_RELEASES["rc"],
    "ga": (_RELEASE, 0),
    "final": (_RELEASE, 0),
    "release": (_RELEASE, 0),
    "sp": (_WORD, ""),
}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
_COUNTS_FOR_NOTHING = {(_RELEASE, 0), (_DASH_NUMBER, 0), (_DOT_NUMBER, 0)}


def key(version: str) -> Key:
    """Return kind and value of each token in turn, then the release itself; any text has a key."""
    tokens: list[_Token] = []
    for separator, part in _PART.findall(version.lower()):
        kind = _DASH_NUMBER if separator == "-" else _DOT_NUMBER
        for token in _tokens(part, kind):
            if token[0] != _DOT_NUMBER:
                _trim(tokens)
            tokens.append(token)
    _trim(tokens)
    return (*tokens, (_RELEASE, 0))


def _tokens(part: str, kind: int) -> list[_Token]:
    """Return the tokens of what stands between two separators; its first number is of `kind`."""
    tokens: list[_Token] = []
    pieces = _PIECE.findall(part) or ["0"]
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
        if "0" <= piece[0] <= "9":
            tokens.append((_DASH_NUMBER if tokens else kind, int(piece)))
        else:
            word = _SHORT.get(piece, piece) if following else piece
            tokens.append(_WORDS.get(word, (_WORD, word)))
    return tokens


def _trim(tokens: list[_Token]) -> None:
    while tokens and tokens[-1] in _COUNTS_FOR_NOTHING:
        tokens.pop()
