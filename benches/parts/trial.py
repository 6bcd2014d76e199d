"""Does the benchmark still work? A run of seconds on a tiny tree, and tables of figures that are known."""

import pathlib
import tempfile

from parts import tables
from parts.work import COPY

PARTS = ("add-small", "verify-small", "export-small", "replay", "start", "unchanged", "changed", "gc")


def smoke(settings, measure, results):
    """Measures a tree of a few files with astore and the plain tools alone, and looks at what comes out."""
    check_tables()
    with tempfile.TemporaryDirectory(prefix="astore-smoke-", dir=settings.at) as made:
        at = pathlib.Path(made)
        for number in range(120):
            file = at / "tree" / f"{number % 7}" / f"{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"file %d\n" % number * number or b"first\n")
        settings.small, settings.at, settings.out = str(at / "tree"), made, at / "out"
        settings.large = settings.build = settings.small
        settings.tools, settings.parts = [], list(PARTS)
        settings.runs, settings.gc_objects = 1, 400
        result = results(settings)
        measure(settings, result)
        text = tables.document(result)
    print(text)
    assert not result["skipped"], result["skipped"]
    assert result["complete"] == list(PARTS), result["complete"]
    for work in ("add, small files", "export, small files", "add, unchanged", "replay", "astore show", "gc"):
        assert f"\n| {work}" in text, f"no line of {work}:\n{text}"
    return 0


def check_tables():
    """Holds the tables to figures whose ratios are known."""
    copying = next(line for line in tables.LIMITS if line.against == (COPY,))
    field = next(line for line in tables.LIMITS if line.pick is min)
    large = next(line for line in tables.LIMITS if line.part == "add-large")

    # A round that only one of them took part in counts for nobody's ratio; the sync afterwards counts.
    runs = [
        _run("add-small", "astore", 0, 2.0),
        _run("add-small", COPY, 0, 1.5, 0.5),
        _run("add-small", "astore", 1, 3.0),
    ]
    assert tables.judge(tables.Runs(runs), copying) == ([2.0, 3.0], [2.0], COPY, [1.0])
    assert tables.judge(tables.Runs(runs), field) is tables.judge(tables.Runs(runs), large) is None
    assert "| 1.00 | 1.10 | reached |" in tables.limits({"runs": runs[:2]})
    assert "**not reached**" in tables.limits({"runs": [runs[2], _run("add-small", COPY, 1, 1.0)]})
    assert tables.spread([3.0, 1.0, 2.0]) == "2.00 (1.00–3.00)"

    # Of a copy and a digest the slower one counts, and only where both are there; of other tools the fastest.
    runs = [
        _run("add-large", who, 0, wall) for who, wall in (("astore", 3.0), (COPY, 2.0), ("one SHA-256 thread", 4.0))
    ]
    assert tables.judge(tables.Runs(runs), large)[2:] == ("one SHA-256 thread", [0.75])
    assert tables.judge(tables.Runs(runs[:2]), large) is None
    runs = [
        _run("add-small", who, 0, wall) for who, wall in (("astore", 3.0), ("borg create", 4.0), ("restic backup", 6.0))
    ]
    assert tables.judge(tables.Runs(runs), field)[2:] == ("borg create", [0.75])


def _run(part, who, number, wall, sync=0.0):
    costs = {"wall": wall, "sync": sync, "user": 1.0, "system": 0.5, "memory": 20.0}
    return {"part": part, "who": who, "round": number, **costs}
