import sqlite3
import struct

import pytest
from cataloger.samples import rpm_bdb, rpm_header, rpm_named, rpm_ndb, rpm_sqlite

from titan_provenance.cataloger import rpm_bdb as bdb
from titan_provenance.cataloger import rpm_header as header
from titan_provenance.cataloger import rpm_ndb as ndb
from titan_provenance.cataloger import rpm_sqlite as sqlite
from titan_provenance.cataloger.interface import Found, ParseError
from titan_provenance.model.package import Package

FORMS = [
    pytest.param(sqlite.parse, rpm_sqlite, id="sqlite"),
    pytest.param(ndb.parse, rpm_ndb, id="ndb"),
    pytest.param(bdb.parse, rpm_bdb, id="bdb"),
    pytest.param(bdb.parse, lambda blobs: rpm_bdb(blobs, ">", 1024), id="bdb-big-endian"),
]


@pytest.mark.parametrize(("parse", "make"), FORMS)
def test_each_form_of_the_database_holds_the_same(parse, make):
    found = parse("var/lib/rpm/x", make([rpm_header(), rpm_named("gpg-pubkey"), rpm_named("a")]))
    assert found.problems == ()
    assert [package.name for package in found.packages] == ["openssl-libs", "a"]
    assert found.packages[0] == Package(
        type="rpm",
        name="openssl-libs",
        version="3.0.7-24.el9",
        qualifiers=(("arch", "x86_64"), ("epoch", "1")),
        locations=("var/lib/rpm/x",),
        cataloger="rpm",
        source="openssl",
        source_version="3.0.7-24.el9",
        licenses=("ASL 2.0",),
        supplier="Red Hat, Inc.",
        homepage="http://www.openssl.org/",
        description="A general purpose library",
        files="usr/lib64/libcrypto.so.3\netc/pki/tls/openssl.cnf",
        depends=("/usr/bin/sh", "libc.so.6"),
        provides=("libcrypto.so.3()(64bit)", "openssl-libs"),
    )


@pytest.mark.parametrize(("parse", "make"), FORMS)
def test_one_damaged_package_does_not_hide_the_others(parse, make):
    nameless = rpm_header([(1001, 6, ["1"])])
    found = parse("f", make([rpm_named("a"), b"\0\0\0\1", nameless, rpm_named("b")]))
    assert [package.name for package in found.packages] == ["a", "b"]
    assert len(found.problems) == 2


@pytest.mark.parametrize(("parse", "make"), FORMS)
def test_a_database_without_packages(parse, make):
    assert parse("f", make([])) == Found()


@pytest.mark.parametrize("parse", [sqlite.parse, ndb.parse, bdb.parse])
@pytest.mark.parametrize("data", [b"", b"RpmP", b"SQLite format 3\0" + bytes(200), bytes(600)])
def test_what_is_no_database_fails(parse, data):
    with pytest.raises(ParseError):
        parse("f", data)


def test_a_database_that_runs_for_ever_is_stopped(monkeypatch):
    monkeypatch.setattr(sqlite, "_STEPS", 1000)
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIEW Packages AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n FROM c)"
        " SELECT n AS blob FROM c WHERE n > 1"
    )
    data = connection.serialize()
    connection.close()
    with pytest.raises(ParseError, match="interrupted"):
        sqlite.parse("f", data)


def test_a_chain_of_pages_in_a_circle_ends():
    data = bytearray(rpm_bdb([rpm_header()]))
    # The first overflow page names itself as the next.
    struct.pack_into("<I", data, 2 * 512 + 16, 2)
    with pytest.raises(ParseError, match="damaged"):
        bdb.parse("f", bytes(data))


def test_packages_are_read_to_a_number_and_size(monkeypatch):
    monkeypatch.setattr(header, "MAX_PACKAGES", 2)
    found = sqlite.parse("f", rpm_sqlite([rpm_named(name) for name in "abc"]))
    assert len(found.packages) == 2
    assert "more than" in found.problems[0]
    monkeypatch.setattr(header, "MAX_SIZE", 100)
    assert len(sqlite.parse("f", rpm_sqlite([rpm_named("a"), rpm_named("b")])).packages) == 1
