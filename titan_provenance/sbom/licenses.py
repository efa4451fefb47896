"""Licences as packages declare them → SPDX expressions.

What is a valid expression stays one; common names of licences become their identifiers; everything
else becomes a `LicenseRef-` that a document can explain. Nothing is guessed from similarity.

Source: SPDX specification 2.3, annex D; identifiers by the license-expression library.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
_NOT_IN_REFERENCE = re.compile(r"[^A-Za-z0-9.-]+")
_MAX_TEXT = 400
_NOTHING = frozenset({"", "none", "unknown", "noassertion", "n/a"})

# Names that package metadata uses and SPDX does not; lower case, without "the" and "license".
_COMMON = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache software": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "expat": "MIT",
    "mit/x11": "MIT",
    "gpl-1": "GPL-1.0-only",
    "gpl-1+": "GPL-1.0-or-later",
    "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only",
    "gpl-3+": "GPL-3.0-or-later",
    "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only",
    "lgpl-3+": "LGPL-3.0-or-later",
    "gfdl-1.2": "GFDL-1.2-only",
    "gfdl-1.2+": "GFDL-1.2-or-later",
    "gfdl-1.3": "GFDL-1.3-only",
    "gfdl-1.3+": "GFDL-1.3-or-later",
    "mpl 2.0": "MPL-2.0",
    "mozilla public 2.0": "MPL-2.0",
    "mozilla public 2.0 (mpl 2.0)": "MPL-2.0",
    "psf": "PSF-2.0",
    "python software foundation": "PSF-2.0",
    "public domain": "LicenseRef-public-domain",
    "public-domain": "LicenseRef-public-domain",
    "zlib/libpng": "Zlib",
    "isc (iscl)": "ISC",
}
_FILLER = re.compile(r"\b(?:the|licen[cs]e|version)\b|,", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def spdx_expression(declared: Iterable[str]) -> str:
    """Return one SPDX expression for all licences that a package declares, joined by AND.

    Empty when it declares none. Sorted and without repetition, so that the same declarations give
    the same text.
    """
    parts = sorted({part for text in declared for part in conjuncts(_normalized(text))})
    if len(parts) <= 1:
        return parts[0] if parts else ""
    return " AND ".join(f"({part})" if " OR " in part else part for part in parts)


@lru_cache(maxsize=4096)
def conjuncts(expression: str) -> tuple[str, ...]:
    """Return the parts of an SPDX expression that all apply: what AND joins at the top."""
    if " AND " not in expression:
        return (expression,) if expression else ()
    licensing = _licensing()
    parsed = licensing.parse(expression)
    return tuple(map(str, parsed.args)) if isinstance(parsed, licensing.AND) else (expression,)


def license_references(expressions: Iterable[str]) -> list[str]:
    """Return the `LicenseRef-` identifiers in `expressions`, each once, sorted."""
    return sorted({ref for text in expressions for ref in _REFERENCE.findall(text)})


@lru_cache(maxsize=4096)
def _normalized(text: str) -> str:
    """Return the SPDX expression of one declaration."""
    text = _SPACES.sub(" ", text[:_MAX_TEXT]).strip()
    if text.lower() in _NOTHING:
        return ""
    if _REFERENCE.fullmatch(text):
        return text
    if expression := _parsed(text):
        return expression
    plain = _SPACES.sub(" ", _FILLER.sub(" ", text)).strip(" .").lower()
    if plain in _COMMON:
        return _COMMON[plain]
    words = [_COMMON.get(word.lower(), word) for word in text.split()]
    if expression := _parsed(plain) or _parsed(" ".join(words)):
        return expression
    slug = _NOT_IN_REFERENCE.sub("-", text).strip("-.")[:100]
    return f"LicenseRef-{slug}" if slug else ""


def _parsed(text: str) -> str:
    """Return `text` in SPDX's own spelling when it is a valid expression, else nothing."""
    licensing = _licensing()
    try:
        expression = licensing.parse(text)
        unknown = licensing.unknown_license_keys(expression)
    except Exception:  # noqa: BLE001 - the library raises several kinds, some without a common root
        return ""
    if expression is None or not all(map(_REFERENCE.fullmatch, unknown)):
        return ""
    return str(expression)


@lru_cache(maxsize=1)
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
