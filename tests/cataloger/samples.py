"""One small file of each format, written here; for tests of the parsers and as seeds of fuzzing."""

import io
import json
import sqlite3
import struct
import zipfile
import zlib

APK = b"""C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:busybox
V:1.36.1-r29
A:x86_64
T:Size optimized toolbox
U:https://busybox.net/
L:GPL-2.0-only
o:busybox
m:Natanael Copa <ncopa@alpinelinux.org>
D:so:libc.musl-x86_64.so.1 !uclibc
p:cmd:busybox=1.36.1-r29 /bin/sh
F:bin
R:busybox
a:0:0:755
Z:Q1vfk1apUWI4yLJGhhNRd0kJixfvY=
F:
R:linuxrc

P:musl
V:1.2.5-r0
A:x86_64
o:musl
L:MIT
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1

P:ssl_client
V:1.36.1-r29
A:x86_64
o:busybox
D:busybox>=1.36 missing~1
"""

DPKG = b"""Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u8
Provides: libc6-virtual (= 2.36)
Depends: libgcc-s1, libcrypt1 (>= 1:4.4.10-10~),
 base-files:any
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library: Shared libraries
 Contains the standard libraries.
 .
 Version: this is text, no field.
Homepage: https://www.gnu.org/software/libc/libc.html

Package: python3-yaml
Status: install ok installed
Maintainer: Debian Python Team <team+python@tracker.debian.org>
Architecture: amd64
Version: 6.0-3+b2
Depends: gpgv | gpgv2, libc6 (>= 2.14)

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: half
Status: install ok half-configured
Architecture: all
Version: 1:2-3
Pre-Depends: libc6-virtual
"""

COPYRIGHT = b"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: x

Files: *
Copyright: someone
License: GPL-2+ or Artistic
 text

Files: debian/*
License: MIT

License: MIT
 Permission is hereby granted, free of charge, to any person obtaining a copy
"""

NPM = json.dumps(
    {
        "name": "@types/node",
        "version": "20.1.0",
        "license": "MIT",
        "author": {"name": "A", "email": "a@b.example"},
        "homepage": "https://example.com",
        "description": "two\nlines",
        "dependencies": {"undici-types": "~5"},
        "peerDependencies": {"typescript": "*"},
        "devDependencies": {"jest": "1"},
    }
).encode()

NPM_LOCK = json.dumps(
    {
        "lockfileVersion": 3,
        "packages": {
            "": {"name": "app", "version": "1.0.0"},
            "node_modules/a": {"version": "1.0.0", "integrity": "sha1-" + "A" * 27 + "="},
            "node_modules/a/node_modules/b": {
                "version": "2.0.0",
                "integrity": "sha512-" + "A" * 86 + "== sha1-wrong md5-x",
            },
            "node_modules/linked": {"link": True},
        },
    }
).encode()

PYTHON = b"""Metadata-Version: 2.1
Name: Flask-SQLAlchemy
Version: 3.1.1
Summary: Add SQLAlchemy support to your Flask application.
Author-email: Pallets <contact@palletsprojects.com>
License: BSD
        3-Clause, the whole text of it
Classifier: License :: OSI Approved :: BSD License
Classifier: Programming Language :: Python
Project-URL: Documentation, https://docs.example
Project-URL: Source, https://src.example
Requires-Dist: flask>=2.2.5
Requires-Dist: SQLAlchemy[asyncio] (>=2.0.16) ; python_version >= "3.8"
Requires-Dist: pytest; extra == 'test'

Name: a text that looks like a header
"""

GEMSPEC = b"""# -*- encoding: utf-8 -*-
# stub: nokogiri 1.15.4 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = "1.15.4"
  s.platform = "x86_64-linux".freeze

  s.require_paths = ["lib".freeze]
  s.authors = ["Mike Dalessio".freeze, "Aaron Patterson".freeze]
  s.homepage = "https://nokogiri.org".freeze
  s.licenses = ["MIT".freeze]
  s.summary = "Reads \\"XML\\" and HTML".freeze

  s.add_runtime_dependency(%q<racc>.freeze, ["~> 1.4".freeze])
  s.add_development_dependency(%q<rake>.freeze, ["~> 1.4".freeze])
end
"""

COMPOSER = json.dumps(
    {
        "packages": [
            {
                "name": "Monolog/monolog",
                "version": "3.5.0",
                "license": ["MIT"],
                "authors": [{"name": "Jordi Boggiano"}],
                "homepage": "https://example.com",
                "description": "Sends logs",
                "dist": {"shasum": "a" * 40},
                "require": {"php": ">=8.1", "psr/log": "^2.0 || ^3.0"},
                "provide": {"psr/log-implementation": "3.0.0"},
            },
            {"name": "psr/log", "version": "3.0.0", "license": "MIT", "dist": {"shasum": ""}},
            {"name": "broken"},
        ]
    }
).encode()

DOTNET = json.dumps(
    {
        "targets": {
            ".NETCoreApp,Version=v8.0/linux-x64": {
                "App/1.0.0": {"dependencies": {"Newtonsoft.Json": "13.0.3"}},
                "Newtonsoft.Json/13.0.3": {"runtime": {"lib/Newtonsoft.Json.dll": {}}},
            }
        },
        "libraries": {
            "App/1.0.0": {"type": "project", "sha512": ""},
            "Newtonsoft.Json/13.0.3": {"type": "package", "sha512": "sha512-" + "A" * 86 + "=="},
            "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack"},
            "Local/1.0.0.0": {"type": "reference"},
            "/1": {"type": "package"},
        },
    }
).encode()

OS_RELEASE = b"""PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME='Debian GNU/Linux'
VERSION_ID="12"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""

JDK_RELEASE = b'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="21.0.2"\nOS_ARCH="x86_64"\n'


def make_zip(entries):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return stream.getvalue()


def pom(group, artifact, version):
    text = f"#Created by Maven\nversion={version}\ngroupId={group}\nartifactId={artifact}\n"
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": text.encode()}


MANIFEST = (
    b"Manifest-Version: 1.0\r\nImplementation-Vendor: The\r\n  Foundation\r\n"
    b"Bundle-License: https://www.apache.org/licenses/LICENSE-2.0.txt;link=x, MIT\r\n"
    b"Bundle-SymbolicName: org.slf4j.api\r\nBundle-Version: 2.0.9\r\n\r\nName: x\r\nA: b\r\n"
)

JAR = make_zip(
    {
        "META-INF/MANIFEST.MF": MANIFEST,
        **pom("com.example", "app", "1.0"),
        **pom("com.google.guava", "guava", "32.1"),
        "BOOT-INF/lib/slf4j-api-2.0.9.jar": make_zip({"META-INF/MANIFEST.MF": MANIFEST}),
        "BOOT-INF/lib/broken.jar": b"no zip",
    }
)

# Tag, type and values of each entry.
_RPM = [
    (1000, 6, ["openssl-libs"]),
    (1001, 6, ["3.0.7"]),
    (1002, 6, ["24.el9"]),
    (1003, 4, [1]),
    (1004, 9, ["A general purpose library", "Eine Bibliothek"]),
    (1011, 6, ["Red Hat, Inc."]),
    (1014, 6, ["ASL 2.0"]),
    (1020, 6, ["http://www.openssl.org/"]),
    (1022, 6, ["x86_64"]),
    (1044, 6, ["openssl-3.0.7-24.el9.src.rpm"]),
    (1047, 8, ["libcrypto.so.3()(64bit)", "openssl-libs"]),
    (1049, 8, ["/usr/bin/sh", "rpmlib(CompressedFileNames)", "(a if b)", "libc.so.6"]),
    (1116, 4, [0, 1]),
    (1117, 8, ["libcrypto.so.3", "openssl.cnf"]),
    (1118, 8, ["/usr/lib64/", "/etc/pki/tls/"]),
]


def rpm_header(entries=_RPM):
    index, store = b"", b""
    for tag, kind, values in entries:
        if kind == 4:
            store += b"\0" * (-len(store) % 4)
            data = b"".join(struct.pack(">I", value) for value in values)
        else:
            data = b"".join(value.encode() + b"\0" for value in values)
        index += struct.pack(">IIII", tag, kind, len(store), len(values))
        store += data
    return struct.pack(">II", len(entries), len(store)) + index + store


def rpm_named(name):
    return rpm_header([(1000, 6, [name]), (1001, 6, ["1"]), (1002, 6, ["2"])])


def rpm_sqlite(blobs, *, log=True):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(blob,) for blob in blobs])
    connection.commit()
    data = connection.serialize()
    connection.close()
    # As rpm leaves it: with a write-ahead log.
    return data[:18] + b"\2\2" + data[20:] if log else data


def rpm_ndb(blobs):
    slots, body = b"", b""
    for number, blob in enumerate(blobs, 1):
        slots += struct.pack("<4sIII", b"Slot", number, (4096 + len(body)) // 16, 1)
        body += struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + blob
        body += b"\0" * (-len(body) % 16)
    head = struct.pack("<4sIII16x", b"RpmP", 0, 1, 1) + slots
    empty = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return head + empty * ((4096 - len(head)) // 16) + body


def rpm_bdb(blobs, order="<", size=512):
    pages = [bytearray(size), bytearray(size)]
    struct.pack_into(f"{order}12xI4xI", pages[0], 0, 0x061561, size)
    pages[0][25] = 8
    place = size
    struct.pack_into(f"{order}20xH3xB", pages[1], 0, 2 * len(blobs), 13)
    for number, blob in enumerate(blobs):
        place -= 12
        struct.pack_into(f"{order}B3xII", pages[1], place, 3, len(pages), len(blob))
        struct.pack_into(f"{order}HH", pages[1], 26 + 4 * number, 0, place)
        for start in range(0, len(blob), size - 26):
            part = blob[start : start + size - 26]
            page = bytearray(size)
            more = start + size - 26 < len(blob)
            following = len(pages) + 1 if more else 0
            struct.pack_into(f"{order}16xI2xHxB", page, 0, following, len(part), 7)
            page[26 : 26 + len(part)] = part
            pages.append(page)
    return b"".join(pages)


def make_elf(*, constants=b"", variables=b"", rest=b"", bits=64, order="<"):
    """Return an executable: code, constants and variables as segments, and what is not loaded."""
    form = f"{order}16sHHIQQQIHHHHHH" if bits == 64 else f"{order}16sHHIIIIIHHHHHH"
    head = struct.calcsize(form)
    entry = f"{order}IIQQQQQQ" if bits == 64 else f"{order}IIIIIIII"
    size = struct.calcsize(entry)
    place = 4096
    table, body = b"", b""
    for data, flags in ((b"\x90" * 64, 5), (constants, 4), (variables, 6)):
        start, length = place + len(body), len(data)
        if bits == 64:
            table += struct.pack(entry, 1, flags, start, start, start, length, length, 4096)
        else:
            table += struct.pack(entry, 1, start, start, start, length, length, flags, 4096)
        body += data + b"\0" * (-len(data) % 16)
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    header = struct.pack(form, ident, 3, 62, 1, 0, head, 0, 0, head, size, 3, 0, 0, 0)
    return (header + table).ljust(place, b"\0") + body + rest


def varint(data):
    size, out = len(data), b""
    while size > 127:
        out += bytes([size & 127 | 128])
        size >>= 7
    return out + bytes([size]) + data


GO_MODULES = """path\texample.com/cmd/server
mod\texample.com/server/v2\tv2.15.1\th1:x=
dep\tgithub.com/klauspost/compress\tv1.17.0\th1:x=
dep\tgithub.com/old/thing\tv1.0.0
=>\tgithub.com/fork/thing\tv1.0.1\th1:x=
dep\texample.com/local\tv0.0.0
=>\t./local\t
build\t-compiler=gc
"""


def go_info(modules=GO_MODULES, release="go1.22.3"):
    head = b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16)
    return head + varint(release.encode()) + varint(b"m" * 16 + modules.encode() + b"m" * 16)


CRATES = json.dumps(
    {
        "packages": [
            {"name": "app", "version": "0.3.1", "source": "local", "dependencies": [1, 2],
             "root": True},
            {"name": "serde", "version": "1.0.190", "source": "crates.io", "dependencies": [9]},
            {"name": "autocfg", "version": "1.1.0", "source": "crates.io", "kind": "build"},
        ]
    },
    separators=(",", ":"),
).encode()  # fmt: skip

RUST_NOTE = zlib.compress(CRATES, 7)

# Cataloger name → a path that it reads, and bytes.
FILES = {
    "os-release": ("etc/os-release", OS_RELEASE),
    "apk": ("lib/apk/db/installed", APK),
    "dpkg": ("var/lib/dpkg/status", DPKG),
    "dpkg-status.d": ("var/lib/dpkg/status.d/libc6", DPKG),
    "dpkg-list": ("var/lib/dpkg/info/libc6:amd64.list", b"/.\n/usr\n/usr/lib/libc.so.6\n"),
    "dpkg-md5sums": (
        "var/lib/dpkg/status.d/libc6.md5sums",
        b"d41d8cd98f00b204e9800998ecf8427e  usr/lib/libc.so.6\n",
    ),
    "dpkg-copyright": ("usr/share/doc/libc6/copyright", COPYRIGHT),
    "npm": ("app/node_modules/@types/node/package.json", NPM),
    "npm-lock": ("app/package-lock.json", NPM_LOCK),
    "python": ("usr/lib/python3/site-packages/Flask_SQLAlchemy-3.1.1.dist-info/METADATA", PYTHON),
    "python-requires": ("a/x.egg-info/requires.txt", b"six>=1\n\n[extra]\nmock\n"),
    "python-direct-url": (
        "a/x.dist-info/direct_url.json",
        b'{"url": "https://u:p@h.example/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
    ),
    "java": ("app/app.jar", JAR),
    "java-runtime": ("opt/java/release", JDK_RELEASE),
    "gem": ("usr/lib/ruby/gems/3.1.0/specifications/nokogiri-1.15.4.gemspec", GEMSPEC),
    "composer": ("app/vendor/composer/installed.json", COMPOSER),
    "dotnet": ("app/App.deps.json", DOTNET),
    "rpm": ("var/lib/rpm/rpmdb.sqlite", rpm_sqlite([rpm_header()])),
    "rpm-ndb": ("usr/lib/sysimage/rpm/Packages.db", rpm_ndb([rpm_header()])),
    "rpm-bdb": ("var/lib/rpm/Packages", rpm_bdb([rpm_header()])),
}

EXECUTABLES = {
    "go": ("usr/bin/server", make_elf(variables=b"\0" * 32 + go_info())),
    "rust": ("usr/bin/app", make_elf(rest=b"x\x9cx\xda" + RUST_NOTE + b"tail")),
    "node": ("usr/local/bin/node", make_elf(constants=b"\0node.js/v22.20.0\0" * 3)),
    "python": ("usr/lib/libpython3.11.so.1.0", make_elf(constants=b"a\x003.11.2\0b")),
}
