"""Red Hat, SUSE and all that rpm installs: `[epoch:]version[-release]`.

rpm-version(7) and rpm `rpmio/rpmvercmp.c`: each of the three compares by its runs of digits and of
letters; everything else only separates. Digits compare as numbers and above letters, letters as
ASCII text. `~` sorts below the end, `^` above the end and below all else. A missing epoch is 0; a
version without a release sorts below the same with one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from titan_provenance.version import Key

_EPOCH = re.compile(r"([0-9]*):")
_RUN = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_TILDE, _END, _CARET, _LETTERS, _DIGITS = range(5)


def key(version: str) -> Key:
    """Return epoch, version and release, ready to compare; any text has a key."""
    match = _EPOCH.match(version)
    epoch = match[1] if match else ""
    rest = version[match.end() :] if match else version
    name, dash, release = rest.rpartition("-")
    if not dash:
        return (int(epoch or 0), _runs(rest), ())
    return (int(epoch or 0), _runs(name), _runs(release))


def _runs(text: str) -> Key:
    """Return kind and value of each run in turn, then the end."""
    runs: list[int | str] = []
    for run in _RUN.findall(text):
        if run == "~":
            runs.append(_TILDE)
        elif run == "^":
            runs.append(_CARET)
        elif run.isdigit():
            runs += (_DIGITS, int(run))
        else:
            runs += (_LETTERS, run)
    return (*runs, _END)
