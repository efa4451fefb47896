import os
import threading

import pytest
from fakes.layers import CATALOGERS, SYMLINK, layer_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from titan_provenance.errors import DocumentError
from titan_provenance.model.digest import Digest
from titan_provenance.sbom.cache import (
    LayerCache,
    cache_directory,
    cache_status,
    decode,
    encode,
    prune_cache,
)
from titan_provenance.sbom.layer_scan import scan_layer

VERSION = CATALOGERS.version
LISTS = ("names", "symlinks", "hard_links", "whiteouts", "opaque")
DAY = 86400
LAYER = layer_of(
    {
        "a.lines": b"one 1\n?",
        "b.others": b"!",
        "caf\udce9.lines": b"two 2",
        "link": (SYMLINK, "a.lines"),
        ".wh.gone": b"",
        "d/.wh..wh..opq": b"",
    }
)
SCAN = scan_layer([LAYER], "layer", CATALOGERS)
GOOD = encode(SCAN, VERSION)


def plain(scan):
    """Return a scan as values that can be compared."""
    contents = scan.contents
    lists = [contents.names, contents.symlinks, contents.hard_links]
    lists += [contents.whiteouts, contents.opaque]
    return scan.diff_id, scan.size, contents.files, [list(names) for names in lists]


@pytest.fixture
def cache(tmp_path):
    return LayerCache(tmp_path, VERSION)


def files_of(directory):
    return [os.path.join(parent, name) for parent, _, names in os.walk(directory) for name in names]


def test_what_is_stored_comes_back(cache):
    assert cache.load(SCAN.diff_id) is None
    assert cache.store(SCAN)
    assert plain(cache.load(SCAN.diff_id)) == plain(SCAN)
    assert cache.store(SCAN)


def test_other_catalogers_and_other_layers_have_files_of_their_own(cache, tmp_path):
    cache.store(SCAN)
    assert LayerCache(tmp_path, "lines/2").load(SCAN.diff_id) is None
    assert cache.load(Digest("0" * 64)) is None


def test_a_file_under_another_name_is_not_believed(cache, tmp_path):
    cache.store(SCAN)
    (path,) = files_of(tmp_path)
    other = Digest("0" * 64)
    os.makedirs(os.path.dirname(cache._path(other)))
    os.rename(path, cache._path(other))
    assert cache.load(other) is None
    with pytest.raises(DocumentError, match="other catalogers"):
        decode(GOOD, SCAN.diff_id, "lines/2")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_ignored_and_written_anew(cache, tmp_path, data):
    cache.store(SCAN)
    (path,) = files_of(tmp_path)
    damaged = bytearray(GOOD)
    if data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, len(GOOD) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del damaged[data.draw(st.integers(0, len(GOOD) - 1)) :]
    with open(path, "wb") as file:
        file.write(damaged)
    assert cache.load(SCAN.diff_id) is None
    cache.store(SCAN)
    assert plain(cache.load(SCAN.diff_id)) == plain(SCAN)


@given(st.binary(max_size=300))
def test_foreign_files_are_not_believed(data):
    with pytest.raises(DocumentError):
        decode(data, SCAN.diff_id, VERSION)


def signed(**changes):
    """Return a file with the right checksum and a changed document."""
    import hashlib
    import json
    import zlib

    from titan_provenance.sbom.cache import _MAGIC

    length = int.from_bytes(GOOD[len(_MAGIC) + 32 :][:8])
    start = len(_MAGIC) + 40
    document = json.loads(zlib.decompress(GOOD[start : start + length]))
    text = zlib.compress(json.dumps(document | changes).encode())
    payload = len(text).to_bytes(8) + text + GOOD[start + length :]
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def test_the_right_checksum_alone_does():
    assert plain(decode(signed(), SCAN.diff_id, VERSION)) == plain(SCAN)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "1"},
        {"files": None},
        {"files": [["a"]]},
        {"files": [["a", "lines", {"packages": [{}]}, "", ""]]},
        {"files": [["a", "lines", {"surprise": 1}, "", ""]]},
        {"files": [["a", 1, {}, "", ""]]},
        {"lists": {}},
        {"lists": {name: [0] for name in ("names", "symlinks")}},
        {"lists": {name: [1] for name in LISTS}},
        {"lists": {name: [1, -5] for name in LISTS}},
    ],
)
def test_values_of_another_type_are_not_believed(changes):
    with pytest.raises(DocumentError):
        decode(signed(**changes), SCAN.diff_id, VERSION)


def test_a_directory_that_cannot_be_written_ends_no_scan(tmp_path):
    (tmp_path / "layers").write_text("a file stands here")
    cache = LayerCache(tmp_path, VERSION)
    assert not cache.store(SCAN)
    assert cache.load(SCAN.diff_id) is None


def test_many_writers_and_readers_at_the_same_time(cache, tmp_path):
    seen = []

    def work():
        for _ in range(20):
            cache.store(SCAN)
            seen.append(cache.load(SCAN.diff_id))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 80
    assert all(scan and plain(scan) == plain(SCAN) for scan in seen)
    assert len(files_of(tmp_path)) == 1


def fill(directory, count):
    """Write `count` files of 100 bytes, used a day apart, the first one now; return now."""
    now = 1_800_000_000
    for number in range(count):
        path = LayerCache(directory, VERSION)._path(Digest(f"{number:064x}"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(bytes(100))
        os.utime(path, (now - number * DAY,) * 2)
    return now


def test_status_counts_files_of_all_versions(tmp_path):
    now = fill(tmp_path, 3)
    status = cache_status(tmp_path)
    assert (status.files, status.size, status.oldest) == (3, 300, now - 2 * DAY)
    assert cache_status(tmp_path / "nowhere") == (tmp_path / "nowhere", 0, 0, None)


def test_pruning_by_age(tmp_path):
    now = fill(tmp_path, 5)
    removed = prune_cache(tmp_path, max_size=1000, max_age=2.5 * DAY, now=now)
    assert (removed.files, removed.size) == (2, 200)
    assert cache_status(tmp_path).oldest == now - 2 * DAY


def test_pruning_by_size_keeps_what_was_used_last(tmp_path):
    now = fill(tmp_path, 5)
    assert prune_cache(tmp_path, max_size=250, max_age=100 * DAY, now=now).files == 3
    assert cache_status(tmp_path).oldest == now - DAY


def test_pruning_removes_what_crashes_left_and_nothing_else(tmp_path):
    now = fill(tmp_path, 1)
    (path,) = files_of(tmp_path)
    for name, age in [(f"{path}.{'0' * 12}.tmp", 7200), (f"{path}.{'1' * 12}.tmp", 60)]:
        with open(name, "wb"):
            pass
        os.utime(name, (now - age,) * 2)
    foreign = os.path.join(os.path.dirname(path), "notes.txt")
    with open(foreign, "wb"):
        pass
    os.utime(foreign, (0, 0))
    assert prune_cache(tmp_path, max_size=1000, max_age=DAY, now=now).files == 1
    assert sorted(files_of(tmp_path)) == sorted([path, f"{path}.{'1' * 12}.tmp", foreign])


def test_a_file_that_is_read_counts_as_used(cache, tmp_path):
    cache.store(SCAN)
    (path,) = files_of(tmp_path)
    os.utime(path, (1000, 1000))
    cache.load(SCAN.diff_id)
    assert os.stat(path).st_mtime > 1000


def test_where_the_cache_is():
    assert cache_directory({"TITAN_PROVENANCE_CACHE": "/somewhere"}) == "/somewhere"
    assert cache_directory({}).endswith("titan-provenance")
