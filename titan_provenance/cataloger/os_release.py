"""os-release(5): which distribution an image is made of."""

from __future__ import annotations

import re

from titan_provenance.cataloger.interface import Cataloger, Distro, Found, ParseError

_ASSIGNMENT = re.compile(r"^[ \t]*([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MAX_VALUE = 512


def parse(path: str, data: bytes) -> Found:
    """Return the distribution that the file states; raises ParseError where it has no `ID`."""
    text = data.decode("utf-8", "replace")
    values = {name: _unquote(value) for name, value in _ASSIGNMENT.findall(text)}
    identity = values.get("ID", "").lower()
    if not _ID.fullmatch(identity):
        raise ParseError(f"{path}: states no ID of a distribution")
    return Found(
        distro=Distro(
            id=identity,
            version=values.get("VERSION_ID", ""),
            name=values.get("NAME", ""),
            pretty_name=values.get("PRETTY_NAME", ""),
            codename=values.get("VERSION_CODENAME", ""),
            like=values.get("ID_LIKE", ""),
            support_end=values.get("SUPPORT_END", ""),
            cpe=values.get("CPE_NAME", ""),
            homepage=values.get("HOME_URL", ""),
        )
    )


def _unquote(value: str) -> str:
    """Return a value as the shell would read it, without expanding anything."""
    value = value.strip()
    quote = value[:1]
    if quote in {'"', "'"} and value.endswith(quote) and len(value) > 1:
        value = value[1:-1]
    if quote != "'":
        value = _ESCAPE.sub(r"\1", value)
    return value[:_MAX_VALUE]


CATALOGER = Cataloger(
    name="os-release",
    version=1,
    pattern=r"(?:usr/lib|etc)/os-release",
    endings=("/os-release",),
    max_size=64 * 1024,
    parse=parse,
)
