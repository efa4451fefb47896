"""Whatever the bytes, a cataloger answers or raises ParseError, and its answer can be cached."""

import contextlib
import json

import pytest
from cataloger.samples import EXECUTABLES, FILES
from hypothesis import given, settings
from hypothesis import strategies as st

from titan_provenance.cataloger.executable import open_scanner
from titan_provenance.cataloger.interface import Found, ParseError
from titan_provenance.cataloger.select import CATALOGERS

BY_NAME = {cataloger.name: cataloger for cataloger in CATALOGERS}
FEW = settings(max_examples=60, deadline=None)


def check(found):
    assert Found.from_json(json.loads(json.dumps(found.to_json()))) == found
    for package in found.packages:
        assert package.purl.encode("ascii")
        assert package.name
        assert package.locations


def parse(cataloger, path, data):
    with contextlib.suppress(ParseError):
        check(cataloger.parse(path, data))


def test_every_cataloger_has_a_sample():
    assert FILES.keys() == BY_NAME.keys()


@pytest.mark.parametrize("name", FILES)
def test_a_sample_is_read(name):
    path, data = FILES[name]
    found = BY_NAME[name].parse(path, data)
    check(found)
    assert found.packages or found.additions or found.distro


@pytest.mark.parametrize("name", FILES)
@FEW
@given(data=st.binary(max_size=300))
def test_any_bytes_are_answered(name, data):
    parse(BY_NAME[name], FILES[name][0], data)


@pytest.mark.parametrize("name", FILES)
@FEW
@given(edits=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=8)), max_size=6))
def test_damaged_samples_are_answered(name, edits):
    path, sample = FILES[name]
    data = bytearray(sample)
    for place, piece in edits:
        start = place % (len(data) + 1)
        data[start : start + len(piece)] = piece
    parse(BY_NAME[name], path, bytes(data))


@pytest.mark.parametrize("name", FILES)
@FEW
@given(length=st.integers(0, 1 << 16))
def test_cut_samples_are_answered(name, length):
    path, sample = FILES[name]
    parse(BY_NAME[name], path, sample[: length % len(sample)])


def scan(path, data, sizes):
    scanner = open_scanner(path, data[:4096], executable=True)
    if scanner is None:
        return Found()
    place = 0
    while place < len(data):
        for size in sizes:
            scanner.feed(data[place : place + size])
            place += size
    found = scanner.finish()
    check(found)
    return found


@pytest.mark.parametrize("name", EXECUTABLES)
@FEW
@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_executables_are_read_the_same_in_pieces_of_any_size(name, sizes):
    path, data = EXECUTABLES[name]
    whole = scan(path, data, [len(data)])
    assert whole.packages
    assert scan(path, data, sizes) == whole


@pytest.mark.parametrize("name", EXECUTABLES)
@FEW
@given(
    edits=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(max_size=8)), max_size=6),
    size=st.integers(50, 5000),
)
def test_damaged_executables_are_answered(name, edits, size):
    path, sample = EXECUTABLES[name]
    data = bytearray(sample)
    for place, piece in edits:
        start = place % (len(data) + 1)
        data[start : start + len(piece)] = piece
    scan(path, bytes(data), [size])


@FEW
@given(data=st.binary(max_size=300))
def test_any_bytes_behind_the_magic_are_answered(data):
    scan("usr/bin/python3.11", b"\x7fELF" + data, [64])
