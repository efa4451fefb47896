"""The source that a release is built from, as git tells it."""

from __future__ import annotations

import os
import re
import subprocess

from titan_provenance.errors import CouldNotCheckError, UsageError
from titan_provenance.model.names import parse_line
from titan_provenance.model.release import Source

_TIMEOUT = 60


def read_source(tree: str, *, uri: str | None, allow_dirty: bool) -> Source:
    """Return the commit checked out in `tree` and the URI it came from.

    Changes to tracked files make it dirty, as for `git describe --dirty`. Raises UsageError for a
    dirty tree unless allowed, and for a tree that is no git work tree or has no origin.
    """
    found = _run(tree, "rev-parse", "--is-inside-work-tree")
    if "dubious ownership" in found.stderr:
        raise UsageError(
            f"git reads nothing in {tree}: it belongs to another user",
            hint=f"git config --global --add safe.directory {os.path.abspath(tree)}",
        )
    if found.stdout.strip() != "true":
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
    status = _git(tree, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=none")
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
    """Return `uri` without what may be secret: CI checkouts carry tokens in their remotes.

    Over ssh the user says nothing and stays, a password does not; elsewhere the user may be the
    token. A query or fragment, which no repository needs, goes as well.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        user, at, place = uri.rpartition("@")
        return f"{user.partition(':')[0]}@{place}" if at else uri
    address = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = address.partition("/")
    user, at, host = authority.rpartition("@")
    if at and scheme.lower().endswith("ssh"):
        host = f"{user.partition(':')[0]}@{host}"
    return f"{scheme}://{host}{slash}{path}"


def _git(tree: str, *arguments: str) -> str | None:
    """Return what git prints, or None when it fails."""
    done = _run(tree, *arguments)
    return done.stdout.strip() if done.returncode == 0 else None


def _run(tree: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git, in English; no hook or monitor of the tree is run."""
    command = ["git", "-C", tree, "-c", "core.fsmonitor=false", "--no-optional-locks", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - a fixed program, no shell
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise CouldNotCheckError("git is not installed", hint="Or pass --no-source.") from error
    except subprocess.TimeoutExpired as error:
        raise CouldNotCheckError(f"git did not answer within {_TIMEOUT} s") from error
