"""Points in time as they are written in every document of the project: RFC 3339, UTC, seconds."""

from __future__ import annotations

from datetime import UTC, datetime

from titan_provenance.errors import DocumentError

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_LENGTH = 20


def parse_instant(text: str) -> datetime:
    """Return the time written `2026-11-23T07:00:00Z`; raises DocumentError for anything else."""
    try:
        moment = datetime.fromisoformat(text) if len(text) == _LENGTH else None
    except ValueError:
        moment = None
    if moment is None or format_instant(moment.replace(tzinfo=UTC)) != text:
        raise DocumentError(
            f'"{text[:40]}" is no time', hint="Write it in UTC, as 2026-11-23T07:00:00Z."
        )
    return moment


def format_instant(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with whole seconds."""
    return moment.astimezone(UTC).strftime(_FORM)


def read_foreign_instant(text: str) -> datetime:
    """Return the time in any ISO 8601 form, to the second, as documents of others write it.

    Without an offset it is UTC; what is no time is 1970-01-01T00:00:00Z.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return from_epoch(0)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)


def from_epoch(seconds: int) -> datetime:
    """Return the time `seconds` after 1970-01-01T00:00:00Z."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise DocumentError(f"{seconds} is no time in seconds since 1970") from error
