"""The trees that are measured: found on this machine, chosen by rule, copied once into the place of work."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from parts.command import Failed

MIB = 1 << 20
SMALL_FILES_MIN, SMALL_FILES_MAX, SMALL_BYTES_MAX = 20_000, 60_000, 1024 * MIB
LARGE_FILE_MIN, LARGE_BYTES_MIN, LARGE_BYTES_MAX, LARGE_FILES_MAX = 64 * MIB, 1400 * MIB, 3072 * MIB, 8
BUILD_FILES_MAX, BUILD_BYTES_MAX = 20_000, 600 * MIB


@dataclass
class Corpus:
    """A tree and what is in it. `entries` counts files, directories and symlinks, the tree itself not among them."""

    name: str
    at: str
    files: int = 0
    entries: int = 0
    bytes: int = 0
    origin: str = ""

    def count(self):
        """Counts what is there."""
        self.files = self.entries = self.bytes = 0
        for directory, directories, files in os.walk(self.at):
            self.entries += len(directories) + len(files)
            for name in files:
                status = os.lstat(os.path.join(directory, name))
                self.files += 1
                self.bytes += status.st_size
        return self

    def file_paths(self):
        """Returns every regular file, in bytewise order."""
        found = [
            os.path.join(directory, name)
            for directory, _, files in os.walk(self.at)
            for name in files
            if not os.path.islink(os.path.join(directory, name))
        ]
        return sorted(found, key=os.fsencode)


def find(arguments, target):
    """Returns, for each corpus, its name, where it comes from, and which files of that directory it is."""
    small = arguments.small or _small()
    build = arguments.build or target
    return {
        "small": (small, _capped(small, SMALL_FILES_MAX, SMALL_BYTES_MAX) if small else []),
        "large": _large(arguments.large),
        "build": (build, _capped(build, BUILD_FILES_MAX, BUILD_BYTES_MAX, skip=("bench", "tmp"))),
    }


def copy(name, source, paths, to):
    """Copies files of a directory, with the directories above them, and returns the corpus that they make."""
    os.mkdir(to)
    if name == "large":  # they come from anywhere: numbers keep equal names apart
        for number, path in enumerate(paths):
            shutil.copy2(path, os.path.join(to, f"{number}-{os.path.basename(path)}"))
    else:
        # Files of a directory in which somebody builds may vanish meanwhile: what counts is what has been copied.
        listed = b"".join(os.fsencode(os.path.relpath(path, source)) + b"\0" for path in paths)
        command = ["xargs", "-0", "-r", "cp", "-a", "--parents", "-t", to, "--"]
        subprocess.run(command, input=listed, cwd=source, stderr=subprocess.DEVNULL, check=False)
    corpus = Corpus(name, to, origin=_origin(source)).count()
    if corpus.files == 0:
        raise Failed(f"nothing could be copied from {source}")
    return corpus


def size(paths):
    """Returns the bytes of files that may have vanished."""
    return sum(os.lstat(path).st_size for path in paths if os.path.lexists(path))


def _sysroot():
    try:
        asked = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True)
        return asked.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _origin(source):
    """What to call a directory in a document that is read elsewhere: no path of this machine."""
    sysroot = _sysroot()
    if sysroot and source.startswith(os.path.dirname(sysroot)):
        return "the Rust toolchain's " + "/".join(source.split("/")[-2:])
    if source.startswith("/usr/"):
        return source
    return "a directory that was named" if os.path.basename(source) != "target" else "this project's target/"


def _small():
    """The first of the usual places with enough files: documentation of the toolchain, else what is under /usr."""
    sysroot = _sysroot()
    toolchains = os.path.dirname(sysroot) if sysroot else ""
    siblings = [sysroot] + sorted(os.path.join(toolchains, name) for name in os.listdir(toolchains)) if sysroot else []
    places = [os.path.join(root, "share/doc") for root in siblings] + ["/usr/share", "/usr/include", "/usr/lib/python3"]
    counted = []
    for place in filter(os.path.isdir, places):
        files = len(_capped(place, SMALL_FILES_MAX, SMALL_BYTES_MAX))
        if files >= SMALL_FILES_MIN:
            return place
        counted.append((files, place))
    return max(counted)[1] if counted else None


def _large(named):
    """The largest files of the usual places, no two of one size: toolchains and installed programs."""
    if named:
        paths = _capped(named, LARGE_FILES_MAX, LARGE_BYTES_MAX)
        return named, paths
    sysroot = _sysroot()
    places = [os.path.dirname(sysroot) if sysroot else "", "/usr/lib", "/opt", "/usr/share", "/usr/bin"]
    by_size = {}
    for place in filter(os.path.isdir, places):
        for directory, _, files in os.walk(place):
            for path in (os.path.join(directory, name) for name in files):
                status = os.lstat(path)
                if status.st_size >= LARGE_FILE_MIN and not os.path.islink(path):
                    by_size.setdefault(status.st_size, path)
    chosen, total = [], 0
    for found in sorted(by_size, reverse=True)[:LARGE_FILES_MAX]:
        if total < LARGE_BYTES_MIN and total + found <= LARGE_BYTES_MAX:
            chosen.append(by_size[found])
            total += found
    return "/usr/lib and the Rust toolchains", chosen


def _capped(place, files_max, bytes_max, skip=()):
    """The first files of a directory, in bytewise order, up to so many and so many bytes."""
    chosen, total = [], 0
    for directory, directories, files in os.walk(place):
        directories[:] = sorted(name for name in directories if directory != place or name not in skip)
        for path in (os.path.join(directory, name) for name in sorted(files)):
            try:
                total += os.lstat(path).st_size
            except FileNotFoundError:
                continue
            if len(chosen) == files_max or total > bytes_max:
                return chosen
            chosen.append(path)
    return chosen
