"""The source that a release is built from, as git tells it."""

from __future__ import annotations

import subprocess
from urllib.parse import urlsplit, urlunsplit

from titan_provenance.errors import CouldNotCheckError, UsageError
from titan_provenance.model.names import parse_line
from titan_provenance.model.release import Source

_TIMEOUT = 60


def read_source(tree: str, *, uri: str | None, allow_dirty: bool) -> Source:
    """Return the commit checked out in `tree` and the URI it came from.

    Changes to tracked files make it dirty, as for `git describe --dirty`. Raises UsageError for a
    dirty tree unless allowed, and for a tree that is no git work tree or has no origin.
    """
    if _git(tree, "rev-parse", "--is-inside-work-tree") != "true":
        raise UsageError(
            f"{tree} is no git work tree, so the source of this release is unknown",
            hint="Build in the checkout, name it with --source-tree, or pass --no-source.",
        )
    commit = _git(tree, "rev-parse", "--verify", "HEAD^{commit}")
    if not commit:
        raise UsageError(f"{tree} has no commit yet")
    origin = uri or _git(tree, "config", "--get", "remote.origin.url")
    if not origin:
        raise UsageError(f"{tree} has no remote called origin", hint="Pass --source-uri URI.")
    status = _git(tree, "status", "--porcelain", "--untracked-files=no")
    if status is None:
        raise CouldNotCheckError(f"git status failed in {tree}")
    if status and not allow_dirty:
        changed = ", ".join(line[2:].strip() for line in status.splitlines()[:5])
        raise UsageError(
            f"{tree} has changes that are not committed: {changed}",
            hint="Commit them, or pass --allow-dirty (the manifest will say so).",
        )
    return Source(parse_line(without_credentials(origin)), commit, bool(status))


def without_credentials(uri: str) -> str:
    """Return `uri` without user and password: CI checkouts carry tokens in their remotes."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _git(tree: str, *arguments: str) -> str | None:
    """Return what git prints, or None when it fails; no hook or monitor of the tree is run."""
    command = ["git", "-C", tree, "-c", "core.fsmonitor=false", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError as error:
        raise CouldNotCheckError("git is not installed", hint="Or pass --no-source.") from error
    except subprocess.TimeoutExpired as error:
        raise CouldNotCheckError(f"git did not answer within {_TIMEOUT} s") from error
    return done.stdout.strip() if done.returncode == 0 else None
