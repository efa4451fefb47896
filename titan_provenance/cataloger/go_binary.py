"""What the Go linker writes into every program: its modules and the release of Go.

Format: Go's `debug/buildinfo` and `runtime/debug.BuildInfo`. In the writable data stands a header
of 32 bytes at a multiple of 16 (magic, size of a pointer, flags); since Go 1.18 the release of Go
and the modules follow, each with its length as a varint before it. The modules are lines of fields
separated by tabs, between two markers of 16 bytes: `path`, `mod`, `dep`, `=>` (replaces the line
before), `build` (how it was built).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from titan_provenance.cataloger.interface import Found
from titan_provenance.cataloger.text import MAX_NAME, decode, is_name, limited, unique
from titan_provenance.model.package import Package

NAME = "go-binary"
_MAGIC = b"\xff Go buildinf:"
_HEADER = 32
_FLAGS = 15
_INLINE = 2
_MARKER = 16
_MAX_INFO = 4 * 1024 * 1024
_MAX_VARINT = 5
_GOES_ON = 0x80

_RELEASE = re.compile(r"go(\d[\w.]*)")
_PSEUDO = re.compile(r"v\d+\.\d+\.\d+-(?:.*\.)?\d{14}-[0-9a-f]{12}")
# -X sets a string variable of the program; that of its version is named so by convention.
_SET = re.compile(
    r"-X[ =]?['\"]?([\w./-]*?\.?(?:version|gitversion|buildversion|appversion|tag|release))="
    r"v?(\d+\.\d+[\w.+-]*)",
    re.IGNORECASE,
)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z")
_LOCAL = ("./", "../", "/")


class GoScanner:
    """Finds the build information in the data of one program."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._data = b""
        self._found: Found | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the data."""
        if self._found:
            return
        data = self._data + chunk
        place = data.find(_MAGIC)
        while place >= 0:
            try:
                self._found = _read(self._path, data, place)
            except _MoreError:
                self._data = data[place:]
                return
            if self._found:
                self._data = b""
                return
            place = data.find(_MAGIC, place + 1)
        self._data = data[1 - len(_MAGIC) :]

    def finish(self) -> Found:
        """Return the main module, its dependencies and `stdlib`; nothing if it is no Go program."""
        if self._found is None and self._data.startswith(_MAGIC):
            return Found(problems=(f"{self._path}: its Go build information is cut off",))
        return self._found or Found()


class _MoreError(Exception):
    """The build information goes on behind the bytes that are there."""


def _read(path: str, data: bytes, place: int) -> Found | None:
    """Return what the information at `place` says; None for the magic alone, as debuggers have it.

    Raises _MoreError while it is not there whole.
    """
    if len(data) < place + _HEADER:
        raise _MoreError
    if not data[place + _FLAGS] & _INLINE:
        # Two pointers of a known size follow, to texts elsewhere.
        known = data[place + _FLAGS - 1] in {4, 8} and data[place + _FLAGS] in {0, 1}
        problem = f"{path}: built with Go before 1.18, whose modules are not read"
        return Found(problems=(problem,)) if known else None
    release, place = _text(data, place + _HEADER, MAX_NAME)
    if release is None or not release.startswith((b"go", b"devel")):
        return None
    modules, _ = _text(data, place, _MAX_INFO)
    if modules is None:
        return Found(problems=(f"{path}: its list of Go modules is too large",))
    return read_build_info(path, release, modules)


def _text(data: bytes, place: int, longest: int) -> tuple[bytes | None, int]:
    """Return the text at `place` after its length, and the place behind it; None if too long.

    Raises _MoreError when the text is not there whole.
    """
    size = 0
    for index in range(_MAX_VARINT):
        if place >= len(data):
            raise _MoreError
        byte = data[place]
        size |= (byte & 0x7F) << (7 * index)
        place += 1
        if byte < _GOES_ON:
            break
    if size > longest:
        return None, place
    if place + size > len(data):
        raise _MoreError
    return data[place : place + size], place + size


class _Module(NamedTuple):
    path: str
    version: str


def read_build_info(path: str, release: bytes, modules: bytes) -> Found:
    """Return the packages of the program at `path`.

    Where the main module has no version of a release, that which the program was linked with
    (`-ldflags "-X main.version=…"`) counts, then that of the commit.
    """
    main: _Module | None = None
    deps: list[_Module] = []
    build: dict[str, str] = {}
    problems: list[str] = []
    for text in decode(modules[_MARKER:-_MARKER]).splitlines():
        kind, *fields = text.split("\t")
        if kind == "build":
            key, _, value = "\t".join(fields).partition("=")
            build[key] = value
        elif kind in {"mod", "dep", "=>"}:
            module = _module(fields)
            if not module:
                problems.append(f"{path}: a Go module without a name")
            elif kind == "mod":
                main = module
            elif kind == "dep":
                deps.append(module)
            elif deps and not module.path.startswith(_LOCAL):
                # A directory in place of a module has no name that others know it by.
                deps[-1] = module
    packages = [_package(path, module, "library") for module in deps]
    standard = _RELEASE.match(decode(release))
    if standard:
        packages.append(_package(path, _Module("stdlib", standard[1]), "library"))
    if main:
        main = main._replace(version=_main_version(main, build))
        needs = unique([_key(package) for package in packages])
        packages.append(_package(path, main, "application")._replace(depends=needs))
    return Found(packages=tuple(packages), problems=limited(problems))


def _module(fields: list[str]) -> _Module | None:
    name, version = [*fields, "", ""][:2]
    version = "" if version == "(devel)" else version
    return _Module(name, version) if is_name(name) and len(version) <= MAX_NAME else None


def _package(path: str, module: _Module, kind: str) -> Package:
    namespace, _, name = module.path.rpartition("/")
    return Package(
        type="golang",
        namespace=namespace,
        name=name,
        version=module.version,
        kind=kind,
        locations=(path,),
        cataloger=NAME,
        method="binary-analysis",
    )


def _key(package: Package) -> str:
    name = f"{package.namespace}/{package.name}" if package.namespace else package.name
    return f"{name}@{package.version}"


def _main_version(main: _Module, build: dict[str, str]) -> str:
    if main.version and not _PSEUDO.match(main.version):
        return main.version
    variables = dict(_SET.findall(build.get("-ldflags", "")))
    for name in sorted(variables, key=lambda name: (not name.startswith("main."), name)):
        return f"v{variables[name]}"[:MAX_NAME]
    time, revision = _TIME.match(build.get("vcs.time", "")), build.get("vcs.revision", "")
    if not main.version and time and revision.isalnum():
        return f"v0.0.0-{''.join(time.groups())}-{revision[:12]}"
    return main.version
