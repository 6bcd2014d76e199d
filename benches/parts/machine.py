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


def describe(place):
    """Describes the machine, the file system of the place of work, and the tools that are here."""
    return {
        "processor": _first("/proc/cpuinfo", r"model name\s*:\s*(.+)") or "unknown processor",
        "cores": os.cpu_count(),
        "memory_gib": round(int(_first("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) / (1 << 20)),
        "kernel": re.match(r"[\d.]*\d", os.uname().release).group(),
        "file_system": file_system(place),
        "tools": {
            name: version for name, version in ((name, _version(words)) for name, words in VERSIONS.items()) if version
        },
    }


def install(packages):
    """Tries to install Debian's packages, as root only."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", *words], env=environment, check=False, stdout=subprocess.DEVNULL)


def _version(words):
    if shutil.which(words[0]) is None:
        return None
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.[\d.]*\d", said)
    return found.group() if found else None


def _first(path, pattern):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read())
    except OSError:
        return None
    return found.group(1).strip() if found else None
