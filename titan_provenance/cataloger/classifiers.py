"""Runtimes and servers that no package database names: known by file name, version by content.

Each program says its version somewhere in its constants, for `--version` or a banner. A literal
text beside it is searched for first, so that a hundred megabytes cost as much as reading them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from titan_provenance.cataloger.interface import Found
from titan_provenance.model.package import Package

NAME = "classifier"
_BEFORE, _AFTER = 128, 128
_CONFIDENCE = 0.9
_MAX_TRIES = 10_000


class _Classifier(NamedTuple):
    """`files` is a pattern of file names; near one of the literals stands the version."""

    package: str
    files: str
    evidence: tuple[tuple[bytes, bytes], ...]


_NUMBER = rb"(\d+\.\d+\.\d+)"

# Version, host name of the build (of a container, twelve digits), its time in nanoseconds.
_REDIS = (
    (b"buildkitsandbox-", _NUMBER + rb"buildkitsandbox-\d"),
    (b"000000000\0", _NUMBER + rb"[0-9a-f]{12}-\d{10}0{9}\0"),
    (b"000000000\0", _NUMBER + rb"[a-z][\w.-]*-\d{10}0{9}\0"),
)

_CLASSIFIERS = (
    _Classifier("node", "node|nodejs", ((b"node.js/v", rb"node\.js/v" + _NUMBER),)),
    _Classifier(
        "redis",
        "redis-server",
        _REDIS,
    ),
    _Classifier(
        "valkey",
        "valkey-server",
        _REDIS,
    ),
    _Classifier(
        "postgresql",
        "postgres",
        ((b"PostgreSQL ", rb"PostgreSQL (\d+(?:\.\d+){0,2}(?:(?:alpha|beta|rc)\d+)?)[\0 ]"),),
    ),
    _Classifier("nginx", "nginx", ((b"nginx/", rb"nginx/" + _NUMBER),)),
    _Classifier(
        "openssl",
        r"openssl|libcrypto\.so[\d.]*|libssl\.so[\d.]*",
        ((b"OpenSSL ", rb"OpenSSL (\d+\.\d+\.\d+[a-z]?(?:-[a-z]+\d+)?) "),),
    ),
    _Classifier("busybox", "busybox", ((b"BusyBox v", rb"BusyBox v" + _NUMBER),)),
    _Classifier("bash", "bash", ((b"@(#)Bash version ", rb"Bash version " + _NUMBER),)),
    _Classifier(
        "curl",
        r"curl|libcurl(?:-gnutls)?\.so[\d.]*",
        ((b"curl/", rb"curl/" + _NUMBER), (b"curl ", rb"curl " + _NUMBER)),
    ),
    _Classifier(
        "ruby",
        r"ruby[\d.]*|libruby[\w.-]*\.so[\d.]*",
        ((b"ruby ", rb"ruby (\d+\.\d+\.\d+(?:(?:p|preview|rc|dev)\d*)?) \("),),
    ),
    _Classifier(
        "php", r"php[\d.]*|php-fpm[\d.]*|php-cgi|libphp\.so", ((b"PHP/", rb"PHP/" + _NUMBER),)
    ),
    _Classifier("perl", r"perl[\d.]*", ((b"/perl5/5.", rb"/perl5/(5\.\d+\.\d+)"),)),
    _Classifier(
        "haproxy", "haproxy", ((b", released 20", rb"version (\d+\.\d+(?:\.|-dev|-rc)\d+)"),)
    ),
    _Classifier("envoy", "envoy", ((b"/Clean/RELEASE", _NUMBER + rb"(?:-\w+)?/Clean/RELEASE"),)),
    _Classifier("memcached", "memcached", ((b"memcached ", rb"memcached " + _NUMBER),)),
    _Classifier("httpd", "httpd|apache2", ((b"Apache/", rb"Apache/" + _NUMBER),)),
    _Classifier("mariadb", "mariadbd|mysqld", ((b"-MariaDB", _NUMBER + rb"-MariaDB"),)),
    _Classifier("mysql", "mysqld", ((b"/mysql-", rb"/mysql-(\d+\.\d+\.\d+)/"),)),
    _Classifier("erlang", r"beam\.smp", ((b"/usr/local/lib/erlang", rb"OTP-(\d+(?:\.\d+)+)"),)),
)
_FILES = re.compile(
    "|".join(f"(?P<c{number}>{each.files})" for number, each in enumerate(_CLASSIFIERS))
    + r"|(?:lib)?python(?P<python>\d\.\d+)[a-z]?(?:\.so[\d.]*)?"
)


def find_classifiers(path: str) -> tuple[_Classifier, ...]:
    """Return what may tell the version of the program at `path`, by its file name."""
    name = path.rpartition("/")[2]
    match = _FILES.fullmatch(name)
    if not match:
        return ()
    if match["python"]:
        return (_python(match["python"].encode()),)
    return tuple(each for each in _CLASSIFIERS if re.fullmatch(each.files, name))


def _python(series: bytes) -> _Classifier:
    """Python's version stands alone between zero bytes; the file name tells its beginning."""
    version = rb"\0(" + re.escape(series) + rb"\.\d+(?:(?:a|b|rc)\d+)?)\+?\0"
    return _Classifier("python", "", ((b"\0" + series + b".", version),))


class ClassifierScanner:
    """Finds the version in the constants of one program."""

    def __init__(self, path: str, classifiers: tuple[_Classifier, ...]) -> None:
        self._path = path
        self._tail = b""
        self._waiting = [
            (each.package, literal, re.compile(pattern))
            for each in classifiers
            for literal, pattern in each.evidence
        ]
        self._version: tuple[str, str] | None = None
        self._tries = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the constants."""
        if self._version or self._tries > _MAX_TRIES:
            return
        data = self._tail + chunk
        for package, literal, pattern in self._waiting:
            version = self._search(data, literal, pattern)
            if version:
                self._version = (package, version)
                return
        self._tail = data[-(_BEFORE + _AFTER) :]

    def finish(self) -> Found:
        """Return the program as a generic package; nothing where it does not tell its version."""
        if not self._version:
            return Found()
        package = Package(
            type="generic",
            name=self._version[0],
            version=self._version[1],
            kind="application",
            locations=(self._path,),
            cataloger=NAME,
            method="binary-analysis",
            confidence=_CONFIDENCE,
        )
        return Found(packages=(package,))

    def _search(self, data: bytes, literal: bytes, pattern: re.Pattern[bytes]) -> str:
        place = data.find(literal)
        while place >= 0 and self._tries <= _MAX_TRIES:
            self._tries += 1
            match = pattern.search(data, max(0, place - _BEFORE), place + len(literal) + _AFTER)
            if match:
                return match[1].decode("ascii", "replace")
            place = data.find(literal, place + 1)
        return ""
