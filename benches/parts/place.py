"""Where it is measured: a journaled ext4 of our own where that can be had, else a directory."""

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager

from parts.command import remove

MIB = 1 << 20


class NoPlace(Exception):
    """There is no place to measure in."""


class CannotMount(OSError):
    """No file system of our own can be mounted."""


@contextmanager
def image(directory, size, make):
    """Mounts a new file system, in a sparse file with direct I/O, and takes it away afterwards.

    The file loses its name as soon as it is mounted, and the loop device is told to go with the mount: whatever
    becomes of us, nothing stays but the mount.

    # Raises
    `CannotMount`.
    """
    if os.geteuid() != 0:
        raise CannotMount("only root may mount one")
    parent = tempfile.mkdtemp(prefix="astore-bench-", dir=directory)
    file, at = os.path.join(parent, "image"), os.path.join(parent, "mnt")
    os.mkdir(at)
    try:
        with open(file, "wb") as sparse:
            sparse.truncate(-(-size // MIB) * MIB)
        _tool(*make, file)
        device = _tool("losetup", "--find", "--show", "--direct-io=on", file)
        try:
            _tool("mount", "-o", "noatime", device, at)
        finally:
            _tool("losetup", "--detach", device)
        os.unlink(file)
        try:
            yield at
        finally:
            # Lazily: what still has a file open there, a command that was just ended, must not keep the mount.
            _tool("umount", "--lazy", at)
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def _tool(*words):
    """Runs a tool of the system and returns what it prints."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise CannotMount(f"{words[0]}: {said.strip()}") from error
    return done.stdout.strip()


@contextmanager
def directory_in(parent):
    """Makes a directory, and takes it away afterwards."""
    at = tempfile.mkdtemp(prefix="astore-bench-", dir=parent)
    try:
        yield at
    finally:
        remove(at)


def need(directory, room):
    """Refuses to begin where there is not enough room."""
    free = shutil.disk_usage(directory).free
    if free < room:
        raise NoPlace(
            f"{directory} has {free // MIB} MiB free, and up to {room // MIB} MiB are needed: "
            "name another with --at, or smaller corpora, or fewer --tools"
        )


def ext4(directory, size):
    """Mounts a file system that does not go on making itself in the background.

    Its journal is as long as that of a disk of some hundred gigabytes: mkfs would give so small a one less, and then
    whoever makes many directories waits for the journal, here and not on that disk.
    """
    options = ["-J", "size=1024", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    return image(directory, max(size, 16384 * MIB), ["mkfs.ext4", "-q", "-F", *options])


def xfs(directory, size):
    """Mounts a file system that has reflinks."""
    return image(directory, max(size, 512 * MIB), ["mkfs.xfs", "-q", "-m", "reflink=1"])


@contextmanager
def workplace(at, fallback, room, say):
    """Gives a directory to work in: in `at`, or on a new ext4 in a file in `fallback`, or else there itself."""
    parent = at or fallback
    os.makedirs(parent, exist_ok=True)
    need(parent, room)
    with ExitStack() as stack:
        made = None
        if not at:
            try:
                made = stack.enter_context(ext4(parent, 2 * room))
            except CannotMount as error:
                say(f"No ext4 of our own ({error}): this file system is measured, whatever it is.")
        yield made or stack.enter_context(directory_in(parent))


def file_system(path):
    """Describes the file system of a path, without naming any place."""
    path = os.path.realpath(path)
    found = ("", "unknown file system", "")
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            device, at, kind = line.split()[:3]
            at = at.encode().decode("unicode_escape")
            if (path + "/").startswith(at.rstrip("/") + "/") and len(at) >= len(found[2]):
                found = (device, kind, at)
    device, kind, _ = found
    words = [kind]
    if kind == "ext4" and os.path.isdir("/proc/fs/jbd2"):
        is_journaled = any(name.startswith(f"{os.path.basename(device)}-") for name in os.listdir("/proc/fs/jbd2"))
        words.append("with a journal" if is_journaled else "without a journal")
    if device.startswith("/dev/loop"):
        words.append("on a loop device" + (" with direct I/O" if _is_direct(device) else ""))
    return " ".join(words)


def _is_direct(device):
    try:
        with open(f"/sys/block/{os.path.basename(device)}/loop/dio", encoding="ascii") as dio:
            return dio.read().strip() == "1"
    except OSError:
        return False
