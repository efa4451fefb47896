import errno
import os
import stat
from pathlib import Path

import pytest

from titan_provenance.errors import UnreadableError
from titan_provenance.files import is_inside, read_bounded, write_atomic

OLD, NEW = b"old " * 1000, b"new " * 1000


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 10)
    assert read_bounded(str(path), 10) == b"x" * 10
    path.write_bytes(b"")
    assert read_bounded(str(path), 10) == b""


def test_a_file_larger_than_one_read_is_whole(tmp_path):
    data = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(data)
    assert read_bounded(str(tmp_path / "f"), 4 << 20) == data


def large(path):
    path.write_bytes(b"")
    os.truncate(path, 1 << 30)


def looping(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a directory"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/null"), "is not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "does not exist"),
        (looping, "Too many levels of symbolic links"),
        (large, "1073741824 bytes, more than the limit of 10"),
        (lambda path: path.write_bytes(b"x" * 11), "11 bytes, more than the limit of 10"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path, make, message):
    make(tmp_path / "f")
    with pytest.raises(UnreadableError) as caught:
        read_bounded(str(tmp_path / "f"), 10)
    assert caught.value.message == f"{tmp_path}/f: {message}"


def test_a_name_that_no_file_can_have_is_an_error():
    with pytest.raises(UnreadableError, match="embedded null"):
        read_bounded("a\0b", 10)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_file_that_one_may_not_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.geteuid() != 0:
        with pytest.raises(UnreadableError, match="Permission denied"):
            read_bounded(str(path), 10)
        return
    # Root reads everything, so a child without root asks, where it can reach the file.
    descriptor = os.open(tmp_path, os.O_RDONLY)
    tmp_path.chmod(0o755)
    assert in_child(lambda: read_as_nobody(descriptor)) == 0
    os.close(descriptor)


def read_as_nobody(directory):
    os.fchdir(directory)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    path = "f"
    try:
        read_bounded(str(path), 10)
    except UnreadableError as error:
        return 0 if error.message.endswith("Permission denied") else 1
    return 2


def test_a_link_is_followed_unless_the_caller_says_no(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("f")
    assert read_bounded(str(tmp_path / "link"), 10) == b"x"
    with pytest.raises(UnreadableError, match="is a symbolic link") as caught:
        read_bounded(str(tmp_path / "link"), 10, follow_symlink=False)
    assert caught.value.hint
    assert read_bounded(str(tmp_path / "f"), 10, follow_symlink=False) == b"x"


def test_a_link_put_in_place_after_the_look_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("/etc/hostname")
    monkeypatch.setattr(os.path, "islink", lambda _path: False)
    with pytest.raises(UnreadableError, match="symbolic links"):
        read_bounded(str(tmp_path / "link"), 1000, follow_symlink=False)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.setattr(os, "read", lambda _descriptor, size: b"x" * size)
    with pytest.raises(UnreadableError, match="grew past the limit of 10 bytes"):
        read_bounded(str(tmp_path / "f"), 10)


def test_a_disk_that_fails_while_reading_is_an_error(tmp_path, monkeypatch):
    def fail(_descriptor, _size):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(UnreadableError, match="Input/output error"):
        read_bounded(str(tmp_path / "f"), 10)


def test_reading_leaves_no_descriptor_open(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100)
    before = os.listdir("/proc/self/fd")
    for limit in (10, 1000):
        try:
            read_bounded(str(tmp_path / "f"), limit)
        except UnreadableError:
            assert limit == 10
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_writing_makes_the_file_with_its_mode(tmp_path):
    path = tmp_path / "f"
    write_atomic(str(path), NEW, mode=0o600)
    assert path.read_bytes() == NEW
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["f"]


def test_writing_replaces_the_file_and_keeps_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/f").write_bytes(OLD)
    (tmp_path / "link").symlink_to("real/f")
    write_atomic(str(tmp_path / "link"), NEW)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/f").read_bytes() == NEW


def test_writing_to_a_bare_name_uses_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic("f", NEW, replace=False)
    write_atomic("g", NEW)
    assert sorted(os.listdir(tmp_path)) == ["f", "g"]


@pytest.mark.parametrize("make", [lambda p: p.write_bytes(OLD), lambda p: p.symlink_to("nowhere")])
def test_a_name_that_is_taken_stays_as_it_is_without_replace(tmp_path, make):
    make(tmp_path / "f")
    with pytest.raises(UnreadableError, match="cannot be written: File exists"):
        write_atomic(str(tmp_path / "f"), NEW, replace=False)
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").is_symlink() or (tmp_path / "f").read_bytes() == OLD


@pytest.mark.parametrize("path", ["gone/f", "file/f", "a" * 300])
def test_where_nothing_can_be_written_is_an_error(tmp_path, path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    with pytest.raises(UnreadableError, match="cannot be written"):
        write_atomic(str(tmp_path / path), NEW)
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "is a directory"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/null"), "/dev/null: is not a regular file"),
    ],
)
def test_what_is_no_regular_file_is_not_replaced(tmp_path, make, message):
    make(tmp_path / "f")
    before = os.lstat(tmp_path / "f"), os.stat("/dev/null").st_rdev
    with pytest.raises(UnreadableError, match=message):
        write_atomic(str(tmp_path / "f"), NEW)
    assert (os.lstat(tmp_path / "f"), os.stat("/dev/null").st_rdev) == before
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch, call):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, call, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(str(tmp_path / "f"), NEW)
    assert os.listdir(tmp_path) == []


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_atomic(str(tmp_path / "f"), NEW)
    assert (tmp_path / "f").read_bytes() == NEW


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace", "link"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call, replace):
    def fail(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "f"
    if replace:
        path.write_bytes(OLD)
    used = {"replace": replace, "link": not replace}.get(call, True)
    monkeypatch.setattr(os, call, fail)
    if not used:
        write_atomic(str(path), NEW, replace=replace)
        return
    with pytest.raises(UnreadableError, match="cannot be written: No space left on device"):
        write_atomic(str(path), NEW, replace=replace)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["f"] if replace else [])
    assert not replace or path.read_bytes() == OLD


CALLS = ("open", "write", "fsync", "replace", "link", "unlink", "close")
CRASHED = 77


def in_child(work):
    """Run `work` in a forked child and return its exit code."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def crash_at(moment, path, replace):
    """Write NEW to `path`, and die at the given moment: before or after the n-th system call."""
    passed = 0

    def step():
        nonlocal passed
        if passed == moment:
            os._exit(CRASHED)
        passed += 1

    def dying(real):
        def call(*arguments, **options):
            step()
            if real is os_write and len(arguments[1]) > 1:
                arguments = (arguments[0], arguments[1][: len(arguments[1]) // 2 + 1])
            result = real(*arguments, **options)
            step()
            return result

        return call

    os_write = os.write
    for name in CALLS:
        setattr(os, name, dying(getattr(os, name)))
    write_atomic(path, NEW, replace=replace)
    return 0


@pytest.mark.parametrize(("old", "replace"), [(OLD, True), (None, True), (None, False)])
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_crash_at_any_moment_leaves_the_old_file_or_the_new(tmp_path, old, replace):
    seen = set()
    for moment in range(200):
        directory = tmp_path / str(moment)
        directory.mkdir()
        path = directory / "f"
        if old:
            path.write_bytes(old)
        status = in_child(lambda moment=moment, path=path: crash_at(moment, str(path), replace))
        assert status in {0, CRASHED}
        seen.add(content := read_or_none(path))
        assert content in {old, NEW}
        # The next write is not disturbed by what a crash left behind.
        if content is None or replace:
            write_atomic(str(path), NEW, replace=replace)
            assert path.read_bytes() == NEW
        if status == 0:
            assert content == NEW
            assert os.listdir(directory) == ["f"]
            break
    else:
        pytest.fail("the write never ended")
    assert seen == {old, NEW}
    assert moment > 15


def read_or_none(path: Path):
    return path.read_bytes() if path.exists() else None


def test_the_file_is_durable_before_it_has_its_name(tmp_path, monkeypatch):
    order = []

    def recorded(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            order.append(name)
            return real(*arguments, **options)

        return call

    for name in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, name, recorded(name))
    write_atomic(str(tmp_path / "f"), NEW)
    assert order == ["write", "fsync", "replace", "fsync"]


def test_inside_means_after_links_are_resolved(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    (tmp_path / "a/out").symlink_to("../ab")
    (tmp_path / "in").symlink_to("a/b")
    inside = {"a": True, "a/b": True, "a/gone": True, "in": True, "a/../a": True}
    outside = {"ab": False, "a/out": False, "a/out/x": False, ".": False, "a/..": False}
    for name, expected in {**inside, **outside}.items():
        assert is_inside(str(tmp_path / name), str(tmp_path / "a")) is expected, name
    assert is_inside("/etc", "/")
