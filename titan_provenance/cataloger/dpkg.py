"""The dpkg database: Debian, Ubuntu, and distroless images (`status.d/`, one file per package).

Paragraphs of `Field: value` lines, continued lines indented (deb822(5), dpkg-query(1) on states).
Which files a package owns stands beside: `info/<package>.list`, and `status.d/<package>.md5sums`.
"""

from __future__ import annotations

import re

from titan_provenance.cataloger.interface import Addition, Cataloger, Found, ParseError
from titan_provenance.cataloger.text import (
    MAX_PACKAGES,
    NameBudget,
    decode,
    is_name,
    limited,
    line,
    paragraphs,
    unique,
)
from titan_provenance.model.package import Package

_NAME = "dpkg"
# The states in which files of the package lie in the image. `config-files` is what is left of a
# removed package, `not-installed` nothing.
_PRESENT = frozenset(
    {"installed", "unpacked", "half-configured", "half-installed"}
    | {"triggers-awaited", "triggers-pending"}
)
_FIELDS = (
    "Package|Status|Version|Architecture|Maintainer|Source|Homepage|Depends|Pre-Depends|Provides"
    "|Description"
)
_FIELD = re.compile(
    rf"^({_FIELDS}):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE | re.IGNORECASE | re.ASCII
)
_MAX_PARAGRAPH = 1024 * 1024
_SOURCE = re.compile(r"([^\s(]+)(?:\s*\(([^\s)]+)\))?")
_MD5 = re.compile(r"^[0-9a-f]{32} [ *](.+)$", re.MULTILINE)


def parse_status(path: str, data: bytes) -> Found:
    """Return the packages whose files are there; one that lacks name or version is a problem.

    Raises ParseError where there are paragraphs but no package at all.
    """
    packages: list[Package] = []
    problems: list[str] = []
    names = NameBudget()
    absent = False
    for paragraph in paragraphs(decode(data).replace("\r\n", "\n")):
        if len(packages) + len(problems) >= MAX_PACKAGES:
            problems.append(f"{path}: more than {MAX_PACKAGES} packages")
            break
        if len(paragraph) > _MAX_PARAGRAPH:
            problems.append(f"{path}: a package of too many bytes: {line(paragraph)[:60]}")
            continue
        fields = {name.lower(): value for name, value in _FIELD.findall(paragraph)}
        state = fields.get("status", "installed").split()
        if is_name(fields.get("package")) and state and state[-1] not in _PRESENT:
            absent = True
        elif is_name(fields.get("package")) and is_name(fields.get("version", "").strip()):
            packages.append(names.keep(_package(path, fields)))
        else:
            problems.append(f"{path}: a package without name or version: {line(paragraph)[:60]}")
    problems += names.problems(path)
    if problems and not packages and not absent:
        raise ParseError(f"{path}: no database of dpkg packages")
    return Found(packages=tuple(packages), problems=limited(problems))


def _package(path: str, fields: dict[str, str]) -> Package:
    name, version = fields["package"], fields["version"].strip()
    source = _SOURCE.match(fields.get("source", ""))
    return Package(
        type="deb",
        name=name,
        version=version,
        qualifiers=(("arch", line(fields.get("architecture"))),),
        locations=(path,),
        cataloger=_NAME,
        source=line(source[1]) if source else name,
        source_version=line(source[2] or version) if source else version,
        supplier=line(fields.get("maintainer")),
        homepage=line(fields.get("homepage")),
        description=line(fields.get("description", "").partition("\n")[0]),
        depends=_dependencies(fields.get("pre-depends", ""), fields.get("depends", "")),
        provides=_dependencies(fields.get("provides", "")),
    )


def _dependencies(*lists: str) -> tuple[str, ...]:
    """Return each dependency as names; alternatives stay together: `a|b` (deb-control(5))."""
    return unique(
        [
            "|".join(_bare(name) for name in group.split("|"))
            for text in lists
            for group in text.split(",")
        ]
    )


def _bare(name: str) -> str:
    """Return the name without version `(>= 2)` and architecture `:any`."""
    words = name.split(None, 1)
    return words[0].partition("(")[0].partition(":")[0] if words else ""


def parse_list(path: str, data: bytes) -> Found:
    """Return the paths that the package of `info/<package>.list` owns, directories among them."""
    name = path.rpartition("/")[2].removesuffix(".list")
    return _owned(name, decode(data).replace("\n/", "\n").strip("/\n"))


def parse_md5sums(path: str, data: bytes) -> Found:
    """Return the files that the package of a distroless `status.d/<package>.md5sums` owns."""
    # The stem is that of the status file, not always the name of the package.
    return _owned(path.removesuffix(".md5sums"), "\n".join(_MD5.findall(decode(data))))


def _owned(key: str, files: str) -> Found:
    return Found(additions=(Addition(type="deb", key=key, files=files),) if files else ())


STATUS = Cataloger(
    name=_NAME,
    version=1,
    pattern=r"(?:[^/]+/)*dpkg/status",
    endings=("dpkg/status",),
    max_size=64 * 1024 * 1024,
    parse=parse_status,
)
STATUS_D = Cataloger(
    name="dpkg-status.d",
    version=1,
    pattern=r"(?:[^/]+/)*dpkg/status\.d/(?![^/]*\.md5sums$)[^/]+",
    within="dpkg/status.d/",
    max_size=1024 * 1024,
    parse=parse_status,
)
LIST = Cataloger(
    name="dpkg-list",
    version=1,
    pattern=r"(?:[^/]+/)*dpkg/info/[^/]+\.list",
    endings=(".list",),
    max_size=32 * 1024 * 1024,
    parse=parse_list,
)
MD5SUMS = Cataloger(
    name="dpkg-md5sums",
    version=1,
    pattern=r"(?:[^/]+/)*dpkg/status\.d/[^/]+\.md5sums",
    endings=(".md5sums",),
    max_size=32 * 1024 * 1024,
    parse=parse_md5sums,
)
