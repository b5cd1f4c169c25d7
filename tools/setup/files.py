"""Hashing, and writing files so that an interrupted run never leaves half of one."""

import hashlib
import os
from contextlib import contextmanager

CHUNK = 1 << 20
TEMPORARY = ".tmp"


def sha256(path):
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_right(path, expected_sha256, expected_bytes):
    """True when the file is there with the expected size and hash."""
    try:
        return path.stat().st_size == expected_bytes and sha256(path) == expected_sha256
    except FileNotFoundError:
        return False


def copy(source, path, limit):
    """Copies a stream into a file; returns (sha256, bytes). Stops past `limit` bytes, since no right file is longer."""
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
def replacing(path):
    """Yields a temporary path beside `path`; on success it takes the place of `path` in one step, after fsync."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{TEMPORARY}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def point_link(link, target):
    """Makes `link` a relative symlink to `target` in the same folder. True when it had to be changed."""
    if link.is_symlink() and os.readlink(link) == target:
        return False
    temporary = link.with_name(f".{link.name}{TEMPORARY}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)
    return True
