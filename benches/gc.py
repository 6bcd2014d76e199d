#!/usr/bin/env python3
"""Holds `astore gc --confirm` against unlinking the same files and one sync.

    benches/gc.py [--objects N] [--runs R] [--astore PATH] [--at DIRECTORY]

Makes a store of N small objects in two packages, removes one package, and times the plan and the confirmed gc.
Beside it, in the same run: a copy of the store's objects, of which the same files are unlinked by a plain loop,
followed by one syncfs. Prints seconds, peak memory and the ratio; the ratio is what counts, the machine is noisy.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time


def run(command, **options):
    """Runs a command; returns seconds, peak memory in MiB, and what it printed.

    The peak is read from /proc while the command runs: what wait4 tells would count this script's own memory too,
    of which the child is a copy until it executes the command.
    """
    peak = 0.0
    begun = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(command, stdout=out, **options)
        status = pathlib.Path(f"/proc/{child.pid}/status")
        while child.poll() is None:
            lines = [line.split() for line in status.read_text().splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(words[1]) / 1024 for words in lines)])
            time.sleep(0.02)
        seconds = time.monotonic() - begun
        if child.returncode != 0:
            sys.exit(f"{command}: status {child.returncode}")
        out.seek(0)
        return seconds, peak, out.read()


def tree(at, first, count):
    for number in range(first, first + count):
        directory = at / f"{number // 1000:06}"
        if number % 1000 == 0 or number == first:
            directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{number:09}").write_bytes(b"object %d of a build\n" % number)


def drop_dirty(path):
    subprocess.run(["sync", "-f", path], check=True)


def one(astore, at, count):
    """One run: returns seconds of plan, gc and floor, and the peak memory of plan and gc."""
    store, trees, copy = at / "store", at / "trees", at / "copy"
    environment = dict(os.environ, ASTORE_ROOT=str(store), ASTORE_ACTOR="bench@here")
    run([astore, "--quiet", "init"], env=environment)
    for name, first in (("stays", 0), ("goes", count // 2)):
        tree(trees / name, first, count // 2)
        run([astore, "--quiet", "add", "--finalize", "--no-cache", trees / name], env=environment)
    run([astore, "--quiet", "remove", "goes", "--reason", "bench"], env=environment)
    shutil.rmtree(trees)
    subprocess.run(["cp", "-a", store / "blake3", copy], check=True)
    drop_dirty(at)

    plan_seconds, plan_memory, printed = run([astore, "--json", "gc", "--min-age", "0s"], env=environment)
    names = [found["address"].removeprefix("blake3:") for found in json.loads(printed)["objects"]]
    assert len(names) >= count // 2, len(names)
    doomed = [f"{copy}/{name[:2]}/{name[2:4]}/{name}" for name in names]

    begun = time.monotonic()
    for path in doomed:
        os.unlink(path)
    drop_dirty(at)
    floor_seconds = time.monotonic() - begun

    gc_seconds, gc_memory, _ = run([astore, "--quiet", "gc", "--confirm", "--min-age", "0s"], env=environment)
    assert not os.path.exists(store / "blake3" / names[0][:2] / names[0][2:4] / names[0])
    return plan_seconds, gc_seconds, floor_seconds, plan_memory, gc_memory


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--astore", default="target/release/astore")
    parser.add_argument("--at", default=None, help="where the store and the copy are made")
    arguments = parser.parse_args()
    astore = str(pathlib.Path(arguments.astore).resolve())
    print("objects    plan s     gc s  unlink+sync s  gc/floor  plan MiB  gc MiB")
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory(dir=arguments.at, prefix="astore-bench-") as at:
            plan, gc, floor, plan_memory, gc_memory = one(astore, pathlib.Path(at), arguments.objects)
        print(
            f"{arguments.objects:8} {plan:9.2f} {gc:8.2f} {floor:14.2f} {gc / floor:9.2f} {plan_memory:9.0f} {gc_memory:7.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
