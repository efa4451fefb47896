"""What a cataloger is, and what it says.

A file that states packages is held whole and given to a `Cataloger`. An executable may be large
and is fed to a `Scanner` piece by piece. Either way the answer is `Found`, which says truthfully
how much of the file it speaks for, or `ParseError`: nothing could be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from titan_provenance.errors import CouldNotCheckError, DocumentError
from titan_provenance.model.package import (
    Package,
    Pairs,
    Texts,
    record_from_json,
    record_to_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class ParseError(CouldNotCheckError):
    """A file that should state packages cannot be read at all: the cataloger failed on it."""

    code = "cataloger"


class Distro(NamedTuple):
    """The distribution that an image is made of (os-release(5))."""

    id: str
    version: str = ""
    name: str = ""
    pretty_name: str = ""
    codename: str = ""
    like: str = ""
    support_end: str = ""
    cpe: str = ""
    homepage: str = ""


class Addition(NamedTuple):
    """What one file says of a package that another file declares.

    `key` says which package, in the terms of `type`: for deb the name (`libc6` or `libc6:amd64`),
    for npm the directory that the package lies in, for pypi its metadata directory. Where `version`
    is set, another version is not meant.
    """

    type: str
    key: str
    version: str = ""
    files: str = ""
    licenses: Texts = ()
    hashes: Pairs = ()
    qualifiers: Pairs = ()
    depends: Texts = ()


class Found(NamedTuple):
    """What one file states. `problems` say what in it could not be read, and why."""

    packages: tuple[Package, ...] = ()
    additions: tuple[Addition, ...] = ()
    distro: Distro | None = None
    problems: Texts = ()

    @property
    def status(self) -> str:
        """`succeeded`, or `partial` when something could not be read."""
        return "partial" if self.problems else "succeeded"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; what is empty is left out."""
        value: dict[str, Any] = {}
        if self.packages:
            value["packages"] = [record_to_json(package) for package in self.packages]
        if self.additions:
            value["additions"] = [record_to_json(addition) for addition in self.additions]
        if self.distro:
            value["distro"] = record_to_json(self.distro)
        if self.problems:
            value["problems"] = list(self.problems)
        return value

    @classmethod
    def from_json(cls, value: Any) -> Found:
        """Return what `to_json` gave; raises DocumentError for anything else."""
        if not isinstance(value, dict) or not _KEYS.issuperset(value):
            raise DocumentError("expected what a cataloger found")
        packages, additions = value.get("packages", []), value.get("additions", [])
        problems, distro = value.get("problems", []), value.get("distro")
        if not all(isinstance(items, list) for items in (packages, additions, problems)):
            raise DocumentError("expected lists in what a cataloger found")
        if not all(isinstance(problem, str) for problem in problems):
            raise DocumentError("expected texts as problems of a cataloger")
        return cls(
            packages=tuple(record_from_json(Package, item) for item in packages),
            additions=tuple(record_from_json(Addition, item) for item in additions),
            distro=None if distro is None else record_from_json(Distro, distro),
            problems=tuple(problems),
        )


_KEYS = frozenset(Found._fields)


class Cataloger(NamedTuple):
    """The reader of one kind of file.

    - `name`: for people and for the layer cache; `version` rises with every change of the answer.
    - `pattern`: a regular expression for the whole path, without a leading slash. The patterns of
      all catalogers exclude each other.
    - `endings` or `within`: each path that matches ends with one of these or contains this;
      telling that is far cheaper.
    - `max_size`: larger files are not read, which is a problem to report.
    - `parse(path, data)`: raises ParseError, and nothing else whatever the bytes.
    """

    name: str
    version: int
    pattern: str
    max_size: int
    parse: Callable[[str, bytes], Found]
    endings: Texts = ()
    within: str = ""


class Scanner(Protocol):
    """The reader of one executable, fed in order from the first byte on."""

    def feed(self, chunk: bytes) -> None:
        """Take the next piece, of any size."""

    def finish(self) -> Found:
        """Say what was found; the scanner is used up."""
