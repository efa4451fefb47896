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
        self._tail = b""
        self._header: bytearray | None = None
        self._found: Found | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the data."""
        if self._found:
            return
        if self._header is None:
            data = self._tail + chunk
            place = data.find(_MAGIC)
            if place < 0:
                self._tail = data[1 - len(_MAGIC) :]
                return
            self._header, chunk = bytearray(), data[place:]
        self._header += chunk
        self._read(self._header)

    def finish(self) -> Found:
        """Return the main module, its dependencies and `stdlib`; nothing if it is no Go program."""
        if self._found is None and self._header is not None:
            return Found(problems=(f"{self._path}: its Go build information is cut off",))
        return self._found or Found()

    def _read(self, data: bytearray) -> None:
        """Read the information once it is there whole; go on looking if it is none."""
        if len(data) < _HEADER:
            return
        if not data[_FLAGS] & _INLINE:
            problem = f"{self._path}: built with Go before 1.18, whose modules are not read"
            self._found = Found(problems=(problem,))
            return
        release, place, missing = _text(data, _HEADER)
        modules, _, missing_too = _text(data, place) if release is not None else (None, 0, missing)
        if missing or missing_too:
            return
        if release is None or modules is None:
            # The bytes of the magic alone, as debuggers and scanners have them.
            self._header, self._tail = None, b""
            self.feed(bytes(data[len(_MAGIC) :]))
            return
        self._found = read_build_info(self._path, release, modules)


def _text(data: bytearray, place: int) -> tuple[bytes | None, int, bool]:
    """Return the text at `place`, the place behind it, and whether more bytes are needed.

    None instead of a text when there is none, or one longer than 4 MiB.
    """
    size = shift = 0
    for index in range(place, place + _MAX_VARINT):
        if index >= len(data):
            return None, 0, True
        size |= (data[index] & 0x7F) << shift
        shift += 7
        if data[index] < 0x80:  # noqa: PLR2004  (the last byte of a varint)
            break
    end = index + 1 + size
    if size > _MAX_INFO:
        return None, 0, False
    if end > len(data):
        return None, 0, True
    return bytes(data[index + 1 : end]), end, False


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
