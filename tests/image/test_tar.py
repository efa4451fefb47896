import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import CouldNotCheckError
from titan_provenance.image.tar import (
    DIRECTORY,
    HARD_LINK,
    OTHER,
    REGULAR,
    SYMLINK,
    TarReader,
)
from titan_provenance.image.tar_header import clean_name

KINDS = {
    tarfile.REGTYPE: REGULAR,
    tarfile.LNKTYPE: HARD_LINK,
    tarfile.SYMTYPE: SYMLINK,
    tarfile.DIRTYPE: DIRECTORY,
    tarfile.CHRTYPE: OTHER,
    tarfile.BLKTYPE: OTHER,
    tarfile.FIFOTYPE: OTHER,
}
LINKS = {tarfile.LNKTYPE, tarfile.SYMTYPE}
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
NAMES = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=120
).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
MEMBERS = st.lists(
    st.tuples(PATHS, st.sampled_from(list(KINDS)), PATHS, st.binary(max_size=1500), st.booleans()),
    max_size=8,
)


def pieces_of(data, size):
    return (data[start : start + size] for start in range(0, len(data), size))


def entries(data, size=700):
    """Return what the reader makes of an archive that arrives in chunks of `size` bytes."""
    reader = TarReader(pieces_of(data, size), "layer")
    found = []
    while reader.next():
        link = reader.link if reader.kind in {HARD_LINK, SYMLINK} else b""
        content = reader.read() if reader.kind == REGULAR else b""
        found.append((reader.name, reader.kind, link, content))
    return found


def skim(data, size=700):
    """Return the names, with every body skipped."""
    reader = TarReader(pieces_of(data, size), "layer")
    found = []
    while reader.next():
        found.append(reader.name)
    return found


def write(members, form):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8") as tar:
        for path, kind, link, content, executable in members:
            member = tarfile.TarInfo(path)
            member.type = kind
            member.mode = 0o755 if executable else 0o644
            if kind in LINKS:
                member.linkname = link
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            try:
                tar.addfile(member, io.BytesIO(content))
            except ValueError:  # a name that ustar cannot hold
                continue
    return buffer.getvalue()


def read_by_tarfile(data):
    found = []
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8") as tar:
        for member in tar:
            link = member.linkname.encode() if member.type in LINKS else b""
            content = tar.extractfile(member).read() if member.isreg() else b""
            name = clean_name(member.name.encode())
            found.append((name, KINDS.get(member.type, REGULAR), link, content))
    return found


@given(MEMBERS, st.sampled_from(FORMATS), st.sampled_from([1, 511, 512, 700, 1 << 20]))
def test_reads_what_tarfile_reads(members, form, size):
    data = write(members, form)
    expected = read_by_tarfile(data)
    assert entries(data, size) == expected
    assert skim(data, size) == [name for name, *_ in expected]


@given(st.binary(max_size=3000), st.integers(1, 2000))
def test_any_bytes_give_entries_or_our_own_error(data, size):
    with suppress(CouldNotCheckError):
        entries(data, size)


@given(MEMBERS.filter(bool), st.sampled_from(FORMATS), st.data())
def test_changed_archives_give_entries_or_our_own_error(members, form, data):
    archive = bytearray(write(members, form))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    with suppress(CouldNotCheckError):
        entries(bytes(archive))


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        (b"./", b""),
        (b"/", b""),
        (b".", b""),
        (b"..", b""),
        (b"./etc/passwd", b"etc/passwd"),
        (b"/etc/passwd", b"etc/passwd"),
        (b"etc//passwd/", b"etc/passwd"),
        (b"etc//", b"etc"),
        (b"etc/./x/../passwd", b"etc/passwd"),
        (b"../../etc/passwd", b"etc/passwd"),
        (b"etc/..", b""),
        (b"a./b", b"a./b"),
        (b"a..", b"a.."),
        (b"...", b"..."),
        (b"\xff/x", b"\xff/x"),
    ],
)
def test_names_are_relative_to_the_root_and_stay_in_it(name, cleaned):
    assert clean_name(name) == cleaned
