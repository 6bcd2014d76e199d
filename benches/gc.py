#!/usr/bin/env python3
"""Holds `astore gc --confirm` against unlinking the same files and one sync.

    benches/gc.py [--objects N] [--runs R] [--astore PATH] [--at DIRECTORY] [--json]

Makes a store of N small objects in two packages and removes one package. Each run has two copies of that store: in one
the plan and the confirmed gc are timed, in the other a plain loop unlinks the same files, followed by one syncfs. They
take turns at being first. Prints seconds (wall, and CPU in brackets), peak memory, the ratio and the medians; the ratio
is what counts, the machine is noisy. With --json, the same as one document.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

# Unlinks what is named on standard input and syncs the file system of its first argument: a process of its own, so that
# its CPU time is told as the gc's is.
FLOOR = "import os, sys; [os.unlink(path) for path in sys.stdin.read().split('\\0') if path]; os.execvp('sync', ['sync', '-f', sys.argv[1]])"


def run(command, given=None, **options):
    """Runs a command; returns what it took, and what it printed.

    The peak is read from /proc while the command runs: what wait4 tells would count this script's own memory too,
    of which the child is a copy until it executes the command.
    """
    peak = 0.0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as into:
        into.write(given or b"")
        into.seek(0)
        begun = time.monotonic()
        child = subprocess.Popen(command, stdin=into, stdout=out, **options)
        status = pathlib.Path(f"/proc/{child.pid}/status")
        while True:
            lines = [line.split() for line in status.read_text().splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(words[1]) / 1024 for words in lines)])
            ended, code, usage = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(0.01)
        seconds = time.monotonic() - begun
        child.returncode = os.waitstatus_to_exitcode(code)
        if child.returncode != 0:
            sys.exit(f"{command}: status {child.returncode}")
        out.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return {"seconds": seconds, "cpu_seconds": cpu, "memory_mib": peak}, out.read()


def tree(at, first, count):
    for number in range(first, first + count):
        directory = at / f"{number // 1000:06}"
        if number % 1000 == 0 or number == first:
            directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:09}").write_bytes(b"object %d of a build\n" % number)


def settle(path):
    """Nothing that was made before is still on its way to the disk, and every inode is in memory."""
    subprocess.run(["sync", "-f", path], check=True)
    subprocess.run(["find", path, "-size", "+9999G"], check=True)


def environment(store):
    return dict(os.environ, ASTORE_ROOT=str(store), ASTORE_ACTOR="bench@here")


def make(astore, at, count):
    """Makes the store that is copied for each run; returns the names of the objects that may go."""
    store, trees = at / "store", at / "trees"
    run([astore, "--quiet", "init"], env=environment(store))
    for name, first in (("stays", 0), ("goes", count // 2)):
        tree(trees / name, first, count // 2)
        run([astore, "--quiet", "add", "--finalize", "--no-cache", trees / name], env=environment(store))
    run([astore, "--quiet", "remove", "goes", "--reason", "bench"], env=environment(store))
    shutil.rmtree(trees)
    _, printed = run([astore, "--json", "gc", "--min-age", "0s"], env=environment(store))
    names = [found["address"].removeprefix("blake3:") for found in json.loads(printed)["objects"]]
    assert len(names) >= count // 2, len(names)
    return names


def one(astore, at, names, floor_first):
    """One run: what plan, gc and floor took."""
    store, copy = at / "gc", at / "floor"
    for to in (store, copy):
        subprocess.run(["cp", "-a", at / "store", to], check=True)
    settle(at)
    took = {}

    def floor():
        doomed = "\0".join(f"{copy}/blake3/{name[:2]}/{name[2:4]}/{name}" for name in names)
        took["floor"], _ = run([sys.executable, "-c", FLOOR, str(at)], given=doomed.encode())

    def collect():
        took["plan"], _ = run([astore, "--quiet", "gc", "--min-age", "0s"], env=environment(store))
        settle(at)
        took["gc"], _ = run([astore, "--quiet", "gc", "--confirm", "--min-age", "0s"], env=environment(store))

    for part in (floor, collect) if floor_first else (collect, floor):
        part()
        settle(at)
    for name in names:
        assert not os.path.exists(store / "blake3" / name[:2] / name[2:4] / name), name
    for made in (store, copy):
        shutil.rmtree(made)
    settle(at)
    return {f"{part}_{figure}": value for part, figures in took.items() for figure, value in figures.items()}


def line(objects, took):
    ratio = took["gc_seconds"] / took["floor_seconds"]
    parts = [f"{took[f'{part}_seconds']:7.2f} ({took[f'{part}_cpu_seconds']:5.2f})" for part in ("plan", "gc", "floor")]
    memory = f"{took['plan_memory_mib']:9.0f} {took['gc_memory_mib']:7.0f}"
    return f"{objects!s:>8} {' '.join(parts)} {ratio:9.2f} {memory}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=100_000, help="objects to delete [%(default)s]")
    parser.add_argument("--runs", type=int, default=3, help="rounds [%(default)s]")
    parser.add_argument("--astore", default="target/release/astore", help="the binary [%(default)s]")
    parser.add_argument("--at", metavar="DIR", help="where the stores are made [a temporary directory, under $TMPDIR]")
    parser.add_argument("--json", action="store_true", help="print one document")
    arguments = parser.parse_args()
    astore = str(pathlib.Path(arguments.astore).resolve())
    if not arguments.json:
        print(" objects          plan             gc  unlink + sync  gc/floor  plan MiB  gc MiB", flush=True)
    runs = []
    with tempfile.TemporaryDirectory(dir=arguments.at, prefix="astore-bench-") as at:
        names = make(astore, pathlib.Path(at), arguments.objects)
        for number in range(arguments.runs):
            runs.append(one(astore, pathlib.Path(at), names, number % 2 == 0))
            if not arguments.json:
                print(line(arguments.objects, runs[-1]), flush=True)
    median = {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}
    if arguments.json:
        print(json.dumps({"objects": arguments.objects, "unlinked": len(names), "runs": runs, "median": median}))
    else:
        print(line("median", median))


if __name__ == "__main__":
    main()
