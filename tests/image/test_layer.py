import gzip
import hashlib
import io
import os
import sys
import tarfile
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import CouldNotCheckError, VerificationError
from titan_provenance.image.inflate import Limits, inflate
from titan_provenance.image.layer import PlainLayer
from titan_provenance.model.digest import Digest

MEBIBYTE = 1 << 20
SKIPPABLE = b"\x50\x2a\x4d\x18\4\0\0\0abcd"
zstd = zstandard.compress
COMPRESS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip, several members": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
    "gzip, padded": lambda data: gzip.compress(data) + bytes(100),
    "zstd": zstandard.compress,
    "zstd, several frames": lambda data: (
        zstandard.compress(data[:7]) + zstandard.compress(data[7:])
    ),
    "zstd, skippable frame": lambda data: (
        b"\x50\x2a\x4d\x18\4\0\0\0abcd" + zstandard.compress(data)
    ),
}


def pieces_of(data, size):
    return (data[start : start + size] for start in range(0, len(data), size))


def unpacked(data, size=1000, limits=None):
    return b"".join(inflate(pieces_of(data, size), "layer", limits or Limits()))


@pytest.fixture(params=["isal", "zlib"])
def either_inflater(request, monkeypatch):
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)


@pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS)
@pytest.mark.parametrize("size", [1, 3, 100, MEBIBYTE])
@pytest.mark.usefixtures("either_inflater")
def test_all_forms_unpack_to_the_same(compress, size):
    data = b"some tar " * 1000 + os.urandom(1000)
    assert unpacked(compress(data), size) == data


@given(st.binary(max_size=3000), st.integers(1, 500), st.sampled_from(sorted(COMPRESS)))
def test_any_content_in_any_chunks(data, size, form):
    if form != "plain":  # nothing else tells random plain bytes from compressed ones
        assert unpacked(COMPRESS[form](data), size) == data


@given(st.binary(max_size=2000), st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_any_bytes_unpack_or_give_our_own_error(data, magic):
    try:
        unpacked(magic + data)
    except CouldNotCheckError as error:
        assert error.message.startswith("layer: ")  # noqa: PT017


@pytest.mark.parametrize("end", [1, 8, 9, 500])
@pytest.mark.usefixtures("either_inflater")
def test_gzip_that_is_cut_short(end):
    with pytest.raises(CouldNotCheckError, match="cut short"):
        unpacked(gzip.compress(os.urandom(1000))[:-end])


@pytest.mark.usefixtures("either_inflater")
def test_garbage_behind_gzip():
    with pytest.raises(CouldNotCheckError, match="damaged gzip"):
        unpacked(gzip.compress(b"tar") + b"garbage that is no member")


@pytest.mark.usefixtures("either_inflater")
def test_gzip_with_a_wrong_checksum():
    data = bytearray(gzip.compress(b"tar" * 100))
    data[-5] ^= 1
    with pytest.raises(CouldNotCheckError, match="damaged gzip"):
        unpacked(bytes(data))


def test_garbage_behind_zstd():
    with pytest.raises(CouldNotCheckError, match="damaged zstd"):
        unpacked(zstandard.compress(b"tar") + b"garbage that is no frame")


def test_zstd_that_wants_too_much_memory():
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x01\0\0"
    with pytest.raises(CouldNotCheckError, match="damaged zstd"):
        unpacked(frame)


def zeros(stream, total):
    block = bytes(MEBIBYTE)
    return b"".join([*(stream.compress(block) for _ in range(total // MEBIBYTE)), stream.flush()])


def count(chunks):
    total = largest = 0
    for chunk in chunks:
        total += len(chunk)
        largest = max(largest, len(chunk))
    return total, largest


@pytest.mark.parametrize(
    "stream",
    [zlib.compressobj(9, zlib.DEFLATED, 31), zstandard.ZstdCompressor(level=1).compressobj()],
    ids=["gzip", "zstd"],
)
def test_bombs_are_unpacked_in_small_pieces_up_to_the_limits(stream):
    bomb = zeros(stream, 64 * MEBIBYTE)
    total, largest = count(inflate([bomb], "layer", Limits()))
    assert total == 64 * MEBIBYTE
    assert largest <= MEBIBYTE
    with pytest.raises(CouldNotCheckError, match="unpacks to more than 10000000 bytes"):
        count(inflate([bomb], "layer", Limits(unpacked=10_000_000)))
    with pytest.raises(CouldNotCheckError, match="more than 200 times its size"):
        count(inflate([bomb], "layer", Limits(ratio_from=MEBIBYTE)))
    with pytest.raises(CouldNotCheckError, match="more than 0 seconds"):
        count(inflate([bomb], "layer", Limits(seconds=0)))


def layer_tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("file"))
    return buffer.getvalue()


def test_a_layer_is_held_to_its_diff_id():
    tar = layer_tar()
    diff_id = Digest(hashlib.sha256(tar).hexdigest())
    layer = PlainLayer([gzip.compress(tar)], "layer 0", expected=diff_id)
    assert b"".join(layer) == tar
    assert layer.diff_id == diff_id
    assert layer.size == len(tar)
    with pytest.raises(VerificationError, match="layer 0: unpacks to sha256:"):
        list(PlainLayer([gzip.compress(tar + b"x")], "layer 0", expected=diff_id))
    assert list(PlainLayer([tar], "layer 0"))
