#!/usr/bin/env python3
"""What a command costs in stores of a thousand, a hundred thousand and a million objects, and of a million events.

    benches/scale.py [--at DIRECTORY] [--objects N,N,…] [--events N] [--runs R] [--memory N] [--only PART]
                     [--astore PATH] [--long-log PATH] [--keep] [--json FILE]

Three parts, one after the other, or one of them alone with `--only make`, `flat` or `memory`:

make    a store for each number of objects: one package of so many small files, and one of three. One more store, of
        a hundred thousand objects, whose log is made longer by examples/long_log.rs: that writes the events to `log/`
        and lets the store settle, so that each is applied as any other is.
flat    commands that must not depend on how much a store holds, each so many times in every store by turns, from the
        start of the process to its end: median, least and most of the wall time, and user and system time.
memory  the peak of every command on the store of so many objects (`--memory`; its tree is made again if need be).
        It changes the store: at the end most of it is deleted.

DIRECTORY should be a RAM disk or a disk of its own: a million objects of a few bytes take 5 GB on either, and as much
again while they are added. What it holds from an earlier run with `--keep` is used again.
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

LONG = "long"
LONG_OBJECTS = 100_000

# Stands for a file that no store has seen.
FRESH = "FRESH"


class Store:
    """A store of this script, by its name; and how a command of astore is run on it."""

    def __init__(self, arguments, name):
        self.astore = str(pathlib.Path(arguments.astore).resolve())
        self.at = pathlib.Path(arguments.at)
        self.name = name
        self.root = self.at / f"store-{name}"
        self.tree = self.at / f"tree-{name}"
        self.environment = dict(os.environ, ASTORE_ROOT=str(self.root), ASTORE_ACTOR="bench@here")

    def run(self, *words, accept=(0,)):
        """Runs a command; returns its wall seconds, its processor seconds, and its peak memory in MiB."""
        command = [self.astore, *map(str, words)]
        peak = 0
        nowhere = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
        begun = time.monotonic()
        child = os.posix_spawn(self.astore, command, self.environment, file_actions=nowhere)
        if self.watches:
            while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                peak = max(peak, high_water(child))
                time.sleep(0.002)
        _, status, usage = os.wait4(child, 0)
        wall = time.monotonic() - begun
        code = os.waitstatus_to_exitcode(status)
        if code not in accept:
            sys.exit(f"{' '.join(command)}: status {code}")
        # The largest it ever was, this script's own size included, of which it was a copy before it became astore: what
        # is smaller cannot be told from that, and may be over before it is looked at.
        peak = max(peak, usage.ru_maxrss) if usage.ru_maxrss > own_size() * 1.1 else 0
        return wall, usage.ru_utime + usage.ru_stime, peak / 1024

    watches = False

    def read(self, *words):
        command = [self.astore, "--json", *map(str, words)]
        return json.loads(subprocess.run(command, env=self.environment, check=True, capture_output=True).stdout)


def high_water(process):
    try:
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return max([int(line.split()[1]) for line in lines if line.startswith("VmHWM")], default=0)


def own_size():
    return high_water("self")


def say(text):
    print(text, file=sys.stderr, flush=True)


def write_tree(at, count):
    for number in range(count):
        directory = at / f"{number // 1000:06}"
        if number % 1000 == 0:
            directory.mkdir(parents=True)
        (directory / f"{number:09}").write_bytes(b"object %d of a build\n" % number)


def make(arguments, name, objects, keeps_tree):
    """Makes a store, unless an earlier run kept it."""
    store = Store(arguments, name)
    if store.root.exists():
        return
    say(f"making {store.root}")
    write_tree(store.tree, objects)
    store.run("init")
    store.run("--quiet", "add", "--finalize", "--name", "big", store.tree)
    if not keeps_tree:
        shutil.rmtree(store.tree)
    small = store.at / "small"
    small.mkdir(exist_ok=True)
    for file in ("one", "two", "shared"):
        (small / file).write_text(f"{file} of the small package\n")
    store.run("--quiet", "add", "--finalize", "--name", "small", small)
    if name == LONG:
        subprocess.run([arguments.long_log, store.root, str(arguments.events)], check=True)


def flat_commands(store):
    """The commands that must cost the same everywhere, and what each may answer with."""
    small = store.at / "small" / "one"
    digest = digest_of(small)
    near = max(0, store.read("health")["head"]["sequence"] - 5)
    return {
        "--version": (("--version",), 0),
        "show REF": (("show", "small"), 0),
        "show of all its objects": (("show", "big"), 0),
        "cat REF:PATH": (("cat", "small:one"), 0),
        "cat ADDRESS": (("cat", f"blake3:{digest}"), 0),
        "explain ADDRESS": (("explain", f"blake3:{digest}"), 0),
        "explain, 12 digits": (("explain", f"blake3:{digest[:12]}"), 0),
        "explain REF:PATH": (("explain", "small:one"), 0),
        "explain FILE": (("explain", small), 0),
        "explain, unknown": (("explain", f"blake3:{'12' * 32}"), 7),
        "explain FILE, unknown": (("explain", __file__), 7),
        "list --limit 10": (("list", "--limit", 10), 0),
        "log --since N, 5 events": (("log", "--since", near), 0),
        "files REF": (("files", "small"), 0),
        "pins": (("pins",), 0),
        "health": (("health",), 0),
        "add of one file": (("--quiet", "add", "--finalize", "--name", "fresh", FRESH), 0),
        "stats (linear)": (("stats",), 0),
    }


def fresh(store, turn):
    return store.at / f"fresh-{store.name}-{turn}"


def flat(arguments, names):
    """Times each command in every store by turns."""
    stores = [Store(arguments, name) for name in names]
    # Before anything is timed: astore waits out the clock's tick in which a file was written.
    for turn in range(arguments.runs + 1):
        for store in stores:
            fresh(store, turn).write_text(f"{store.name} {turn} {time.monotonic_ns()}\n")
    commands = {store.name: flat_commands(store) for store in stores}
    found = {}
    for label in commands[names[0]]:
        samples = {store.name: [] for store in stores}
        for turn in range(arguments.runs + 1):
            for store in stores:
                words, code = commands[store.name][label]
                words = [fresh(store, turn) if word == FRESH else word for word in words]
                sample = store.run(*words, accept=(code,))
                # The first one only warms up.
                if turn > 0:
                    samples[store.name].append(sample)
        found[label] = {
            name: {
                "median": statistics.median(wall for wall, _, _ in all_of),
                "min": min(wall for wall, _, _ in all_of),
                "max": max(wall for wall, _, _ in all_of),
                "cpu": statistics.median(cpu for _, cpu, _ in all_of),
            }
            for name, all_of in samples.items()
        }
    return found


def flat_table(found, names, events):
    columns = [f"{events:,} events" if name == LONG else f"{int(name):,} objects" for name in names]
    lines = ["| command | " + " | ".join(columns) + " |", "| --- |" + " --: |" * len(names)]
    for label, by_name in found.items():
        cells = [
            f"{of['median'] * 1e3:.1f} ({of['min'] * 1e3:.1f}–{of['max'] * 1e3:.1f}; {of['cpu'] * 1e3:.1f})"
            for of in by_name.values()
        ]
        lines.append(f"| `{label}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def memory(arguments, objects):
    """Runs every command on the store of so many objects and returns the peak of each."""
    store = Store(arguments, str(objects))
    if not store.tree.exists():
        write_tree(store.tree, objects)
    store.watches = True
    found = {}

    def peak(label, *words, accept=(0,)):
        wall, cpu, peak = store.run(*words, accept=accept)
        found[label] = {"peak": peak, "wall": wall, "cpu": cpu}
        say(f"{label:32} {peak:7.1f} MiB {wall:7.2f} s")

    file = "big:000000/000000000"
    cold = Store(arguments, f"{objects}-cold")
    cold.watches = True
    cold.run("init")
    wall, cpu, top = cold.run("--quiet", "add", "--finalize", "--name", "big", store.tree)
    found["add --finalize, cold"] = {"peak": top, "wall": wall, "cpu": cpu}
    say(f"{'add --finalize, cold':32} {top:7.1f} MiB {wall:7.2f} s")
    shutil.rmtree(cold.root)
    peak("add --finalize, unchanged", "--quiet", "add", "--finalize", "--name", "big", store.tree)
    peak("add, unchanged, left open", "--quiet", "add", "--name", "open", store.tree)
    peak("finalize", "finalize", "open")
    for form in ("text", "json", "cbor", "sha256sums", "b3sums"):
        peak(f"manifest --format {form}", "manifest", "big", "--format", form)
    peak("manifest --json", "--json", "manifest", "big")
    peak("list", "list")
    peak("show", "show", "big")
    peak("files", "files", "big")
    peak("files --json", "--json", "files", "big")
    peak("diff REF REF, all differs", "diff", "big", "small", accept=(9,))
    peak("diff REF REF --json", "--json", "diff", "big", "small", accept=(9,))
    peak("diff REF DIR, the same", "diff", "big", store.tree)
    peak("explain", "explain", file)
    peak("cat", "cat", file)
    out = store.at / "out"
    peak("export", "export", "big", out)
    shutil.rmtree(out)
    peak("pin", "pin", "kept", "big")
    peak("pins", "pins")
    peak("unpin", "unpin", "kept")
    peak("retain", "retain", "big", "--hold", "--reason", "bench")
    peak("retain --release", "retain", "big", "--release", "--reason", "bench")
    peak("verify --no-record", "verify", "--no-record")
    peak("verify --quick", "verify", "--quick", "--no-record")
    peak("verify", "verify")
    peak("log", "log")
    peak("log --json", "--json", "log")
    peak("replay --check", "replay", "--check")
    peak("replay", "replay")
    peak("stats", "stats")
    peak("health", "health")
    peak("recover", "recover")
    peak("gc --without", "gc", "--without", "big@1")
    peak("remove", "remove", "open", "--reason", "bench")
    peak("restore", "restore", "open")
    peak("remove, two versions", "remove", "open", "big@1", "big@2", "--reason", "bench")
    peak("gc, the plan", "gc", "--min-age", "0s")
    peak("gc --confirm", "gc", "--confirm", "--yes", "--min-age", "0s", "--reason", "bench")
    peak("show of what is purged", "show", "big@1")
    purged = f"blake3:{digest_of(store.tree / '000000' / '000000000')}"
    peak("explain of what is purged", "explain", purged, accept=(11,))
    for left in ("astore.db", "astore.db-wal", "astore.db-shm", "log"):
        path = store.root / left
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    peak("recover --from-objects", "recover", "--from-objects", accept=(0, 4, 5))
    return found


def digest_of(path):
    return subprocess.run(["b3sum", "--no-names", path], check=True, capture_output=True, text=True).stdout.strip()


def memory_table(found, objects):
    lines = ["| command | peak, MiB | bytes a file | seconds |", "| --- | --: | --: | --: |"]
    for label, of in found.items():
        peak = f"{of['peak']:.0f}" if of["peak"] else f"under {own_size() / 1024 * 1.1:.0f}"
        each = f"{of['peak'] * (1 << 20) / objects:.0f}" if of["peak"] else ""
        lines.append(f"| `{label}` | {peak} | {each} | {of['wall']:.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", metavar="DIR", help="where the stores are made [a temporary directory, under $TMPDIR]")
    parser.add_argument(
        "--objects", metavar="N,…", default="1000,100000,1000000", help="the sizes of the stores [%(default)s]"
    )
    parser.add_argument(
        "--events",
        type=int,
        default=1_000_000,
        help="events of the store with a long log; 0: no such store [%(default)s]",
    )
    parser.add_argument("--runs", type=int, default=11, help="runs of each command in each store [%(default)s]")
    parser.add_argument(
        "--memory", type=int, default=1_000_000, help="the store in which memory is measured [%(default)s]"
    )
    parser.add_argument(
        "--only",
        choices=("make", "flat", "memory"),
        help="make the stores; time the commands; measure their memory (the last two in what --at has) [all three]",
    )
    parser.add_argument("--astore", default="target/release/astore", help="the binary [%(default)s]")
    parser.add_argument(
        "--long-log",
        default="target/release/examples/long_log",
        help="the example that makes a log longer [%(default)s]",
    )
    parser.add_argument("--keep", action="store_true", help="leave the stores in the temporary directory")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write the figures there too")
    arguments = parser.parse_args()
    if shutil.which("b3sum") is None:
        sys.exit("this needs b3sum: cargo install b3sum")
    own = arguments.at is None
    arguments.at = arguments.at or tempfile.mkdtemp(prefix="astore-scale-")
    pathlib.Path(arguments.at).mkdir(exist_ok=True)

    sizes = [int(size) for size in arguments.objects.split(",")]
    names = [str(size) for size in sizes] + ([LONG] if arguments.events else [])
    does = lambda part: arguments.only in (None, part)
    found = {}
    try:
        if does("make"):
            for name in names:
                objects = LONG_OBJECTS if name == LONG else int(name)
                make(arguments, name, objects, name == str(arguments.memory))
        if does("flat"):
            found["flat"] = flat(arguments, names)
            found["events"] = Store(arguments, names[-1]).read("health")["head"]["sequence"]
            print("Milliseconds: median (least–most; user and system time).\n")
            print(flat_table(found["flat"], names, found["events"]) + "\n")
        if does("memory"):
            found["memory"] = {str(arguments.memory): memory(arguments, arguments.memory)}
            print(f"Peak memory, a package of {arguments.memory:,} files.\n")
            print(memory_table(found["memory"][str(arguments.memory)], arguments.memory) + "\n")
    finally:
        if own and not arguments.keep:
            shutil.rmtree(arguments.at)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
