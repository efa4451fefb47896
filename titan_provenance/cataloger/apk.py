"""The database of installed apk packages: Alpine, Wolfi, Chainguard.

One paragraph per package, one letter per field (apk-tools, `apk-installed(5)`): P name, V version,
A architecture, L licence, T description, U homepage, o origin (the source package), m maintainer,
D dependencies, p provided names, F a directory and R the files in it.
"""

from __future__ import annotations

import re

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.text import (
    MAX_PACKAGES,
    MAX_PATH,
    NameBudget,
    decode,
    is_name,
    limited,
    line,
    paragraphs,
    unique,
)
from titan_provenance.model.package import Package

_NAME = "apk"
_FIELD = re.compile(r"^([A-Za-z]):(.*)$", re.MULTILINE)
# The largest packages have twenty thousand files.
_MAX_PARAGRAPH = 4 * 1024 * 1024
_MAX_FILES = 16 * 1024 * 1024
_CONSTRAINT = re.compile(r"[<>=~@]")


def parse(path: str, data: bytes) -> Found:
    """Return the installed packages; one that lacks name or version is a problem.

    Raises ParseError where there are paragraphs but no package at all.
    """
    packages: list[Package] = []
    problems: list[str] = []
    names = NameBudget()
    for paragraph in paragraphs(decode(data)):
        if len(packages) + len(problems) >= MAX_PACKAGES:
            problems.append(f"{path}: more than {MAX_PACKAGES} packages")
            break
        package = _package(path, paragraph)
        if package:
            packages.append(names.keep(package))
        else:
            problems.append(f"{path}: no name or version, or too long: {line(paragraph)[:60]}")
    problems += names.problems(path)
    if problems and not packages:
        raise ParseError(f"{path}: no database of apk packages")
    return Found(packages=tuple(packages), problems=limited(problems))


def _package(path: str, paragraph: str) -> Package | None:
    if len(paragraph) > _MAX_PARAGRAPH:
        return None
    head, files = _split(paragraph)
    name, version = head.get("P", ""), head.get("V", "")
    if not is_name(name) or not is_name(version):
        return None
    return Package(
        type="apk",
        name=name,
        version=version,
        qualifiers=(("arch", line(head.get("A"))),),
        locations=(path,),
        cataloger=_NAME,
        source=line(head.get("o")) or name,
        source_version=version,
        licenses=unique([line(head.get("L"))]),
        supplier=line(head.get("m")),
        homepage=line(head.get("U")),
        description=line(head.get("T")),
        files=files,
        depends=_names(head.get("D", "")),
        provides=_names(head.get("p", "")),
    )


def _split(paragraph: str) -> tuple[dict[str, str], str]:
    """Return the fields of a package, and the paths that it owns."""
    head: dict[str, str] = {}
    files: list[str] = []
    directory, size = "", 0
    for match in _FIELD.finditer(paragraph):
        letter, value = match.groups()
        if letter == "F":
            directory = value[:MAX_PATH]
        elif letter == "R" and size < _MAX_FILES:
            files.append(f"{directory}/{value}" if directory else value)
            size += len(files[-1])
        else:
            head.setdefault(letter, value)
    return head, "\n".join(files)


def _names(text: str) -> tuple[str, ...]:
    """Return names without version constraints; `!name` is a conflict, not a dependency."""
    return unique([_CONSTRAINT.split(word)[0] for word in text.split() if word[0] != "!"])


CATALOGER = Cataloger(
    name=_NAME,
    version=1,
    pattern=r"(?:[^/]+/)*lib/apk/db/installed",
    endings=("/apk/db/installed",),
    max_size=64 * 1024 * 1024,
    parse=parse,
)
