"""os-release, apk, dpkg and its copyright files."""

import pytest
from cataloger.samples import APK, COPYRIGHT, DPKG, OS_RELEASE

from titan_provenance.cataloger import apk, copyright_file, dpkg, os_release, text
from titan_provenance.cataloger.interface import Addition, Distro, Found, ParseError
from titan_provenance.model.package import Package


def test_os_release():
    found = os_release.parse("etc/os-release", OS_RELEASE)
    assert found == Found(
        distro=Distro(
            id="debian",
            version="12",
            name="Debian GNU/Linux",
            pretty_name="Debian GNU/Linux 12 (bookworm)",
            codename="bookworm",
            homepage="https://www.debian.org/",
        )
    )


def test_os_release_is_unquoted_as_a_shell_does():
    found = os_release.parse("f", b'ID=\'wolfi\' \nNAME="a \\"b\\" \\$c"\nVERSION_ID="\n# ID=x\n')
    assert found.distro == Distro(id="wolfi", name='a "b" $c', version='"')


@pytest.mark.parametrize("data", [b"", b"NAME=x", b"ID=", b"ID=../x", b"ID=a b", b" PID=1"])
def test_os_release_needs_an_id(data):
    with pytest.raises(ParseError, match="etc/os-release: states no ID"):
        os_release.parse("etc/os-release", data)


def test_apk():
    found = apk.parse("lib/apk/db/installed", APK)
    assert found.status == "succeeded"
    assert [(package.name, package.version) for package in found.packages] == [
        ("busybox", "1.36.1-r29"),
        ("musl", "1.2.5-r0"),
        ("ssl_client", "1.36.1-r29"),
    ]
    assert found.packages[0] == Package(
        type="apk",
        name="busybox",
        version="1.36.1-r29",
        qualifiers=(("arch", "x86_64"),),
        locations=("lib/apk/db/installed",),
        cataloger="apk",
        source="busybox",
        source_version="1.36.1-r29",
        licenses=("GPL-2.0-only",),
        supplier="Natanael Copa <ncopa@alpinelinux.org>",
        homepage="https://busybox.net/",
        description="Size optimized toolbox",
        files="bin/busybox\nlinuxrc",
        depends=("so:libc.musl-x86_64.so.1",),
        provides=("cmd:busybox", "/bin/sh"),
    )
    assert found.packages[2].source == "busybox"
    assert found.packages[2].depends == ("busybox", "missing")


def test_a_damaged_apk_database_says_what_was_not_read():
    found = apk.parse("f", APK + b"\nP:nameless\nA:x86_64\n")
    assert found.status == "partial"
    assert len(found.packages) == 3
    assert found.problems == ("f: no name or version, or too long: P:nameless A:x86_64",)


def test_dpkg():
    found = dpkg.parse_status("var/lib/dpkg/status", DPKG)
    assert found.status == "succeeded"
    assert [(package.name, package.version) for package in found.packages] == [
        ("libc6", "2.36-9+deb12u8"),
        ("python3-yaml", "6.0-3+b2"),
        ("half", "1:2-3"),
    ]
    assert found.packages[0] == Package(
        type="deb",
        name="libc6",
        version="2.36-9+deb12u8",
        qualifiers=(("arch", "amd64"),),
        locations=("var/lib/dpkg/status",),
        cataloger="dpkg",
        source="glibc",
        source_version="2.36-9",
        supplier="GNU Libc Maintainers <debian-glibc@lists.debian.org>",
        homepage="https://www.gnu.org/software/libc/libc.html",
        description="GNU C Library: Shared libraries",
        depends=("libgcc-s1", "libcrypt1", "base-files"),
        provides=("libc6-virtual",),
    )
    assert found.packages[1].depends == ("gpgv|gpgv2", "libc6")
    assert found.packages[2].depends == ("libc6-virtual",)


def test_distroless_packages_have_no_status_and_are_installed():
    found = dpkg.parse_status("var/lib/dpkg/status.d/tzdata", b"Package: tzdata\nVersion: 2024a\n")
    assert found.packages[0].name == "tzdata"
    assert found.packages[0].locations == ("var/lib/dpkg/status.d/tzdata",)


def test_a_corrupt_status_file_says_what_was_not_read():
    broken = b"\n\n".join([DPKG, b"Package: nameless\nStatus: install ok installed", b"\xff\0"])
    found = dpkg.parse_status("f", broken)
    assert found.status == "partial"
    assert len(found.packages) == 3
    assert len(found.problems) == 2
    assert "Package: nameless" in found.problems[0]


@pytest.mark.parametrize("parse", [dpkg.parse_status, apk.parse])
def test_what_is_no_database_fails(parse):
    with pytest.raises(ParseError, match="no database"):
        parse("f", b"\0\1\2 nonsense\n\nmore")
    assert parse("f", b"") == Found()


def test_a_status_file_of_removed_packages_only_is_read():
    data = b"Package: a\nStatus: deinstall ok config-files\nVersion: 1\n"
    assert dpkg.parse_status("f", data) == Found()


@pytest.mark.parametrize(
    ("module", "parse", "form"),
    [(dpkg, dpkg.parse_status, "Package: a{}\nVersion: 1"), (apk, apk.parse, "P:a{}\nV:1")],
)
def test_packages_are_read_to_a_number(monkeypatch, module, parse, form):
    monkeypatch.setattr(module, "MAX_PACKAGES", 3)
    data = "\n\n".join(form.format(number) for number in range(5)).encode()
    found = parse("f", data)
    assert len(found.packages) == 3
    assert found.problems == ("f: more than 3 packages",)


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (dpkg.parse_status, b"Package: a\nVersion: 1\nDepends: " + b"a," * 600_000),
        (apk.parse, b"P:a\nV:1\nD:" + b"a " * 2_200_000),
    ],
)
def test_a_package_of_megabytes_is_a_problem(parse, data):
    found = parse("f", data + b"\n\nPackage: b\nVersion: 1\n\nP:b\nV:1\n")
    assert [package.name for package in found.packages] == ["b"]
    assert "f: " in found.problems[0]


@pytest.mark.parametrize(("parse", "data"), [(dpkg.parse_status, DPKG), (apk.parse, APK)])
def test_dependencies_are_read_to_a_number(monkeypatch, parse, data):
    monkeypatch.setattr(text, "_MAX_NAMES", 4)
    found = parse("f", data)
    assert found.packages[0].depends
    assert found.packages[-1].depends == ()
    assert found.problems == ("f: more than 4 dependencies",)


def test_owned_paths_are_read_to_a_size(monkeypatch):
    monkeypatch.setattr(apk, "_MAX_FILES", 10)
    found = apk.parse("f", b"P:a\nV:1\nF:dir\n" + b"R:file\n" * 9)
    assert found.packages[0].files == "dir/file\ndir/file"


def test_problems_are_named_to_a_number():
    assert text.limited(["x"] * 30)[-1] == "and 10 more"


def test_dpkg_lists_say_what_a_package_owns():
    found = dpkg.parse_list("var/lib/dpkg/info/libc6:amd64.list", b"/.\n/usr\n/usr/lib/libc.so\n")
    assert found.additions == (Addition("deb", "libc6:amd64", files=".\nusr\nusr/lib/libc.so"),)
    assert dpkg.parse_list("f/x.list", b"") == Found()


def test_distroless_sums_say_what_a_package_owns():
    data = b"d41d8cd98f00b204e9800998ecf8427e  usr/a b\nnonsense\n"
    found = dpkg.parse_md5sums("var/lib/dpkg/status.d/x.md5sums", data)
    assert found.additions == (Addition("deb", "var/lib/dpkg/status.d/x", files="usr/a b"),)


@pytest.mark.parametrize(
    ("data", "licenses"),
    [
        (COPYRIGHT, ("GPL-2+ or Artistic", "MIT")),
        (
            b"See /usr/share/common-licenses/GPL-2.\n`/usr/share/common-licenses/LGPL-2.1'.",
            ("GPL-2", "LGPL-2.1"),
        ),
        (
            b"Permission is hereby granted, free of charge,\n * to any person obtaining a copy",
            ("MIT",),
        ),
        (
            b"""Redistribution and use in source and binary forms, with or without
            may be used to endorse or promote products derived from this software""",
            ("BSD-3-Clause",),
        ),
    ],
)
def test_copyright_files_declare_licences(data, licenses):
    found = copyright_file.parse("usr/share/doc/x/copyright", data)
    assert found.additions == (Addition("deb", "x", licenses=licenses),)


def test_a_copyright_file_without_licence_says_nothing():
    assert copyright_file.parse("usr/share/doc/x/copyright", b"Copyright 2020 me") == Found()
