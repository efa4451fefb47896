import hashlib
import io
import zipfile

import pytest
from cataloger.samples import JAR, MANIFEST, make_zip, pom

from titan_provenance.cataloger import java
from titan_provenance.cataloger.interface import Found, ParseError


def purls(found):
    return [package.purl.removeprefix("pkg:maven/") for package in found.packages]


def test_an_archive_with_shaded_and_nested_ones():
    found = java.parse("app/app.jar", JAR)
    assert purls(found) == [
        "com.example/app@1.0",
        "com.google.guava/guava@32.1",
        "org.slf4j/slf4j-api@2.0.9",
    ]
    assert {package.locations for package in found.packages} == {("app/app.jar",)}
    app, guava, slf4j = found.packages
    assert app.hashes[1] == ("SHA-256", hashlib.sha256(JAR).hexdigest())
    assert app.supplier == "The Foundation"
    assert app.licenses == ("https://www.apache.org/licenses/LICENSE-2.0.txt", "MIT")
    assert app.confidence == guava.confidence == 1
    assert slf4j.confidence < 1
    assert found.status == "partial"
    assert len(found.problems) == 1
    assert found.problems[0].startswith("app/app.jar!BOOT-INF/lib/broken.jar: no zip file: ")


@pytest.mark.parametrize(
    ("path", "entries", "expected"),
    [
        # Shaded only: the archive itself is what its file is called.
        ("foo-bar-1.0.jar", pom("g", "foo", "9"), ["foo-bar/foo-bar@1.0", "g/foo@9"]),
        # Renamed, but what it says of itself fits its only artifact.
        (
            "app.jar",
            {**pom("g", "a", "1"), "META-INF/MANIFEST.MF": b"Implementation-Version: 1\n"},
            ["g/a@1"],
        ),
        ("a-1.2-SNAPSHOT.jar", {"X.class": b""}, ["a/a@1.2-SNAPSHOT"]),
        ("netty-4.1.0.Final-linux-x86_64.jar", pom("io.netty", "netty", "4.1.0.Final"),
         ["io.netty/netty@4.1.0.Final"]),
        ("x.jar", {"META-INF/MANIFEST.MF": b"Implementation-Vendor-Id: org.x\n"}, ["org.x/x"]),
        ("x-1.jar", {"META-INF/MANIFEST.MF": b"Bundle-SymbolicName: com.y.z;a=b\n"},
         ["com.y.z/x@1"]),
        ("resources.jar", {"readme.txt": b""}, []),
        ("x-1.jar", {**pom("g", "a", "${project.version}"), "X.class": b""}, ["x/x@1"]),
    ],
)  # fmt: skip
def test_what_an_archive_is(path, entries, expected):
    entries = {"X.class": b"", **entries} if "readme.txt" not in entries else entries
    assert purls(java.parse(path, make_zip(entries))) == expected


def test_archives_nested_too_deep_are_a_problem():
    data = make_zip({"X.class": b""})
    for depth in range(7):
        data = make_zip({f"a{depth}-1.jar": data, "X.class": b""})
    found = java.parse("top-1.jar", data)
    assert len(found.packages) == 5
    assert "nested deeper than 4" in found.problems[0]


def test_bombs_are_not_inflated(monkeypatch):
    monkeypatch.setattr(java, "_MAX_ARCHIVE", 100_000)
    bomb = make_zip({"a-1.jar": bytes(1_000_000), "META-INF/MANIFEST.MF": bytes(2_000_000)})
    found = java.parse("x-1.jar", bomb)
    assert len(found.problems) == 2
    assert all("too large" in problem for problem in found.problems)


def test_all_archives_of_a_file_share_one_budget(monkeypatch):
    monkeypatch.setattr(java, "_MAX_INFLATED", 1000)
    inner = make_zip({"META-INF/MANIFEST.MF": MANIFEST})
    found = java.parse("x-1.jar", make_zip({f"{n}-1.jar": inner for n in range(9)}))
    assert 0 < len(found.packages) < 9
    assert found.problems


def test_entries_that_lie_are_a_problem():
    data = bytearray(make_zip({"META-INF/MANIFEST.MF": MANIFEST}))
    place = data.find(b"PK\x01\x02")
    data[place + 24 : place + 28] = b"\1\0\0\0"
    assert java.parse("x-1.jar", bytes(data)).problems
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("META-INF/MANIFEST.MF", MANIFEST)
    assert "not known here" in java.parse("x-1.jar", stream.getvalue()).problems[0]


def test_what_is_no_archive_fails(monkeypatch):
    with pytest.raises(ParseError, match=r"x\.jar: no zip file"):
        java.parse("x.jar", b"PK\3\4 nonsense")
    monkeypatch.setattr(java, "_MAX_ENTRIES", 2)
    with pytest.raises(ParseError, match="more than 2 entries"):
        java.parse("x.jar", make_zip({"a": b"", "b": b"", "c": b""}))
    assert java.parse("x.jar", make_zip({})) == Found()
