"""The rpm database as SQLite, `rpmdb.sqlite`: table `Packages` (rpm, `lib/backend/sqlite.c`)."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.rpm_header import HOME, MAX_BLOB, MAX_SIZE, NAME, read_headers
from titan_provenance.cataloger.text import line

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"SQLite format 3\0"
_HEAD = 100
_STEPS, _MAX_CALLS = 100_000, 1_000


def parse(path: str, data: bytes) -> Found:
    """Return the packages; raises ParseError where none can be read."""
    if not data.startswith(_MAGIC) or len(data) < _HEAD:
        raise ParseError(f"{path}: no SQLite database")
    return read_headers(path, _blobs(path, data))


def _blobs(path: str, data: bytes) -> Iterator[bytes]:
    connection = sqlite3.connect(":memory:")
    calls = iter(range(_MAX_CALLS))
    try:
        # A database from an image may have a view in place of the table, one that never ends.
        connection.set_progress_handler(lambda: next(calls, None) is None, _STEPS)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB)
        # Bytes 18 and 19 say that a write-ahead log lies beside it; in memory there is none.
        connection.deserialize(data[:18] + b"\x01\x01" + data[20:])
        connection.execute("PRAGMA trusted_schema = OFF")
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            yield blob if isinstance(blob, bytes) else b""
    except (sqlite3.Error, UnicodeError) as error:
        raise ParseError(f"{path}: {line(str(error))}") from error
    finally:
        connection.close()


CATALOGER = Cataloger(
    name=NAME,
    version=1,
    pattern=rf"{HOME}/rpmdb\.sqlite",
    endings=("rpm/rpmdb.sqlite",),
    max_size=MAX_SIZE,
    parse=parse,
)
