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


def header(name=b"file", size=0, typeflag=b"0", **fields):
    """Return one header block; `fields` are raw bytes by offset, as `at_124=b"…"`."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = b"%011o\0" % size
    block[156:157] = typeflag
    block[257:265] = b"ustar\x0000"
    for place, data in fields.items():
        start = int(place.removeprefix("at_"))
        block[start : start + len(data)] = data
    block[148:156] = b" " * 8
    if "at_148" in fields:
        block[148 : 148 + len(fields["at_148"])] = fields["at_148"]
    else:
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def pax(typeflag=b"x", **records):
    """Return a pax header; double underscores in keys stand for dots."""
    lines = b""
    for key, value in records.items():
        rest = b" %s=%s\n" % (key.replace("__", ".").encode(), value)
        length = len(rest)
        while len(str(length)) + len(rest) != length:
            length = len(str(length)) + len(rest)
        lines += str(length).encode() + rest
    return header(b"pax", len(lines), typeflag) + padded(lines)


END = bytes(1024)


def test_a_pax_size_counts_instead_of_the_header_s():
    data = pax(size=b"5") + header(b"a", 0) + padded(b"12345") + header(b"b") + END
    assert entries(data) == [(b"a", REGULAR, b"", b"12345"), (b"b", REGULAR, b"", b"")]


def test_global_headers_are_stepped_over():
    data = pax(b"g", comment=b"c0ffee") + header(b"a") + END
    assert skim(data) == [b"a"]


@pytest.mark.parametrize("record", [{"path": b"x"}, {"size": b"9"}, {"GNU__sparse__map": b"0,1"}])
def test_global_headers_that_engines_would_not_obey_are_refused(record):
    with pytest.raises(CouldNotCheckError, match="global header sets"):
        skim(pax(b"g", **record) + header(b"a") + END)


def test_an_empty_pax_name_leaves_the_header_s():
    assert skim(pax(path=b"") + header(b"a") + END) == [b"a"]


def test_long_gnu_names_go_before_pax_names():
    name = b"d/" + b"n" * 300
    data = header(b"long", len(name), b"L") + padded(name) + pax(path=b"p") + header(b"a") + END
    assert skim(data) == [name]


def test_sizes_in_base_256():
    size = (1 << 63 | 5).to_bytes(8)
    data = header(b"a", at_124=b"\x80\0\0\0" + b"\0" + size[1:]) + padded(b"12345") + header(b"b")
    assert entries(data) == [(b"a", REGULAR, b"", b"12345"), (b"b", REGULAR, b"", b"")]


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (header(at_124=b"\xff" * 12), "negative size"),
        (header(at_124=b"\x80" + b"\xff" * 11), "more than 63 bits"),
        (header(at_124=b"-0000000001\0"), "a number that is none"),
        (header(at_124=b"00000000_12\0"), "a number that is none"),
        (header(at_124=b"00000000009\0"), "a number that is none"),
        (header(at_148=b"0000000\0"), "wrong checksum"),
        (header(at_148=b"zzzzzzz\0"), "wrong checksum"),
        (header(b"x", (1 << 20) + 1, b"x"), "more than 1048576"),
        (header(b"x", 8, b"x") + padded(b"99 a=bcd"), "malformed"),
        (header(b"x", 8, b"x") + padded(b"8 a=bcd."), "malformed"),
        (header(b"x", 4, b"x") + padded(b"abcd"), "malformed"),
        (header(b"x", 6, b"x") + padded(b"0 a=b\n"), "malformed"),
        (header(b"x", 6, b"x") + padded(b"1 a=b\n"), "malformed"),
        (header(b"x", 12, b"x") + padded(b"12345678a=b\n"), "malformed"),
        (header(b"x", 6, b"x") + padded(b"5 =bc\n"), "malformed"),
        (pax(path=b"a\0b"), "zero byte"),
        (pax(size=b"-1") + header(), "a number that is none"),
        (pax(size=b"9" * 40) + header(), "a number that is none"),
        (pax(path=b"a") + END, "middle of an entry"),
        (header(b"a", 1 << 40), "middle of an entry"),
        (header(b"a", 3) + b"12", "middle of an entry"),
        (header(b"a")[:300], "middle of an entry"),
        (header(b"a") + bytes(512) + header(b"b") + END, "lone block"),
        (b"not a tar archive at all" * 40, "wrong checksum"),
    ],
)
def test_what_is_no_tar_archive(block, problem):
    with pytest.raises(CouldNotCheckError, match=problem):
        skim(block)


def test_a_huge_file_is_stepped_over_without_reading_it_at_once():
    def chunks():
        yield header(b"a", 3 << 30)
        for _ in range(3 << 10):
            yield bytes(1 << 20)
        yield header(b"b") + END

    reader = TarReader(chunks(), "layer")
    assert reader.next()
    assert reader.next()
    assert reader.name == b"b"


def test_the_archive_ends_at_two_zero_blocks_and_the_rest_is_read():
    rest = iter([header(b"a") + END, header(b"after") + END, b"garbage"])
    reader = TarReader(rest, "layer")
    assert reader.next()
    assert not reader.next()
    assert not reader.next()
    assert list(rest) == []


def test_an_archive_may_end_without_zero_blocks_and_padding():
    assert entries(header(b"a", 3) + b"123") == [(b"a", REGULAR, b"", b"123")]
    assert skim(b"") == []


def test_old_directories_end_with_a_slash():
    assert entries(header(b"etc/", 7, b"\0") + END) == [(b"etc", DIRECTORY, b"", b"")]


def test_prefixes_of_ustar_and_star():
    assert skim(header(b"name", at_345=b"directory") + END) == [b"directory/name"]
    star = header(b"name", at_345=b"directory", at_476=b"00000000000 ", at_508=b"tar\0")
    assert skim(star + END) == [b"directory/name"]


def test_the_times_of_gnu_headers_are_no_prefix():
    block = header(b"name", at_257=b"ustar  \0", at_345=b"01234567012\0")
    assert skim(block + END) == [b"name"]


def test_checksums_of_signed_bytes():
    block = bytearray(header(b"\xff\xfe"))
    block[148:156] = b" " * 8
    total = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % total
    assert skim(bytes(block) + END) == [b"\xff\xfe"]


CONTENT = b"abcd" + bytes(6) + b"efgh" + bytes(2)


def old_sparse(*pieces, more=b"", size=16, stored=8):
    fields = b"".join(b"%011o\0%011o\0" % piece for piece in pieces)
    return (
        header(
            b"s",
            stored,
            b"S",
            at_257=b"ustar  \0",
            at_386=fields,
            at_482=b"\1" if more else b"\0",
            at_483=b"%011o\0" % size,
        )
        + more
    )


SPARSE = {
    "old": old_sparse((0, 4), (10, 4), (16, 0)),
    "old in blocks": old_sparse((0, 4), more=(b"%011o\0%011o\0" % (10, 4)).ljust(512, b"\0")),
    "0.1": pax(GNU__sparse__map=b"0,4,10,4", GNU__sparse__size=b"16", GNU__sparse__name=b"s")
    + header(b"GNUSparseFile.1/s", 8),
}


@pytest.mark.parametrize("start", SPARSE.values(), ids=SPARSE)
def test_sparse_files(start):
    data = start + padded(b"abcdefgh") + header(b"next") + END
    expected = [(b"s", REGULAR, b"", CONTENT), (b"next", REGULAR, b"", b"")]
    assert entries(data) == expected
    assert entries(data, 512) == expected
    assert skim(data) == [b"s", b"next"]


def test_sparse_format_0_0_repeats_its_keys():
    lines = b""
    for key, value in [
        ("size", 16),
        ("offset", 0),
        ("numbytes", 4),
        ("offset", 10),
        ("numbytes", 4),
    ]:
        record = b" GNU.sparse.%s=%d\n" % (key.encode(), value)
        lines += b"%d" % (len(record) + 2) + record
    data = header(b"x", len(lines), b"x") + padded(lines) + header(b"s", 8) + padded(b"abcdefgh")
    assert entries(data) == [(b"s", REGULAR, b"", CONTENT)]


def test_sparse_format_1_0_has_its_map_before_the_content():
    records = pax(
        GNU__sparse__major=b"1",
        GNU__sparse__minor=b"0",
        GNU__sparse__name=b"s",
        GNU__sparse__realsize=b"16",
    )
    body = padded(b"2\n0\n4\n10\n4\n") + b"abcdefgh"
    data = records + header(b"x", len(body)) + padded(body) + header(b"next") + END
    assert entries(data) == [(b"s", REGULAR, b"", CONTENT), (b"next", REGULAR, b"", b"")]
    assert skim(data) == [b"s", b"next"]


@pytest.mark.parametrize(
    "start",
    [
        old_sparse((10, 4), (0, 4)),
        old_sparse((0, 4), (10, 400)),
        old_sparse((0, 4), (10, 4), size=12),
        old_sparse((0, 4)),
        pax(GNU__sparse__map=b"0,4,10", GNU__sparse__size=b"16") + header(b"s", 8),
        pax(GNU__sparse__map=b"0,4,-1,4", GNU__sparse__size=b"16") + header(b"s", 8),
        pax(GNU__sparse__major=b"1", GNU__sparse__minor=b"0") + header(b"s", 8),
        pax(GNU__sparse__major=b"1", GNU__sparse__minor=b"0")
        + header(b"s", 1024)
        + padded(b"99999999999\n")
        + bytes(512),
    ],
)
def test_sparse_maps_that_do_not_fit(start):
    with pytest.raises(CouldNotCheckError, match="sparse file"):
        entries(start + padded(b"abcdefgh") + END)


def test_holes_are_bounded():
    size = 1 << 40
    start = pax(GNU__sparse__map=b"0,4,%d,4" % (size - 4), GNU__sparse__size=b"%d" % size)
    reader = TarReader([start + header(b"s", 8) + padded(b"abcdefgh")], "layer")
    assert reader.next()
    assert reader.size == size
    with pytest.raises(CouldNotCheckError, match="holes"):
        for _ in reader.body():
            pass


@given(st.binary(min_size=1, max_size=4000), st.integers(1, 1000), st.integers(0, 3000))
def test_the_head_of_a_body_is_there_before_it_is_read(content, chunk, size):
    data = header(b"a", len(content)) + padded(content) + END
    reader = TarReader(pieces_of(data, chunk), "layer")
    assert reader.next()
    assert reader.head(size) == content[:size]
    assert b"".join(reader.body()) == content
    assert not reader.next()


def test_a_body_may_be_left_in_the_middle():
    data = header(b"a", 3000) + padded(bytes(3000)) + header(b"b") + END
    reader = TarReader(pieces_of(data, 700), "layer")
    assert reader.next()
    next(reader.body())
    assert reader.next()
    assert reader.name == b"b"
