"""The work that is measured, one function a part, and what each is held against."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

from parts import place
from parts.bench import Contender, count_files, expect
from parts.command import Failed, remove
from parts.contestants import Astore, Git
from parts.corpora import Corpus

# Where the two gits do the same, or nearly so, the durable one stands for both.
ALIKE = (Git,)
COPY = "cp -a, sync -f"
COPY_COMMAND = 'cp -a "$1" "$2" && sync -f "$2"'
# The views of a store, row by row, into an empty database with the same tables and indices: what replay has to do.
ROWS = '''
import sqlite3, sys
source, to = sqlite3.connect(sys.argv[1]), sqlite3.connect(sys.argv[2], isolation_level=None)
to.execute("PRAGMA journal_mode = WAL")
to.execute("PRAGMA synchronous = FULL")
to.execute("BEGIN")
made = """SELECT type, name, sql FROM sqlite_schema
    WHERE sql NOT NULL AND name NOT LIKE 'sqlite%' AND tbl_name <> 'events' ORDER BY type = 'index'"""
for kind, name, sql in source.execute(made).fetchall():
    if kind in ("table", "index"):
        to.execute(sql)
    if kind == "table":
        columns = [row[1] for row in to.execute(f'PRAGMA table_info("{name}")')]  # without those that are computed
        rows = source.execute(f'SELECT {", ".join(columns)} FROM "{name}"')
        to.executemany(f'INSERT INTO "{name}" ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})', rows)
to.execute("COMMIT")
'''


def add(name):
    """A tree that is new to an empty store, against copying it and making the copy durable."""

    def measure(bench):
        corpus = bench.corpus(name)
        part, copy = f"add-{name}", bench.path("copy")
        contenders = [
            Contender(
                COPY,
                ["sh", "-c", COPY_COMMAND, "sh", corpus.at, copy],
                prepare=lambda: remove(copy),
                warm=corpus.at,
                check=lambda: expect(COPY, count_files(copy), corpus.files),
                disk=copy,
            ),
            _adding(bench, bench.astore(corpus), corpus),
        ]
        if name == "large" and bench.has("openssl"):
            contenders.append(_digesting(corpus))
        tools = bench.others(corpus, but=() if name == "small" else ALIKE)
        contenders += [_adding(bench, tool, corpus, is_guest=True) for tool in tools]
        bench.compare(part, contenders)
        remove(copy)

    return measure


def _adding(bench, contestant, corpus, is_guest=False):
    def prepare():
        contestant.make(bench.runner.ask)

    def check():
        expect(f"files in {contestant.name}", contestant.files(bench.runner.ask, corpus), corpus.files)
        contestant.holds = True

    return Contender(
        contestant.name,
        partial(contestant.add, corpus),
        contestant.extra,
        prepare=prepare,
        check=check,
        warm=corpus.at,
        disk=contestant.at,
        is_guest=is_guest,
    )


def _digesting(corpus):
    return Contender("one SHA-256 thread", ["openssl", "dgst", "-sha256", *corpus.file_paths()], warm=corpus.at)


def verify(name):
    """Every object read and hashed again, against b3sum of the same files on as many threads."""

    def measure(bench):
        corpus = bench.corpus(name)
        astore = bench.holding(bench.astore(corpus), corpus)
        contenders = [Contender("astore", astore.verify(), astore.extra, warm=astore.at)]
        if bench.has("b3sum"):
            listed = bench.path("objects")
            with open(listed, "wb") as file:
                file.write(b"".join(os.fsencode(path) + b"\0" for path in astore.objects()))
            # Small files are shared out among processes; of large ones, b3sum hashes each on all cores.
            processors = os.cpu_count() or 1
            shares = [] if name == "large" else [f"-P{processors}", "-n1000"]
            threads = processors if name == "large" else 1
            command = ["xargs", "-0", "-a", listed, *shares, "b3sum", "--num-threads", str(threads)]
            contenders.append(Contender("b3sum", command, warm=astore.at))
        for tool in bench.others_holding(corpus, but=ALIKE):
            contenders.append(Contender(tool.name, tool.verify(), tool.extra, warm=tool.at, is_guest=True))
        bench.compare(f"verify-{name}", contenders)

    return measure


def export(name):
    """The tree again, against copying it."""

    def measure(bench):
        corpus, to = bench.corpus(name), bench.path("out")
        done = {"prepare": lambda: remove(to), "check": lambda: expect("files written", count_files(to), corpus.files)}
        astore = bench.holding(bench.astore(corpus), corpus)
        contenders = [
            Contender("cp -a", ["cp", "-a", corpus.at, to], warm=corpus.at, **done),
            Contender("astore", astore.export(corpus, to), astore.extra, warm=astore.at, **done),
        ]
        for tool in bench.others_holding(corpus, but=ALIKE):
            command = tool.export(corpus, to)
            contenders.append(Contender(tool.name, command, tool.extra, warm=tool.at, is_guest=True, **done))
        bench.compare(f"export-{name}", contenders)
        remove(to)

    return measure


def replay(bench):
    """The views computed again, against their rows put into an empty database by Python: a hint, and no floor."""
    corpus = bench.corpus("small")
    astore = bench.holding(bench.astore(corpus), corpus)
    source, to = bench.path("views.db"), bench.path("rows.db")
    shutil.copy(os.path.join(astore.extra["ASTORE_ROOT"], "astore.db"), source)
    base = [bench.settings.astore, "--quiet", "replay"]
    bench.compare(
        "replay",
        [
            Contender(
                "rows by Python",
                [sys.executable, "-c", ROWS, source, to],
                prepare=lambda: remove(to, f"{to}-wal", f"{to}-shm"),
                warm=source,
            ),
            Contender("astore", base, astore.extra),
            Contender("astore --check", [*base, "--check"], astore.extra),
        ],
    )


def start(bench):
    """What is over in milliseconds, against a program that does nothing."""
    corpus = bench.corpus("small")
    astore = bench.holding(bench.astore(corpus), corpus)
    few = next(path for path in corpus.file_paths() if 0 < os.path.getsize(path) <= 4096)
    path = f"small:{os.path.relpath(few, corpus.at)}"
    asked = {"--version": ["--version"], "show": ["show", "small"], "cat": ["cat", path], "explain": ["explain", path]}
    contenders = [Contender(f"astore {name}", [astore.binary, *words], astore.extra) for name, words in asked.items()]
    bench.compare("start", [Contender("true", ["true"]), *contenders], runs=10 * bench.settings.runs, is_short=True)


def unchanged(bench):
    """The same tree again, against a walk that looks at size and time of each file."""
    corpus = bench.corpus("small")
    astore = bench.holding(bench.astore(corpus), corpus)
    bench.wait_for_times()
    again = Contender("astore --if-changed", astore.add(corpus, "--if-changed"), astore.extra, warm=corpus.at)
    contenders = [_walking(corpus), _again(astore, corpus), again]
    contenders += [_again(tool, corpus, is_guest=True) for tool in bench.others_holding(corpus)]
    bench.compare("unchanged", contenders)


def changed(bench):
    """The same tree with one file in a hundred grown by a line, other ones in each round."""
    corpus = bench.corpus("small")
    astore = bench.holding(bench.astore(corpus), corpus)
    tools = bench.others_holding(corpus)
    paths = corpus.file_paths()

    def grow(number):
        for path in paths[number % 100 :: 100]:
            with open(path, "ab") as file:
                file.write(b"changed in round %d\n" % number)
        bench.wait_for_times()

    contenders = [_walking(corpus), _again(astore, corpus)]
    contenders += [_again(tool, corpus, is_guest=True) for tool in tools]
    bench.compare("changed", contenders, before_round=grow)


def _walking(corpus):
    return Contender("find", ["find", corpus.at, "-printf", "%s %T@\\n"], warm=corpus.at)


def _again(contestant, corpus, is_guest=False):
    return Contender(
        contestant.name, partial(contestant.add, corpus), contestant.extra, warm=corpus.at, is_guest=is_guest
    )


def collect(bench):
    """A confirmed gc, against unlinking the same files and one syncfs: benches/gc.py knows how."""
    script = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "gc.py")
    settings = bench.settings
    command = [sys.executable, script, "--json", "--astore", settings.astore, "--at", bench.place]
    command += ["--objects", str(settings.gc_objects), "--runs", str(settings.runs)]
    printed = subprocess.run(command, env=bench.runner.environment, capture_output=True, text=True, check=False)
    if printed.returncode != 0:
        raise Failed(f"gc.py: {printed.stderr[-1000:]}")
    found = json.loads(printed.stdout)
    bench.results["gc_objects"] = found["objects"]
    for number, run in enumerate(found["runs"]):
        for who, name in (("astore", "gc"), ("astore plan", "plan"), ("unlink, sync -f", "floor")):
            bench.record(
                "gc",
                who,
                number,
                wall=run[f"{name}_seconds"],
                sync=0.0,
                user=run.get(f"{name}_cpu_seconds", 0.0),
                system=0.0,
                memory=run.get(f"{name}_memory_mib", 0.0),
            )


@contextmanager
def _with_reflinks(bench):
    """Gives a file system that has reflinks, the large files on it, and an astore beside them."""
    corpus = bench.corpus("large")
    with place.xfs(bench.place, 4 * corpus.bytes) as mounted:
        here = Corpus("large", shutil.copytree(corpus.at, os.path.join(mounted, "large"))).count()
        yield mounted, here, Astore(os.path.join(mounted, "astore"), bench.settings.astore)


def add_with_reflinks(bench):
    """Large files that need not be written again, against hashing them."""
    with _with_reflinks(bench) as (mounted, corpus, astore):
        contenders = [_adding(bench, astore, corpus)]
        if bench.has("openssl"):
            contenders.append(_digesting(corpus))
        bench.compare("add-reflink", contenders, at=mounted)


def export_with_reflinks(bench):
    """Large files that need not be written out, against a copy that is."""
    with _with_reflinks(bench) as (mounted, corpus, astore):
        bench.holding(astore, corpus)
        to = os.path.join(mounted, "out")
        done = {"prepare": lambda: remove(to), "check": lambda: expect("files written", count_files(to), corpus.files)}
        copying = ["cp", "-a", corpus.at, to]
        exporting = [*astore.export(corpus, to), "--link", "auto"]
        contenders = [
            Contender("cp -a, no reflink", [*copying, "--reflink=never"], warm=corpus.at, **done),
            Contender("cp -a, reflink", [*copying, "--reflink=always"], warm=corpus.at, **done),
            Contender("astore", exporting, astore.extra, warm=astore.at, **done),
        ]
        bench.compare("export-reflink", contenders, at=mounted)


# What needs the same corpus stands together: what is held of a corpus is let go when the next one's turn comes.
PARTS = {
    "add-build": (add("build"), "build"),
    "add-large": (add("large"), "large"),
    "verify-large": (verify("large"), "large"),
    "export-large": (export("large"), "large"),
    "add-small": (add("small"), "small"),
    "verify-small": (verify("small"), "small"),
    "export-small": (export("small"), "small"),
    "replay": (replay, "small"),
    "start": (start, "small"),
    "unchanged": (unchanged, "small"),
    "changed": (changed, "small"),
    "gc": (collect, None),
    "add-reflink": (add_with_reflinks, "large"),
    "export-reflink": (export_with_reflinks, "large"),
}
