"""Reading text that others wrote, as leniently as their own tools do, and within bounds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from titan_provenance.cataloger.interface import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from titan_provenance.model.package import Package

MAX_LINE = 500
MAX_NAME = 256
MAX_PATH = 4096
MAX_PACKAGES = 150_000
MAX_PROBLEMS = 20
_MAX_JSON_VALUES = 1_000_000
_MAX_NAMES = 1_000_000

_GAP = re.compile(r"\n{2,}")
# Surrogates appear when JSON spells half a pair; no document could be written with them.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def decode(data: bytes) -> str:
    """Return the UTF-8 text, what is no UTF-8 replaced, without a byte order mark."""
    return data.decode("utf-8", "replace").removeprefix("\ufeff")


def line(value: Any) -> str:
    """Return text as one trimmed line of at most 500 characters; other values as nothing."""
    if not isinstance(value, str):
        return ""
    return _UNPRINTABLE.sub(" ", value[:MAX_LINE]).strip()


def is_name(text: Any) -> bool:
    """Say whether this may name a package or a version: short, no space, nothing unprintable."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_NAME
        and text.isprintable()
        and " " not in text
    )


def load(path: str, data: bytes) -> Any:
    """Return the JSON value of a file; duplicate keys are allowed, the last one counts.

    That is how npm, Composer and .NET read their own files, and what they would run is what is
    installed. Raises ParseError for what is no JSON and for more than a million values.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) > _MAX_JSON_VALUES:
        raise ParseError(f"{path}: more than {_MAX_JSON_VALUES} values")
    try:
        return json.loads(decode(data))
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{path}: not JSON: {line(str(error))}") from error


def load_mapping(path: str, data: bytes) -> dict[str, Any]:
    """Return the JSON object of a file; raises ParseError for anything else."""
    value = load(path, data)
    if not isinstance(value, dict):
        raise ParseError(f"{path}: not a JSON object")
    return value


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping, an empty one instead of anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list, an empty one instead of anything else."""
    return value if isinstance(value, list) else []


def unique(texts: list[str]) -> tuple[str, ...]:
    """Return the texts without empty ones and repetitions, in their order."""
    return tuple(dict.fromkeys(filter(None, texts)))


def paragraphs(text: str) -> Iterator[str]:
    """Return the paragraphs of a text, which empty lines end, one after the other."""
    start = 0
    for gap in _GAP.finditer(text):
        if gap.start() > start:
            yield text[start : gap.start()]
        start = gap.end()
    if start < len(text):
        yield text[start:]


class NameBudget:
    """Holds the names that the packages of one file depend on and provide to a number in all."""

    def __init__(self) -> None:
        self._left = _MAX_NAMES

    def keep(self, package: Package) -> Package:
        """Return the package, without these names when there are too many."""
        self._left -= len(package.depends) + len(package.provides)
        return package if self._left >= 0 else package._replace(depends=(), provides=())

    def problems(self, path: str) -> list[str]:
        """Say whether names were left out."""
        return [f"{path}: more than {_MAX_NAMES} dependencies"] if self._left < 0 else []


def limited(problems: list[str]) -> tuple[str, ...]:
    """Return the first problems and how many more there are: a hostile file has millions."""
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    return (*problems[:MAX_PROBLEMS], f"and {len(problems) - MAX_PROBLEMS} more")
