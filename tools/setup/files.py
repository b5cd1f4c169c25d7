"""Hashes files and writes them atomically: an interrupted run never leaves a partial file."""

import hashlib
import os
from contextlib import contextmanager

CHUNK = 1 << 20
TEMPORARY = ".tmp"


def sha256(path):
    """Returns the hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_intact(path, expected_sha256, expected_bytes):
    """True if the file exists with the expected size and hash."""
    try:
        return path.stat().st_size == expected_bytes and sha256(path) == expected_sha256
    except FileNotFoundError:
        return False


def copy(source, path, limit):
    """Copies a stream into a file; returns (sha256, bytes). Stops after more than `limit` bytes."""
    digest, count = hashlib.sha256(), 0
    with open(path, "wb") as out:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            count += len(chunk)
            if count > limit:
                break
            out.write(chunk)
    return digest.hexdigest(), count


@contextmanager
def atomic_write(path, executable=False):
    """Yields a temporary path near `path`. On success, syncs it and renames it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o755 if executable else 0o644)
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def set_link(link, target):
    """Makes `link` a relative symlink to `target` in the same folder. True if the link changed."""
    if link.is_symlink() and os.readlink(link) == target:
        return False
    temporary = link.with_name(f".{link.name}{TEMPORARY}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)
    return True
