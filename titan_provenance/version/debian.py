"""Debian and Ubuntu: `[epoch:]upstream[-revision]`.

Debian policy 5.6.12 and deb-version(7): epochs compare as numbers; upstream and revision each in
turns of what is not digits and what is. Digits compare as numbers. In the rest, `~` sorts before
the end, the end before letters, letters before all other signs. A missing number is 0, and so are
a missing epoch and revision.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from titan_provenance.version.errors import VersionError

if TYPE_CHECKING:
    from titan_provenance.version import Key

# dpkg warns of characters outside the policy but orders them; spaces and an epoch that is not a
# number it refuses.
_EPOCH = re.compile(r"[0-9]+")
_SIGNS = re.compile(r"[!-~]+")
_TURN = re.compile(r"([^0-9]*)([0-9]*)")
_END = "\x01"
_SORTED_AS = str.maketrans(
    {chr(sign): chr(sign + 0x80) for sign in range(0x21, 0x7F) if not chr(sign).isalpha()}
    | {"~": "\x00"}
)


def key(version: str) -> Key:
    """Return epoch, upstream and revision, ready to compare; raises VersionError."""
    text = version.strip()
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    if not (_EPOCH.fullmatch(epoch) and _SIGNS.fullmatch(rest)):
        raise VersionError(version, "Debian")
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return (int(epoch), _turns(upstream), _turns(revision))


def _turns(text: str) -> Key:
    """Return what is not digits and a number, in turns."""
    turns: list[str | int] = []
    for signs, digits in _TURN.findall(text or "0"):
        turns.append(signs.translate(_SORTED_AS) + _END if signs else _END)
        turns.append(int(digits or 0))
    return tuple(turns)
