"""The one error of this package."""

from __future__ import annotations

from titan_provenance.errors import DocumentError

_MAX_QUOTE = 100


class VersionError(DocumentError):
    """A version that the rules of its ecosystem cannot read: it has no place in the order."""

    code = "version"

    def __init__(self, version: str, rules: str) -> None:
        super().__init__(f'"{version[:_MAX_QUOTE]}" is no version by the rules of {rules}')
