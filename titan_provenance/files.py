"""Local files, read within bounds and written whole or not at all."""

from __future__ import annotations

import os
import stat

from titan_provenance.errors import UnreadableError

_CHUNK = 1 << 20


def read_bounded(path: str, limit: int, *, follow_symlink: bool = True) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Raises UnreadableError when it is missing, larger, not a regular file, not readable, or (with
    `follow_symlink` false) a symbolic link.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    if not follow_symlink:
        if os.path.islink(path):
            raise UnreadableError(
                f"{path}: is a symbolic link",
                hint="Name the file itself, so that what is checked is what is used.",
            )
        flags |= os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: {_reason(error)}") from error
    try:
        return _read_regular(descriptor, path, limit)
    except OSError as error:
        raise UnreadableError(f"{path}: {_reason(error)}") from error
    finally:
        os.close(descriptor)


def _read_regular(descriptor: int, path: str, limit: int) -> bytes:
    status = os.fstat(descriptor)
    _refuse_irregular(path, status)
    if status.st_size > limit:
        raise UnreadableError(f"{path}: {status.st_size} bytes, more than the limit of {limit}")
    chunks = []
    remaining = limit + 1
    while remaining and (chunk := os.read(descriptor, min(_CHUNK, remaining))):
        chunks.append(chunk)
        remaining -= len(chunk)
    if not remaining:
        raise UnreadableError(f"{path}: grew past the limit of {limit} bytes while being read")
    return b"".join(chunks)


def write_atomic(path: str, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write `data` to `path` whole: a reader, or a crash, sees the old file or the new.

    The bytes go to a new file in the same directory, are fsynced, and take the name by rename (by
    link when `replace` is false, which fails if the name is taken); the directory is fsynced last.
    Raises UnreadableError when that cannot be done, or when `path` is a device, a pipe or a
    directory; the old file then stands, unless only the last step failed.
    """
    if replace:
        path = os.path.realpath(path)
        _refuse_special(path)
    directory = os.path.dirname(path) or "."
    temporary = os.path.join(directory, f".{os.path.basename(path)}.{os.urandom(6).hex()}.tmp")
    try:
        _write_new(temporary, data, mode)
        try:
            if replace:
                os.replace(temporary, path)
            else:
                os.link(temporary, path)
                os.unlink(temporary)
        except BaseException:
            os.unlink(temporary)
            raise
        sync_directory(directory)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be written: {_reason(error)}") from error


def _refuse_special(path: str) -> None:
    """Keep a rename from putting a file in the place of /dev/null."""
    try:
        status = os.stat(path)
    except OSError:
        return  # nothing there, or the write itself will say what is wrong
    _refuse_irregular(path, status)


def _refuse_irregular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise UnreadableError(f"{path}: is {kind}")


def sync_directory(directory: str) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_new(path: str, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def is_inside(path: str, directory: str) -> bool:
    """Say whether `path`, links resolved, is `directory` or lies below it."""
    path, directory = os.path.realpath(path), os.path.realpath(directory)
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    return str(getattr(error, "strerror", None) or error)
