"""The trees that are measured: found on this machine, chosen by rule, copied once into the place of work."""

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass

from parts.command import Failed

MIB = 1 << 20
# No more files and bytes than these are taken of each.
LIMITS = {"small": (60_000, 1024 * MIB), "large": (8, 3072 * MIB), "build": (20_000, 600 * MIB)}
SMALL_FILES_MIN = 20_000
LARGE_FILE_MIN, LARGE_ENOUGH = 64 * MIB, 1400 * MIB


@dataclass
class Corpus:
    """A tree and what is in it: `files` counts symlinks too."""

    name: str
    at: str
    files: int = 0
    bytes: int = 0
    origin: str = ""

    def count(self):
        """Counts what is there."""
        self.files = self.bytes = 0
        for directory, directories, files in os.walk(self.at):
            for name in directories + files:
                status = os.lstat(os.path.join(directory, name))
                if not stat.S_ISDIR(status.st_mode):
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


@dataclass
class Source:
    """Where a corpus comes from: files of a directory, and its name where no path of this machine may stand."""

    at: str
    paths: list
    origin: str

    def size(self):
        """Returns the bytes of those files that are still there."""
        return sum(os.lstat(path).st_size for path in self.paths if os.path.lexists(path))


def find(name, named, target):
    """Returns the source of a corpus: the directory that was named, or what this machine has."""
    files_max, bytes_max = LIMITS[name]
    if named:
        return Source(named, _first_files(named, files_max, bytes_max), "a directory that was named")
    if name == "large":
        return Source("/", _largest_files(), "the Rust toolchains and what else is installed")
    if name == "build":
        # Results of earlier runs, and what tests left, are no build output.
        built = _first_files(target, files_max, bytes_max, skip=("bench", "tmp"))
        return Source(target, built, "the beginning of cargo's target directory")
    small = _small()
    origin = small if small.startswith("/usr/") else "the documentation of the Rust toolchain"
    return Source(small, _first_files(small, files_max, bytes_max), origin)


def copy(name, source, to):
    """Copies files of a directory, with the directories above them, and returns the corpus that they make."""
    os.mkdir(to)
    if name == "large":
        # They come from anywhere: numbers keep equal names apart.
        for number, path in enumerate(source.paths):
            shutil.copy2(path, os.path.join(to, f"{number}-{os.path.basename(path)}"))
    else:
        # Files of a directory in which somebody builds may vanish meanwhile: what counts is what has been copied.
        listed = b"".join(os.fsencode(os.path.relpath(path, source.at)) + b"\0" for path in source.paths)
        command = ["xargs", "-0", "-r", "cp", "-a", "--parents", "-t", to, "--"]
        subprocess.run(command, input=listed, cwd=source.at, stderr=subprocess.DEVNULL, check=False)
    corpus = Corpus(name, to, origin=source.origin).count()
    if corpus.files == 0:
        raise Failed(f"no files for the corpus {name} were found: name a directory with --{name}")
    return corpus


def _toolchain():
    """Returns the directory of the Rust toolchain, and those beside it, or nothing."""
    try:
        asked = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    sysroot = asked.stdout.strip()
    above = os.path.dirname(sysroot)
    return [sysroot, *(os.path.join(above, name) for name in sorted(os.listdir(above)))]


def _small():
    """Returns the first of the usual places with enough files: documentation of a toolchain, else something of /usr."""
    places = [os.path.join(toolchain, "share/doc") for toolchain in _toolchain()]
    counted = []
    for place in filter(os.path.isdir, [*places, "/usr/share", "/usr/include", "/usr/lib/python3"]):
        files = len(_first_files(place, *LIMITS["small"]))
        if files >= SMALL_FILES_MIN:
            return place
        counted.append((files, place))
    return max(counted)[1]


def _largest_files():
    """Returns the largest files of the usual places, no two of one size, until they are enough."""
    places = [*_toolchain(), "/usr/lib", "/opt", "/usr/share", "/usr/bin"]
    by_size = {}
    for place in filter(os.path.isdir, places):
        for directory, _, files in os.walk(place):
            for path in (os.path.join(directory, name) for name in files):
                status = os.lstat(path)
                if status.st_size >= LARGE_FILE_MIN and not os.path.islink(path):
                    by_size.setdefault(status.st_size, path)
    chosen, total = [], 0
    files_max, bytes_max = LIMITS["large"]
    for size in sorted(by_size, reverse=True)[:files_max]:
        if total < LARGE_ENOUGH and total + size <= bytes_max:
            chosen.append(by_size[size])
            total += size
    return chosen


def _first_files(place, files_max, bytes_max, skip=()):
    """Returns the first files of a directory, in bytewise order, up to so many and so many bytes."""
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
