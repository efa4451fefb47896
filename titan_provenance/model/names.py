"""The forms that names, versions, platforms and paths may have wherever they come from outside.

They are narrow on purpose: each of them ends up in a file name, a terminal or a compose file.
"""

from __future__ import annotations

from titan_provenance.errors import DocumentError

_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_IN_NAME = _ALPHANUMERIC | set("._-")
_IN_VERSION = _IN_NAME | {"+"}
_MAX_NAME = 63
_MAX_VERSION = 128
_MAX_PATH = 1024


def parse_name(text: str) -> str:
    """Return the name of a service, signer, role or release; raises DocumentError."""
    if not _consists_of(text, _IN_NAME, _MAX_NAME):
        raise DocumentError(
            f"{text[:100]!r} is no name",
            hint="A name starts with a letter or digit and has at most 63 letters, digits, . _ -",
        )
    return text


def parse_version(text: str) -> str:
    """Return the version of a release; raises DocumentError."""
    if not _consists_of(text, _IN_VERSION, _MAX_VERSION):
        raise DocumentError(
            f"{text[:100]!r} is no version",
            hint="A version starts with a letter or digit and has letters, digits, . _ + - only.",
        )
    return text


def parse_platform(text: str) -> str:
    """Return a platform `os/architecture[/variant]`; raises DocumentError."""
    parts = text.split("/")
    if (
        len(parts) not in {2, 3}
        or text != text.lower()
        or not all(_consists_of(part, _IN_NAME, _MAX_NAME) for part in parts)
    ):
        raise DocumentError(
            f"{text[:100]!r} is no platform", hint="Write it as linux/amd64 or linux/arm64/v8."
        )
    return text


def parse_relative_path(text: str) -> str:
    """Return a path below a directory, with `/` between its parts; raises DocumentError.

    No absolute path, no `.` or `..` part, no backslash, no control character: the path cannot leave
    the directory that it is joined to, and prints as it is.
    """
    parts = text.split("/")
    if (
        len(text) > _MAX_PATH
        or "\\" in text
        or not text.isprintable()
        or any(part in {"", ".", ".."} for part in parts)
    ):
        raise DocumentError(
            f"{text[:100]!r} is no path below the directory",
            hint="Write a relative path with forward slashes and without . or .. parts.",
        )
    return text


def parse_line(text: str) -> str:
    """Return one printable line of text of at most 1024 characters; raises DocumentError."""
    if len(text) > _MAX_PATH or not text.isprintable():
        raise DocumentError(f"{text[:40]!r} is not one line of printable text")
    return text


def _consists_of(text: str, characters: frozenset[str], longest: int) -> bool:
    """Say whether `text` has these characters only and starts with a letter or digit."""
    return 0 < len(text) <= longest and text[0] in _ALPHANUMERIC and characters.issuperset(text)
