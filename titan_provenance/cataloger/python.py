"""Installed Python distributions: `*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `*.egg-info`.

Core metadata: header lines, continued lines indented, then a free text (Python Packaging User
Guide, "Core metadata specifications"). Beside it lie `direct_url.json` (PEP 610), which says where
something not from an index came from, and for eggs `requires.txt`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from titan_provenance.cataloger.interface import Addition, Cataloger, Found, ParseError
from titan_provenance.cataloger.text import (
    decode,
    is_name,
    line,
    load_mapping,
    mapping,
    unique,
)
from titan_provenance.model.package import Package, Pairs, normalize_pypi

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = "python"
_HEADER = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_REQUIREMENT = re.compile(r"[ \t]*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRA = re.compile(r"\bextra\b")
_MAX_HEAD = 512 * 1024
_CLASSIFIER = "License :: "
_NO_LICENSE = frozenset({"", "UNKNOWN", "OSI Approved"})
_MAX_LICENSE = 100
_HASHES = {"sha256": ("SHA-256", 64), "sha384": ("SHA-384", 96), "sha512": ("SHA-512", 128)}
_HEX = re.compile(r"[0-9a-f]+")


def parse_metadata(path: str, data: bytes) -> Found:
    """Return the distribution; raises ParseError where it has no name or no version."""
    headers: dict[str, list[str]] = {}
    # The free text after the first empty line may look like headers.
    head = decode(data).replace("\r\n", "\n").partition("\n\n")[0]
    for name, value in _HEADER.findall(head[:_MAX_HEAD]):
        headers.setdefault(name.lower(), []).append(value.strip())
    name, version = _first(headers, "name"), _first(headers, "version")
    if not is_name(name) or not is_name(version):
        raise ParseError(f"{path}: states no Name and Version")
    package = Package(
        type="pypi",
        name=name,
        version=version,
        locations=(path,),
        cataloger=_NAME,
        licenses=_licenses(headers),
        author=_person(headers, "author") or _person(headers, "maintainer"),
        homepage=_homepage(headers),
        description=_first(headers, "summary"),
        depends=_requirements(headers.get("requires-dist", [])),
    )
    problems = (f"{path}: only {_MAX_HEAD} characters of it read",) * (len(head) > _MAX_HEAD)
    return Found(packages=(package,), problems=problems)


def _first(headers: dict[str, list[str]], name: str) -> str:
    value = line(headers.get(name, [""])[0])
    return "" if value == "UNKNOWN" else value


def _licenses(headers: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the SPDX expression where there is one, else the licence if short, else classifiers.

    `License` may hold the whole text of the licence.
    """
    expression = _first(headers, "license-expression")
    if expression:
        return (expression,)
    declared = headers.get("license", [""])[0]
    if declared not in _NO_LICENSE and "\n" not in declared and len(declared) <= _MAX_LICENSE:
        return (line(declared),)
    classified = [
        line(value.rpartition(" :: ")[2])
        for value in headers.get("classifier", [])
        if value.startswith(_CLASSIFIER)
    ]
    return unique([value for value in classified if value not in _NO_LICENSE])


def _person(headers: dict[str, list[str]], role: str) -> str:
    name, mail = _first(headers, role), _first(headers, f"{role}-email")
    if "<" in mail or not name:
        return mail
    return f"{name} <{mail}>" if mail else name


def _homepage(headers: dict[str, list[str]]) -> str:
    declared = _first(headers, "home-page")
    if declared:
        return declared
    for value in headers.get("project-url", []):
        label, _, url = value.partition(",")
        if label.strip().lower() in {"homepage", "home", "source", "repository"}:
            return line(url)
    return ""


def _requirements(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the normalised names that are required without an extra (PEP 508).

    Other environment markers are not evaluated: what they exclude is not installed, and an edge
    needs an installed package.
    """
    matches = [
        _REQUIREMENT.match(text) for text in lines if not _EXTRA.search(text.partition(";")[2])
    ]
    return unique([normalize_pypi(match[1]) for match in matches if match])


def parse_requires(path: str, data: bytes) -> Found:
    """Return what an egg requires: the lines before the first `[extra]`."""
    before = re.split(r"^\[", decode(data), maxsplit=1, flags=re.MULTILINE)[0]
    depends = _requirements(before.splitlines())
    return _found(path, depends=depends) if depends else Found()


def parse_direct_url(path: str, data: bytes) -> Found:
    """Return where the distribution came from, as the purl qualifiers `vcs_url`, `download_url`.

    Local directories say nothing outside of the machine that built the image, and stay out.
    Raises ParseError for what is no JSON object.
    """
    fields = load_mapping(path, data)
    url = _public_url(fields.get("url"))
    vcs, archive = mapping(fields.get("vcs_info")), mapping(fields.get("archive_info"))
    if url and is_name(vcs.get("vcs")) and is_name(vcs.get("commit_id")):
        return _found(path, qualifiers=(("vcs_url", f"{vcs['vcs']}+{url}@{vcs['commit_id']}"),))
    if url and "archive_info" in fields:
        return _found(path, qualifiers=(("download_url", url),), hashes=_hashes(archive))
    return Found()


def _found(path: str, **what: Any) -> Found:
    return Found(additions=(Addition(type="pypi", key=path.rpartition("/")[0], **what),))


def _public_url(value: Any) -> str:
    """Return an http or ssh URL without user and password: those may be secrets."""
    try:
        parts = urlsplit(line(value))
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https", "ssh"} or not host:
        return ""
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _hashes(archive: dict[str, Any]) -> Pairs:
    old = line(archive.get("hash")).partition("=")
    found = {old[0]: old[2], **mapping(archive.get("hashes"))}
    return tuple(
        (name, found[key])
        for key, (name, digits) in _HASHES.items()
        if isinstance(found.get(key), str)
        and len(found[key]) == digits
        and _HEX.fullmatch(found[key])
    )


METADATA = Cataloger(
    name=_NAME,
    version=1,
    pattern=r"(?:[^/]+/)*(?:[^/]+\.dist-info/METADATA|[^/]+\.egg-info(?:/PKG-INFO)?|EGG-INFO/PKG-INFO)",
    endings=(".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info", "EGG-INFO/PKG-INFO"),
    max_size=4 * 1024 * 1024,
    parse=parse_metadata,
)
REQUIRES = Cataloger(
    name="python-requires",
    version=1,
    pattern=r"(?:[^/]+/)*(?:[^/]+\.egg-info|EGG-INFO)/requires\.txt",
    endings=(".egg-info/requires.txt", "EGG-INFO/requires.txt"),
    max_size=1024 * 1024,
    parse=parse_requires,
)
DIRECT_URL = Cataloger(
    name="python-direct-url",
    version=1,
    pattern=r"(?:[^/]+/)*[^/]+\.dist-info/direct_url\.json",
    endings=(".dist-info/direct_url.json",),
    max_size=64 * 1024,
    parse=parse_direct_url,
)
