"""SOURCE_DATE_EPOCH: the time that reproducible outputs carry (reproducible-builds.org)."""

from __future__ import annotations

import os

from titan_provenance.errors import UsageError

VARIABLE = "SOURCE_DATE_EPOCH"


def source_date_epoch() -> int | None:
    """Return the seconds since 1970 that the environment asks for, None when it does not.

    Raises UsageError when it is no number.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f'{VARIABLE} is "{text[:40]}", not a number of seconds')
    return int(text)
