"""Java archives: jar, war, ear and plugins of Jenkins, archives inside archives, shaded ones.

A zip file (JAR File Specification). Maven leaves `META-INF/maven/<group>/<artifact>/pom.properties`
of what was built, and shading leaves those of all that was put in. Without them the manifest and
the file name (`name-1.2.jar`) tell, with less confidence.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from typing import NamedTuple

from titan_provenance.cataloger.interface import Cataloger, Found, ParseError
from titan_provenance.cataloger.text import (
    MAX_NAME,
    MAX_PATH,
    decode,
    is_name,
    limited,
    line,
    unique,
)
from titan_provenance.model.package import Package

_NAME = "java"
_ENDINGS = (".jar", ".war", ".ear", ".par", ".sar", ".nar", ".kar", ".jpi", ".hpi")
_POM_NAME = "/pom.properties"
_POM = re.compile(r"(?:.*/)?META-INF/maven/[^/]+/[^/]+/pom\.properties")
_MANIFEST = "META-INF/MANIFEST.MF"
_PROPERTY = re.compile(r"^[ \t]*(groupId|artifactId|version)[ \t]*[=:][ \t]*(\S+)", re.MULTILINE)
_HEADER = re.compile(r"^([A-Za-z][\w-]*): ?(.*)$", re.MULTILINE)
_FILE_NAME = re.compile(r"(.+?)-(v?\d[\w.+~]*(?:-[\w.+~-]+)?)")
_GROUP = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)+")

_MAX_ARCHIVE = 128 * 1024 * 1024
_MAX_ENTRIES = 200_000
_MAX_TEXT = 1024 * 1024
_MAX_DEPTH = 4
_MAX_INFLATED = 512 * 1024 * 1024
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_CENTRAL = b"PK\x01\x02"
_GUESSED = 0.5

# Everything that zipfile raises on bytes that are no good zip file.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
)


class _Artifact(NamedTuple):
    group: str
    name: str
    version: str


class _Reader:
    """Reads archives of one file, all of them together to a limit."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.packages: list[Package] = []
        self.problems: list[str] = []
        self._left = _MAX_INFLATED

    def read(self, name: str, data: bytes, depth: int) -> None:
        """Add the packages of the archive `name`; raises ParseError if it is none."""
        if data.count(_CENTRAL) > _MAX_ENTRIES:
            raise ParseError(f"{name}: more than {_MAX_ENTRIES} entries")
        try:
            archive = zipfile.ZipFile(io.BytesIO(data))
        except _ZIP_ERRORS as error:
            raise ParseError(f"{name}: no zip file: {line(str(error))}") from error
        with archive:
            entries = {
                entry.filename: entry
                for entry in archive.infolist()
                if len(entry.filename) <= MAX_PATH
            }
            manifest = _headers(self._text(archive, entries.get(_MANIFEST), name))
            artifacts = [
                _artifact(self._text(archive, entry, name))
                for place, entry in entries.items()
                if place.endswith(_POM_NAME) and _POM.fullmatch(place)
            ]
            if manifest or any(place.endswith(".class") for place in entries):
                self._add(name, data, manifest, [each for each in artifacts if each])
            for place, entry in entries.items():
                if place.lower().endswith(_ENDINGS):
                    self._nested(archive, entry, f"{name}!{place}", depth)

    def _nested(
        self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, depth: int
    ) -> None:
        if depth >= _MAX_DEPTH:
            self.problems.append(f"{line(name)}: archives nested deeper than {_MAX_DEPTH}")
            return
        data = self._bytes(archive, entry, name, _MAX_ARCHIVE)
        if data is None:
            return
        try:
            self.read(name, data, depth + 1)
        except ParseError as error:
            self.problems.append(line(error.message))

    def _text(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None, name: str) -> str:
        return decode(self._bytes(archive, entry, name, _MAX_TEXT) or b"") if entry else ""

    def _bytes(
        self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, limit: int
    ) -> bytes | None:
        """Return what an entry holds, never more than its limit and what is left for the file."""
        limit = min(limit, self._left)
        if entry.file_size > limit or entry.compress_type not in _METHODS:
            self.problems.append(f"{line(name)}: too large, or packed in a way not known here")
            return None
        try:
            with archive.open(entry) as stream:
                data = stream.read(limit + 1)
        except _ZIP_ERRORS as error:
            self.problems.append(f"{line(name)}: cannot be unpacked: {line(str(error))}")
            return None
        self._left -= len(data)
        if len(data) > limit:
            self.problems.append(f"{line(name)}: larger than it says")
            return None
        return data

    def _add(
        self, name: str, data: bytes, manifest: dict[str, str], artifacts: list[_Artifact]
    ) -> None:
        """Add the archive itself, then what is shaded into it."""
        stem = re.split(r"[/!]", name)[-1].rpartition(".")[0][-MAX_NAME:]
        guessed = _guess(stem, manifest)
        own = [
            each
            for each in artifacts
            if each.name in {stem, guessed.name}
            or (len(artifacts) == 1 and each.version == guessed.version)
        ]
        main = own[0] if own else guessed
        package = self._package(main)._replace(
            confidence=1.0 if own else _GUESSED,
            licenses=_licenses(manifest),
            supplier=line(manifest.get("Implementation-Vendor", manifest.get("Bundle-Vendor"))),
            hashes=(
                ("SHA-1", hashlib.sha1(data, usedforsecurity=False).hexdigest()),
                ("SHA-256", hashlib.sha256(data).hexdigest()),
            ),
        )
        self.packages.append(package)
        self.packages += [self._package(each) for each in artifacts if each != main]

    def _package(self, artifact: _Artifact) -> Package:
        return Package(
            type="maven",
            namespace=artifact.group,
            name=artifact.name,
            version=artifact.version,
            locations=(self.path,),
            cataloger=_NAME,
        )


def parse(path: str, data: bytes) -> Found:
    """Return the archive, what is shaded into it, and the archives inside it.

    An archive inside that cannot be read, or that is nested deeper than four levels, is a problem,
    as is what inflates to more than 512 MiB. Raises ParseError for what is no zip file.
    """
    reader = _Reader(path)
    reader.read(path, data, 0)
    return Found(packages=tuple(reader.packages), problems=limited(reader.problems))


def _artifact(text: str) -> _Artifact | None:
    fields = dict(_PROPERTY.findall(text))
    values = [fields.get(key, "") for key in ("groupId", "artifactId", "version")]
    # A property that Maven did not fill in: `${project.version}`.
    if not all(is_name(value) and "${" not in value for value in values):
        return None
    return _Artifact(*values)


def _headers(text: str) -> dict[str, str]:
    """Return the main section of a manifest; a line that starts with a space goes on."""
    main = re.split(r"\n\n", text.replace("\r\n", "\n").replace("\r", "\n"), maxsplit=1)[0]
    return dict(_HEADER.findall(main.replace("\n ", "")))


def _guess(stem: str, manifest: dict[str, str]) -> _Artifact:
    """Return what file name and manifest tell; the version may stay unknown."""
    match = _FILE_NAME.fullmatch(stem)
    name = line(match[1] if match else stem).replace(" ", "-")
    stated = manifest.get("Implementation-Version", manifest.get("Bundle-Version", "")).strip()
    version = match[2] if match else stated
    return _Artifact(_group(name, manifest), name, version if is_name(version) else "")


def _group(name: str, manifest: dict[str, str]) -> str:
    """Return the group that the manifest hints at, else the name itself, as Maven did at first."""
    symbolic = manifest.get("Bundle-SymbolicName", "").partition(";")[0].strip()
    # The name of a bundle is often group and artifact: `org.slf4j.api` of `slf4j-api`.
    parent, _, last = symbolic.rpartition(".")
    if name.endswith(last) and "." in parent:
        symbolic = parent
    for text in (manifest.get("Implementation-Vendor-Id", "").strip(), symbolic):
        if _GROUP.fullmatch(text) and is_name(text):
            return text
    return name


def _licenses(manifest: dict[str, str]) -> tuple[str, ...]:
    parts = manifest.get("Bundle-License", "").split(",")
    return unique([line(part.partition(";")[0]).strip('"') for part in parts])


CATALOGER = Cataloger(
    name=_NAME,
    version=1,
    pattern=r"(?:[^/]+/)*[^/]+\.(?:jar|war|ear|par|sar|nar|kar|jpi|hpi)",
    endings=_ENDINGS,
    max_size=_MAX_ARCHIVE,
    parse=parse,
)
