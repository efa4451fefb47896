import json

import pytest
from cataloger.samples import NPM, NPM_LOCK

from titan_provenance.cataloger import npm, npm_lock, text
from titan_provenance.cataloger.interface import Addition, Found, ParseError
from titan_provenance.model.package import Package

PATH = "app/node_modules/x/package.json"


def test_an_installed_package():
    path = "app/node_modules/@types/node/package.json"
    assert npm.parse(path, NPM).packages == (
        Package(
            type="npm",
            namespace="@types",
            name="node",
            version="20.1.0",
            locations=(path,),
            cataloger="npm",
            licenses=("MIT",),
            author="A <a@b.example>",
            homepage="https://example.com",
            description="two lines",
            depends=("undici-types", "typescript"),
        ),
    )


def test_outside_of_node_modules_it_is_the_application():
    package = npm.parse("app/package.json", b'{"name": "brain", "version": "1.4.0"}').packages[0]
    assert package.kind == "application"


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"type": "module"}',
        b'{"name": "x"}',
        b'{"name": "x", "version": ""}',
        b'{"name": "x", "version": 1}',
        b'{"name": "a/b/c", "version": "1"}',
        b'{"name": "@x", "version": "1"}',
        b'{"name": "x y", "version": "1"}',
        b'{"name": "x\\u0000", "version": "1"}',
    ],
)
def test_what_npm_would_not_install_is_no_package(data):
    assert npm.parse(PATH, data) == Found()


@pytest.mark.parametrize("path", ["app/test/fixtures/x/package.json", "tests/package.json"])
def test_fixtures_of_an_application_are_no_packages(path):
    assert npm.parse(path, b"malformed on purpose") == Found()


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xfe", b'{"a": 1', b"[" * 100_000, b"9" * 9999])
def test_what_is_no_json_object_fails(data):
    with pytest.raises(ParseError, match=r"package\.json: "):
        npm.parse(PATH, data)


def test_json_of_too_many_values_fails(monkeypatch):
    monkeypatch.setattr(text, "_MAX_JSON_VALUES", 10)
    with pytest.raises(ParseError, match="more than 10 values"):
        npm.parse(PATH, b"{" + b"," * 20)


def test_json_is_read_as_npm_reads_it():
    data = b'\xef\xbb\xbf{"name": "a", "name": "b", "version": "1", "license": "\\ud800x"}'
    package = npm.parse(PATH, data).packages[0]
    assert package.name == "b"
    assert package.licenses == ("x",)


@pytest.mark.parametrize(
    ("fields", "licenses"),
    [
        ({"license": "(MIT OR Apache-2.0)"}, ("(MIT OR Apache-2.0)",)),
        ({"license": {"type": "ISC", "url": "x"}}, ("ISC",)),
        ({"licenses": [{"type": "MIT"}, "BSD", {"type": "MIT"}, 1]}, ("MIT", "BSD")),
        ({"license": ["MIT"]}, ()),
    ],
)
def test_all_forms_of_licences_are_read(fields, licenses):
    data = json.dumps({"name": "a", "version": "1", **fields}).encode()
    assert npm.parse(PATH, data).packages[0].licenses == licenses


@pytest.mark.parametrize(
    ("author", "text_"),
    [
        ("Jane <j@x.example> (https://x.example)", "Jane <j@x.example>"),
        ({"name": "Jane"}, "Jane"),
        ({"email": "j@x.example"}, "j@x.example"),
        (None, ""),
    ],
)
def test_all_forms_of_authors_are_read(author, text_):
    data = json.dumps({"name": "a", "version": "1", "author": author}).encode()
    assert npm.parse(PATH, data).packages[0].author == text_


def test_a_lock_adds_hashes_by_directory_and_version():
    assert npm_lock.parse("app/package-lock.json", NPM_LOCK).additions == (
        Addition("npm", "app/node_modules/a", version="1.0.0", hashes=(("SHA-1", "00" * 20),)),
        Addition(
            "npm",
            "app/node_modules/a/node_modules/b",
            version="2.0.0",
            hashes=(("SHA-512", "00" * 64),),
        ),
    )


def test_the_hidden_lock_names_directories_beside_node_modules():
    found = npm_lock.parse("srv/node_modules/.package-lock.json", NPM_LOCK)
    assert found.additions[0].key == "srv/node_modules/a"
    found = npm_lock.parse("node_modules/.package-lock.json", NPM_LOCK)
    assert found.additions[0].key == "node_modules/a"


def test_a_lock_of_version_one_is_a_tree():
    lock = {
        "lockfileVersion": 1,
        "dependencies": {
            "a": {
                "version": "1.0.0",
                "dependencies": {"b": {"version": "2.0.0", "integrity": "sha1-" + "A" * 27 + "="}},
            }
        },
    }
    found = npm_lock.parse("package-lock.json", json.dumps(lock).encode())
    assert [addition.key for addition in found.additions] == ["node_modules/a/node_modules/b"]


def test_a_lock_brings_no_package():
    assert npm_lock.parse("package-lock.json", NPM_LOCK).packages == ()


def test_a_lock_nested_for_ever_is_cut():
    tree: dict = {}
    for _ in range(300):
        tree = {"n" * 100: {"version": "1", "integrity": "sha1-" + "A" * 27 + "=",
                            "dependencies": tree}}  # fmt: skip
    found = npm_lock.parse("package-lock.json", json.dumps({"dependencies": tree}).encode())
    assert max(len(addition.key) for addition in found.additions) < 5000
