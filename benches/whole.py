#!/usr/bin/env python3
"""Measures whole commands of astore, beside what they cannot beat and beside other tools, in one run.

    benches/whole.py                           everything, on a file system made for the purpose (as root)
    benches/whole.py --update-docs             the same, and its tables into docs/performance.md
    benches/whole.py --only add-small,verify-small --tools none --runs 1
    benches/whole.py --smoke                   seconds, on a tiny tree: does the script still work?

Trees that are found on this machine are copied into a place of work: a journaled ext4 in a sparse file, mounted with
direct I/O, which goes when the script does, or --at a directory. There every contender does each work once, then each
again: medians of ratios count, for the machine is noisy. Before each run what it reads is read once, and free memory
touched (or, with --cold-cache, the machine's page cache is dropped); after each, one syncfs is timed apart, since whoever
does not sync leaves that to others. What did not do its work is not timed: exit codes and counts of files are looked at.

What each part does is said in parts/work.py, whom it is held against in parts/contestants.py, and the limits stand in
parts/tables.py. Each part's runs go to whole.json as soon as it is through: with --resume, those that are there are
not measured again. The user's own store, settings and caches are not touched.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys

from parts import contestants, corpora, machine, place, tables, trial
from parts.bench import Bench
from parts.command import Failed
from parts.work import PARTS

TOP = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = TOP / "docs/performance.md"
BEGIN, END = "<!-- benches/whole.py: from here -->", "<!-- benches/whole.py: to here -->"


def say(text):
    """Tells what is being done: results alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
    parser.add_argument("--astore", default=target / "release/astore", help="the binary [%(default)s]")
    parser.add_argument("--at", help="a directory to work in [a file system of our own]")
    parser.add_argument(
        "--out", default=target / "bench", type=pathlib.Path, help="where whole.json and whole.md go [%(default)s]"
    )
    for name in ("small", "large", "build"):
        parser.add_argument(f"--{name}", metavar="DIR", help=f"the corpus {name} [found on this machine]")
    parser.add_argument("--runs", type=int, default=3, help="rounds [%(default)s]")
    parser.add_argument("--tool-runs", type=int, default=2, help="rounds in which other tools take part [%(default)s]")
    parser.add_argument("--tools", default=",".join(contestants.TOOLS), help="other tools, or none [%(default)s]")
    parser.add_argument("--gc-objects", type=int, default=100_000, help="objects in the store of gc [%(default)s]")
    parser.add_argument("--only", metavar="PARTS", help=f"some parts only: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="one round, and other tools with small files only")
    parser.add_argument("--reflink", action="store_true", help="large files on an xfs with reflinks too (as root)")
    parser.add_argument(
        "--cold-cache", action="store_true", help="drop the machine's page cache before each run (as root)"
    )
    parser.add_argument(
        "--install", action="store_true", help="install the tools that are missing (as root, under Debian)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep the parts that --out has of this binary and these settings"
    )
    parser.add_argument("--render", action="store_true", help="measure nothing: the tables of what --out has")
    parser.add_argument("--update-docs", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--smoke", action="store_true", help="measure a tiny tree, and check the tables")
    settings = parser.parse_args()
    settings.astore = str(pathlib.Path(settings.astore).resolve())
    settings.target = str(target.resolve())
    settings.out = settings.out.resolve()
    for name in ("at", *corpora.LIMITS):
        setattr(settings, name, getattr(settings, name) and os.path.realpath(getattr(settings, name)))
    settings.tools = [] if settings.tools == "none" else settings.tools.split(",")
    if settings.quick:
        settings.runs = settings.tool_runs = 1
    settings.parts = settings.only.split(",") if settings.only else list(PARTS)
    if not settings.reflink and not settings.only:
        settings.parts = [name for name in settings.parts if not name.endswith("reflink")]
    unknown = set(settings.parts) - set(PARTS) | set(settings.tools) - set(contestants.TOOLS)
    if unknown:
        parser.error(f"nothing is called {', '.join(sorted(unknown))}")
    if not settings.render and not os.access(settings.astore, os.X_OK):
        parser.error(f"no binary at {settings.astore}: cargo build --release, or name another with --astore")
    return settings


def results(settings):
    """Returns what --out has and still holds for this binary and these settings, or an empty result."""
    kept = ("runs", "tool_runs", "tools", "gc_objects", "quick", "cold_cache", "small", "large", "build")
    empty = {
        "schema": "astore/bench/v1",
        "binary": hashlib.sha256(pathlib.Path(settings.astore).read_bytes()).hexdigest(),
        "settings": {name: getattr(settings, name) for name in kept},
        "version": subprocess.run(
            [settings.astore, "--version"], capture_output=True, text=True, check=True
        ).stdout.split()[-1],
        "date": datetime.date.today().isoformat(),
        "complete": [],
        "skipped": {},
        "corpora": {},
        "runs": [],
    }
    file = settings.out / "whole.json"
    if settings.resume and file.exists():
        found = json.loads(file.read_text(encoding="utf-8"))
        if all(found[name] == empty[name] for name in ("schema", "binary", "settings")):
            found["runs"] = [run for run in found["runs"] if run["part"] in found["complete"]]
            return found
        say("what --out has is of another binary or other settings: nothing of it is kept")
    return empty


def measure(settings, result):
    """Measures the parts that are not there yet, and saves after each."""
    todo = [name for name in settings.parts if name not in result["complete"]]
    if not todo:
        return
    tools = contestants.named(settings.tools)
    if settings.install:
        machine.install_missing({**machine.PACKAGES, **{tool.program: tool.package for tool in tools}})
    tools = contestants.present(tools, say)
    wanted = {corpus for _, corpus in map(PARTS.get, todo) if corpus}
    sources = {name: corpora.find(name, getattr(settings, name), settings.target) for name in wanted}
    sizes = [source.size() for source in sources.values()] or [0]
    # The corpora, and of the largest: a repository of each tool, what is restored, a file system more for reflinks.
    copies = len(tools) + (8 if any(name.endswith("reflink") for name in todo) else 4)
    room = sum(sizes) + max(sizes) * copies + (512 + settings.gc_objects // 50 << 20)
    with place.workplace(settings.at, settings.out, room, say) as at:
        result["machine"] = machine.describe(at)
        bench = Bench(settings, at, tools, sources, result, say)
        before = None
        try:
            for name in todo:
                function, corpus = PARTS[name]
                if corpus != before:
                    bench.let_go(before)
                    before = corpus
                part(bench, name, function, result)
                save(settings, result)
        finally:
            bench.runner.end()


def part(bench, name, function, result):
    """Measures one part; whatever makes that impossible is told, and the next one goes on."""
    say(f"{name}:")
    try:
        function(bench)
        result["complete"].append(name)
        result["skipped"].pop(name, None)
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        result["runs"] = [run for run in result["runs"] if run["part"] != name]
        result["skipped"][name] = str(error).strip().splitlines()[-1]
        say(f"  not measured: {error}")


def save(settings, result):
    """Writes what was measured so far, as JSON and as tables."""
    settings.out.mkdir(parents=True, exist_ok=True)
    for name, text in (("whole.json", json.dumps(result, indent=1)), ("whole.md", tables.document(result))):
        fresh = settings.out / f"{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(settings.out / name)


def update(document, text):
    """Puts the tables where the last ones stand."""
    before, rest = document.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def main():
    """Does what the command line asks for."""
    settings = arguments()
    # Whoever ends us, the mount is taken away.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    if settings.smoke:
        return trial.smoke(settings, measure, results)
    if settings.render:
        result = json.loads((settings.out / "whole.json").read_text(encoding="utf-8"))
    else:
        result = results(settings)
        try:
            measure(settings, result)
        except place.NoPlace as refused:
            sys.exit(str(refused))
        save(settings, result)
    text = tables.document(result)
    print(text)
    if settings.update_docs:
        update(DOCUMENT, text)
    return 1 if result["skipped"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
