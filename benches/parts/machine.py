"""What it is measured on, as far as a reader elsewhere needs it: no name and no path of this machine."""

import os
import re
import shutil
import subprocess

from parts.place import file_system

VERSIONS = {
    "git": ["git", "--version"],
    "ostree": ["ostree", "--version"],
    "borg": ["borg", "--version"],
    "restic": ["restic", "version"],
    "b3sum": ["b3sum", "--version"],
    "openssl": ["openssl", "version"],
    "coreutils": ["cp", "--version"],
}
# The packages of what the plain work needs.
PACKAGES = {"b3sum": "b3sum", "openssl": "openssl", "mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs"}


def describe(place):
    """Describes the machine, the file system of the place of work, and the tools that are here."""
    return {
        "processor": _first("/proc/cpuinfo", r"model name\s*:\s*(.+)") or "unknown processor",
        "cores": os.cpu_count(),
        "memory_gib": round(int(_first("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) / (1 << 20)),
        "kernel": re.match(r"[\d.]*\d", os.uname().release).group(),
        "file_system": file_system(place),
        "tools": {name: _version(words) for name, words in VERSIONS.items() if shutil.which(words[0])},
    }


def install_missing(packages):
    """Tries to install, under Debian and as root, the packages of those programs that are not here."""
    lacking = sorted({package for program, package in packages.items() if shutil.which(program) is None})
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *lacking]):
            subprocess.run(["apt-get", *words], env=environment, check=False, stdout=subprocess.DEVNULL)


def _version(words):
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.[\d.]*\d", said)
    return found.group() if found else "of unknown version"


def _first(path, pattern):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read())
    except OSError:
        return None
    return found.group(1).strip() if found else None
