"""Installed Ruby gems: the `*.gemspec` that RubyGems writes into `specifications/`.

A gemspec is a Ruby program. Nothing is executed: RubyGems writes installed ones in one fixed form
(`Gem::Specification#to_ruby`), an assignment of literals to each line, and only that is read.
"""

from __future__ import annotations

import re

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.text import decode, is_name, line, unique
from titan_provenance.model.package import Package

_NAME = "gem"
_LITERAL = re.compile(r"\"((?:[^\"\\\n]|\\.){0,500})\"|'([^'\n]{0,500})'|%q<([^>\n]{0,500})>")
_ASSIGNED = re.compile(
    r"^[ \t]*\w+\.(name|version|licenses?|homepage|summary|authors?|platform)[ \t]*=[ \t]*(.*)$",
    re.MULTILINE,
)
_DEPENDENCY = re.compile(r"^[ \t]*\w+\.add_(?:runtime_)?dependency[ \t(]+(.*)$", re.MULTILINE)


def parse(path: str, data: bytes) -> Found:
    """Return the gem; raises ParseError where name and version are no literals."""
    text = decode(data)
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in _ASSIGNED.findall(text):
        fields.setdefault(name, _literals(value))
    name, version = _first(fields, "name"), _first(fields, "version")
    if not is_name(name) or not is_name(version):
        raise ParseError(f"{path}: states no name and version as RubyGems writes them")
    needs = [_literals(value)[:1] for value in _DEPENDENCY.findall(text)]
    platform = _first(fields, "platform")
    package = Package(
        type="gem",
        name=name,
        version=version,
        qualifiers=(("platform", platform),) if platform not in {"", "ruby"} else (),
        locations=(path,),
        cataloger=_NAME,
        licenses=unique([*fields.get("licenses", ()), *fields.get("license", ())]),
        author=", ".join(fields.get("authors", fields.get("author", ())))[:500],
        homepage=_first(fields, "homepage"),
        description=_first(fields, "summary"),
        depends=unique([need[0] for need in needs if need]),
    )
    return Found(packages=(package,))


def _literals(text: str) -> tuple[str, ...]:
    return tuple(line(match[1] or match[2] or match[3]) for match in _LITERAL.finditer(text))


def _first(fields: dict[str, tuple[str, ...]], name: str) -> str:
    return (fields.get(name) or ("",))[0]


CATALOGER = Cataloger(
    name=_NAME,
    version=1,
    pattern=r"(?:[^/]+/)*specifications/(?:[^/]+/)*[^/]+\.gemspec",
    endings=(".gemspec",),
    max_size=1024 * 1024,
    parse=parse,
)
