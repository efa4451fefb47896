"""Executables: Go build information, cargo-auditable lists, version classifiers."""

import json
import zlib

import pytest
from cataloger.samples import GO_MODULES, RUST_NOTE, go_info, make_elf

from titan_provenance.cataloger import classifiers, executable, rust_binary
from titan_provenance.cataloger.go_binary import read_build_info
from titan_provenance.cataloger.interface import Found, ParseError
from titan_provenance.cataloger.rust_binary import read_crates


def scan(data, path="usr/bin/x", size=1000):
    scanner = executable.open_scanner(path, data[:4096], executable=True)
    for start in range(0, len(data), size):
        scanner.feed(data[start : start + size])
    return scanner.finish()


def names(found):
    return [package.purl.removeprefix("pkg:") for package in found.packages]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_go_program_tells_its_modules(bits, order):
    found = scan(make_elf(variables=go_info(), bits=bits, order=order))
    assert names(found) == [
        "golang/github.com/klauspost/compress@v1.17.0",
        "golang/github.com/fork/thing@v1.0.1",
        # What a directory replaces keeps its name: nobody knows it by another.
        "golang/example.com/local@v0.0.0",
        "golang/stdlib@1.22.3",
        "golang/example.com/server/v2@v2.15.1",
    ]
    main = found.packages[-1]
    assert main.kind == "application"
    assert main.method == "binary-analysis"
    assert main.depends[-1] == "stdlib@1.22.3"
    assert len(main.depends) == 4
    assert found.status == "succeeded"


def test_constants_with_the_magic_of_go_are_no_program():
    debugger = b"\xff Go buildinf:" * 3 + b"\x08\x02" + bytes(16) + b"\x05hello"
    assert names(scan(make_elf(variables=debugger + bytes(40) + go_info())))[-1].endswith("2.15.1")
    assert scan(make_elf(variables=debugger + bytes(40))) == Found()


def test_go_information_that_cannot_be_read_is_said():
    old = b"\xff Go buildinf:" + bytes([8, 0]) + bytes(64)
    assert "before Go 1.18" not in scan(make_elf(variables=old)).problems[0]
    assert "built with Go before 1.18" in scan(make_elf(variables=old)).problems[0]
    cut = make_elf(variables=go_info())[:-60]
    assert scan(cut).problems == ("usr/bin/x: its Go build information is cut off",)
    huge = b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16) + b"\x04go1." + b"\xff" * 4 + b"\x7f"
    assert "too large" in scan(make_elf(variables=huge)).problems[0]


@pytest.mark.parametrize(
    ("version", "build", "expected"),
    [
        ("v1.2.3", '-ldflags="-X main.version=9.9.9"', "v1.2.3"),
        ("(devel)", '-ldflags="-s -w -X main.version=v1.4.0 -X main.commit=1.0"', "v1.4.0"),
        ("(devel)", "-ldflags=-X 'github.com/a/b/internal.Version=2.0.1-rc.1'", "v2.0.1-rc.1"),
        ("(devel)", "-ldflags=-X a/b.Version=1.1 -X main.Version=1.2", "v1.2"),
        ("v0.0.0-20240102030405-abcdefabcdef", "-ldflags=-X main.tag=3.1.0", "v3.1.0"),
        ("(devel)", "-ldflags=-X main.version=dev", ""),
        (
            "(devel)",
            "vcs.revision=abcdefabcdefabcdef\nbuild\tvcs.time=2024-01-02T03:04:05Z",
            "v0.0.0-20240102030405-abcdefabcdef",
        ),
        ("", "-compiler=gc", ""),
    ],
)
def test_the_version_of_the_main_module(version, build, expected):
    text = f"mod\texample.com/a\t{version}\nbuild\t{build}\n"
    found = read_build_info("x", b"devel go1.23-abc", b"m" * 16 + text.encode() + b"m" * 16)
    assert [package.version for package in found.packages] == [expected]


def test_a_go_module_without_a_name_is_a_problem():
    found = read_build_info("x", b"go1.22", b"m" * 16 + b"dep\t\tv1\n" + b"m" * 16)
    assert found.problems == ("x: a Go module without a name",)
    assert names(found) == ["golang/stdlib@1.22"]


@pytest.mark.parametrize("place", ["constants", "rest"])
@pytest.mark.parametrize("size", [1, 700, 10_000])
def test_a_rust_program_tells_its_crates(place, size):
    found = scan(make_elf(**{place: b"x\xda" * 300 + RUST_NOTE + b"more"}), size=size)
    assert names(found) == ["cargo/app@0.3.1", "cargo/serde@1.0.190"]
    assert found.packages[0].kind == "application"
    assert found.packages[0].depends == ("serde@1.0.190", "autocfg@1.1.0")
    assert found.packages[1].depends == ()


@pytest.mark.parametrize("level", [1, 6, 9])
@pytest.mark.parametrize("crates", [1, 2, 500, 5000])
def test_crates_are_found_whatever_the_compression(level, crates):
    packages = [{"name": f"crate-{n * n}", "version": f"{n}.1"} for n in range(crates)]
    data = json.dumps({"packages": packages}, separators=(",", ":")).encode()
    assert len(scan(make_elf(rest=zlib.compress(data, level))).packages) == crates


def test_crates_that_cannot_be_read_are_said(monkeypatch):
    assert "cut off" in scan(make_elf(rest=RUST_NOTE[:-20])).problems[0]
    broken = zlib.compress(b'{"packages":[' + b"x" * 200)
    assert "not JSON" in scan(make_elf(rest=broken)).problems[0]
    damaged = bytearray(zlib.compress(b'{"packages":[' + bytes(range(256)) * 20, 9))
    damaged[-2:] = b"\0\0"
    assert "cannot be inflated" in scan(make_elf(rest=bytes(damaged))).problems[0]
    bomb = zlib.compress(b'{"packages":[' + b" " * 20_000_000, 9)
    assert "too large" in scan(make_elf(rest=bomb)).problems[0]
    monkeypatch.setattr(rust_binary, "_MAX_TRIES", 10)
    assert "looks like" in scan(make_elf(rest=b"x\x9c\x05" * 1000)).problems[0]


def test_crates_are_read_leniently_and_to_a_number(monkeypatch):
    crate = {"name": "a", "version": "1", "dependencies": [0, -1, "x", 7]}
    data = json.dumps({"packages": [crate, {"name": 1}, 5]}).encode()
    found = read_crates("x", data)
    assert [package.depends for package in found.packages] == [("a@1",)]
    assert len(found.problems) == 2
    monkeypatch.setattr(rust_binary, "_MAX_PACKAGES", 2)
    with pytest.raises(ParseError, match="more than 2 crates"):
        read_crates("x", data)


@pytest.mark.parametrize(
    ("path", "content", "purl"),
    [
        ("usr/local/bin/node", b"\0node.js/v22.20.0\0", "node@22.20.0"),
        ("usr/local/bin/python3.11", b"\0003.11.9\0", "python@3.11.9"),
        ("usr/lib/libpython3.13t.so.1.0", b"\0003.13.0rc2+\0", "python@3.13.0rc2"),
        ("usr/bin/redis-server", b"\0007.0.14buildkitsandbox-1702957741000000000", "redis@7.0.14"),
        (
            "usr/bin/redis-server",
            b"4.0.11841ce7054bd9-1542359302000000000\0",
            "redis@4.0.11",
        ),
        ("x/valkey-server", b"8.0.1host-1702957741000000000\0", "valkey@8.0.1"),
        ("usr/lib/postgresql/16/bin/postgres", b"\0PostgreSQL 16.2 (Deb", "postgresql@16.2"),
        ("usr/sbin/nginx", b"\0nginx version: nginx/1.25.3\0", "nginx@1.25.3"),
        ("usr/lib/libcrypto.so.3", b"\0OpenSSL 3.0.13 30 Jan 2024\0", "openssl@3.0.13"),
        ("usr/bin/openssl", b"\0OpenSSL 1.1.1w  11 Sep 2023\0", "openssl@1.1.1w"),
        ("bin/busybox", b"BusyBox v1.36.1 (2023", "busybox@1.36.1"),
        ("bin/bash", b"@(#)Bash version 5.2.15(1) release GNU", "bash@5.2.15"),
        ("usr/lib/libcurl.so.4.8.0", b"\0libcurl/8.5.0\0", "curl@8.5.0"),
        ("usr/local/bin/ruby", b"ruby 3.3.0 (2023-12-25", "ruby@3.3.0"),
        ("usr/local/bin/php", b"X-Powered-By: PHP/8.3.2\0", "php@8.3.2"),
        ("usr/local/bin/perl", b"/usr/local/lib/perl5/5.38.2/x", "perl@5.38.2"),
        (
            "usr/sbin/haproxy",
            b"HAProxy version 2.9.4-4e071ad, released 2024",
            "haproxy@2.9.4",
        ),
        ("usr/bin/envoy", b"a/1.29.1/Clean/RELEASE/", "envoy@1.29.1"),
        ("usr/bin/memcached", b"memcached 1.6.23\0", "memcached@1.6.23"),
        ("usr/local/apache2/bin/httpd", b"Apache/2.4.58 (Unix)", "httpd@2.4.58"),
        ("usr/sbin/mariadbd", b"11.2.2-MariaDB", "mariadb@11.2.2"),
        ("usr/sbin/mysqld", b"/build/mysql-8.0.36/sql", "mysql@8.0.36"),
    ],
)
def test_programs_without_a_package_tell_their_version(path, content, purl):
    found = scan(make_elf(constants=b"a" * 990 + content + b" "), path)
    assert names(found) == [f"generic/{purl}"]
    assert found.packages[0].confidence < 1


def test_a_program_that_tells_no_version_is_none(monkeypatch):
    assert scan(make_elf(constants=b"node.js/vX"), "usr/bin/node") == Found()
    assert scan(make_elf(constants=b"node.js/v1.2.3"), "usr/bin/other") == Found()
    monkeypatch.setattr(classifiers, "_MAX_TRIES", 3)
    assert (
        scan(
            make_elf(constants=(b"node.js/v" + b"x" * 300) * 9 + b"node.js/v1.2.3"), "usr/bin/node"
        )
        == Found()
    )


def test_a_go_program_needs_no_other_name():
    content = make_elf(constants=b"nginx/1.2.3", variables=go_info(GO_MODULES))
    assert not any(name.startswith("generic") for name in names(scan(content, "usr/bin/nginx")))


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"MZ" + bytes(60)])
def test_other_files_are_not_read(data):
    assert executable.open_scanner("usr/bin/node", data, executable=True) is None


def test_object_files_are_not_read():
    data = bytearray(make_elf())
    data[16] = 1
    assert executable.open_scanner("usr/bin/node", bytes(data), executable=True) is None


def test_libraries_that_may_not_be_run_are_read_by_name():
    data = make_elf(constants=b"OpenSSL 3.0.13 30")
    assert executable.open_scanner("lib/libcrypto.so.3", data, executable=False)
    assert executable.open_scanner("lib/libx.so.3", data, executable=False) is None


def test_a_program_with_unreadable_headers_is_read_whole():
    data = bytearray(make_elf(variables=go_info(), constants=b"node.js/v1.2.3"))
    data[32:40] = b"\xff" * 8
    assert len(scan(bytes(data), "bin/node").packages) == 5
