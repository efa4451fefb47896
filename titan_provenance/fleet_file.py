"""Finding and reading the fleet file."""

from __future__ import annotations

import os

from titan_provenance.errors import UsageError
from titan_provenance.files import read_bounded
from titan_provenance.model.fleet import Fleet, parse_fleet

FILE_NAME = "titan-provenance.yaml"
_LIMIT = 1 << 20


def find_fleet(start: str) -> str | None:
    """Return the path of the fleet file in the directory `start` or the nearest one above it.

    The name decides: one that cannot be read is found all the same, so that reading it says why
    instead of another file being used in its place.
    """
    directory = os.path.abspath(start)
    while True:
        path = os.path.join(directory, FILE_NAME)
        if os.path.lexists(path):
            return path
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def require_fleet(explicit: str | None) -> Fleet:
    """Return the fleet file `explicit`, else the nearest above the working directory.

    Raises UsageError when there is none.
    """
    path = explicit or find_fleet(os.getcwd())
    if path is None:
        raise UsageError("no fleet file", hint="Write one with titan-provenance init, or --fleet F")
    return load_fleet(path)


def load_fleet(path: str) -> Fleet:
    """Return the fleet of the file `path`; raises UnreadableError or DocumentError."""
    return parse_fleet(read_bounded(path, _LIMIT), path)
