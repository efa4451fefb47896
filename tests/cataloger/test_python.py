import json

import pytest
from cataloger.samples import PYTHON

from titan_provenance.cataloger import python
from titan_provenance.cataloger.interface import Addition, Found, ParseError
from titan_provenance.model.package import Package

PATH = "usr/lib/x.dist-info/METADATA"


def test_metadata():
    assert python.parse_metadata(PATH, PYTHON).packages == (
        Package(
            type="pypi",
            name="Flask-SQLAlchemy",
            version="3.1.1",
            locations=(PATH,),
            cataloger="python",
            licenses=("BSD License",),
            author="Pallets <contact@palletsprojects.com>",
            homepage="https://src.example",
            description="Add SQLAlchemy support to your Flask application.",
            depends=("flask", "sqlalchemy"),
        ),
    )


@pytest.mark.parametrize(
    ("lines", "licenses"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other", ("MIT OR Apache-2.0",)),
        ("License: MIT", ("MIT",)),
        ("License: UNKNOWN", ()),
        (f"License: {'word ' * 50}\nClassifier: License :: OSI Approved :: X", ("X",)),
        ("Classifier: License :: OSI Approved", ()),
    ],
)
def test_the_most_precise_licence_counts(lines, licenses):
    data = f"Name: a\nVersion: 1\n{lines}\n".encode()
    assert python.parse_metadata(PATH, data).packages[0].licenses == licenses


@pytest.mark.parametrize(
    ("lines", "author", "homepage"),
    [
        ("Author: A\nAuthor-email: a@x", "A <a@x>", ""),
        ("Author: UNKNOWN\nMaintainer: M\nHome-page: https://h", "M", "https://h"),
        ("Project-URL: Homepage, https://p", "", "https://p"),
    ],
)
def test_people_and_pages(lines, author, homepage):
    data = f"Name: a\r\nVersion: 1\n{lines}\n".encode()
    package = python.parse_metadata(PATH, data).packages[0]
    assert (package.author, package.homepage) == (author, homepage)


@pytest.mark.parametrize(
    "data", [b"", b"Name: a", b"Version: 1\n\nName: a", b"Name: a b\nVersion: 1"]
)
def test_name_and_version_are_needed(data):
    with pytest.raises(ParseError, match="states no Name and Version"):
        python.parse_metadata(PATH, data)


def test_headers_are_read_to_a_size():
    data = b"Name: a\nVersion: 1\nRequires-Dist: b;" + b";" * 600_000
    found = python.parse_metadata(PATH, data)
    assert found.packages[0].depends == ("b",)
    assert found.status == "partial"


def test_eggs_state_what_they_require_beside():
    found = python.parse_requires("a/x.egg-info/requires.txt", b"six>=1\nA_b\n\n[extra]\nmock\n")
    assert found.additions == (Addition("pypi", "a/x.egg-info", depends=("six", "a-b")),)
    assert python.parse_requires("a/x.egg-info/requires.txt", b"\n[x]\ny") == Found()


@pytest.mark.parametrize(
    ("fields", "qualifiers", "hashes"),
    [
        (
            {
                "url": "https://user:secret@h.example/r.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc"},
            },
            (("vcs_url", "git+https://h.example/r.git@abc"),),
            (),
        ),
        (
            {
                "url": "https://h.example/a.whl?token=secret#x",
                "archive_info": {"hash": "sha256=" + "0" * 64},
            },
            (("download_url", "https://h.example/a.whl"),),
            (("SHA-256", "0" * 64),),
        ),
        (
            {"url": "https://h/a.whl", "archive_info": {"hashes": {"sha512": "x" * 128}}},
            (("download_url", "https://h/a.whl"),),
            (),
        ),
    ],
)
def test_the_origin_is_told_without_secrets(fields, qualifiers, hashes):
    found = python.parse_direct_url("a/x.dist-info/direct_url.json", json.dumps(fields).encode())
    assert found.additions == (
        Addition("pypi", "a/x.dist-info", qualifiers=qualifiers, hashes=hashes),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "file:///home/someone/project", "dir_info": {}},
        {"url": "https://[", "archive_info": {}},
        {"url": 1, "archive_info": {}},
    ],
)
def test_local_origins_stay_out(fields):
    data = json.dumps(fields).encode()
    assert python.parse_direct_url("a/x.dist-info/direct_url.json", data) == Found()
