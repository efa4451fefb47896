"""The host's record of the releases it accepted: what rollback protection compares with.

One JSON file, written whole and fsynced while a lock beside it is held, so that two verifications
at once cannot both accept, and a crash leaves the old record or the new.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from titan_provenance.attest.verify import AcceptedRelease, VerifiedRelease, check_freshness
from titan_provenance.document import Node, dump_json, parse_json
from titan_provenance.errors import CouldNotCheckError, DocumentError, UnreadableError, UsageError
from titan_provenance.files import read_bounded, write_atomic
from titan_provenance.model.digest import Digest
from titan_provenance.model.names import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_LIMIT = 4 << 20
_KEPT = 100
_LOCK_SECONDS = 10.0
_LOCK_PAUSE = 0.05


def default_state_path() -> str:
    """Return where the record lies unless --state says otherwise.

    Raises UsageError for a user without home: a record in whatever directory is the working one
    would be another one next time.
    """
    if os.geteuid() == 0:
        return "/var/lib/titan-provenance/releases.json"
    from platformdirs import user_state_dir

    directory = user_state_dir("titan-provenance")
    if not os.path.isabs(directory):
        raise UsageError(
            "this user has no home directory for the record of accepted releases",
            hint="Name the record with --state F.",
        )
    return os.path.join(directory, "releases.json")


def read_state(path: str, name: str) -> tuple[AcceptedRelease, ...]:
    """Return the accepted releases called `name`; none when there is no record yet.

    Raises CouldNotCheckError when the record is there and cannot be read: without it an old release
    could pass as a new one.
    """
    return tuple(_read(path).get(name, ()))


def record_release(
    path: str, verified: VerifiedRelease, now: datetime, rollback_to: str | None
) -> tuple[bool, str]:
    """Add a verified release to the record and return what the freshness check says of it.

    The order is compared once more under the lock. Raises VerificationError when another
    verification has accepted a newer release meanwhile, CouldNotCheckError when the record cannot
    be locked or written.
    """
    directory = os.path.dirname(path) or "."
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
    except OSError as error:
        raise UnreadableError(f"{directory}: cannot be made: {error.strerror}") from error
    name = verified.release.name
    with _locked(path):
        releases = _read(path)
        accepted = releases.get(name, [])
        outcome = check_freshness(verified, now, accepted, rollback_to)
        release = verified.release
        entry = AcceptedRelease(
            release.version, release.sequence, verified.digest, verified.trust_version
        )
        if entry not in accepted:
            others = [known for known in accepted if not verified.is_same(known)]
            accepted = sorted([*others, entry], key=lambda known: known.sequence)
            _write(path, {**releases, name: accepted[-_KEPT:]})
    return outcome


def _read(path: str) -> dict[str, list[AcceptedRelease]]:
    if not os.path.lexists(path):
        return {}
    try:
        root = parse_json(read_bounded(path, _LIMIT), path)
        keys = root.mapping(("kind", "schemaVersion", "releases"), required=("releases",))
        return {
            name: [_parse_entry(entry) for entry in entries.items()]
            for name, entries in keys["releases"].mapping().items()
        }
    except DocumentError as error:
        raise CouldNotCheckError(
            f"the record of accepted releases is damaged: {error.message}",
            hint="Restore it from a backup, or remove it and accept the next release as the first.",
        ) from error


def _parse_entry(node: Node) -> AcceptedRelease:
    names = ("version", "sequence", "digest", "trustVersion")
    keys = node.mapping(names, required=names)
    return AcceptedRelease(
        keys["version"].parsed(parse_version),
        keys["sequence"].integer(minimum=1),
        keys["digest"].parsed(Digest.parse),
        keys["trustVersion"].integer(minimum=1),
    )


def _write(path: str, releases: dict[str, list[AcceptedRelease]]) -> None:
    document: dict[str, Any] = {
        "kind": "AcceptedReleases",
        "schemaVersion": 1,
        "releases": {
            name: [
                {
                    "version": entry.version,
                    "sequence": entry.sequence,
                    "digest": str(entry.digest),
                    "trustVersion": entry.trust_version,
                }
                for entry in entries
            ]
            for name, entries in releases.items()
        },
    }
    write_atomic(path, dump_json(document))


@contextmanager
def _locked(path: str) -> Iterator[None]:
    lock = path + ".lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise UnreadableError(f"{lock}: cannot be opened: {error.strerror}") from error
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise CouldNotCheckError(
                    f"another verification holds {lock}", hint="Try again when it has ended."
                )
            time.sleep(_LOCK_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
