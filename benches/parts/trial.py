"""Does the benchmark still work? A run of seconds on a tiny tree, and tables of figures that are known."""

import pathlib
import tempfile

from parts import tables
from parts.work import COPY

PARTS = ("add-small", "verify-small", "export-small", "replay", "start", "unchanged", "changed")


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
    for work in ("add, small files", "export, small files", "add, unchanged", "replay", "astore show"):
        assert f"\n| {work}" in text, f"no line of {work}:\n{text}"
    return 0


def check_tables():
    """Holds the tables to figures whose ratios are known."""

    def run(part, who, number, wall, sync=0.0):
        return {
            "part": part,
            "who": who,
            "round": number,
            "wall": wall,
            "sync": sync,
            "user": 1.0,
            "system": 0.5,
            "memory": 20.0,
        }

    add = tables.LIMITS[0]
    runs = [run("add-small", "astore", 0, 2.0), run("add-small", COPY, 0, 1.5, 0.5), run("add-small", "astore", 1, 3.0)]
    own, others, slower, ratios = tables.judge(tables.Runs(runs), add)
    # A round that only one of them took part in counts for nobody's ratio; the sync afterwards counts.
    assert (own, others, slower, ratios) == ([2.0, 3.0], [2.0], COPY, [1.0]), (own, others, slower, ratios)
    assert tables.judge(tables.Runs(runs), tables.LIMITS[2]) is None
    assert "| 1.00 | 1.10 | reached |" in tables.limits({"runs": runs[:2]})
    assert "**not reached**" in tables.limits({"runs": [runs[2], run("add-small", COPY, 1, 1.0)]})
    large = [
        run("add-large", who, 0, wall) for who, wall in (("astore", 3.0), (COPY, 2.0), ("one SHA-256 thread", 4.0))
    ]
    # Of several the slower counts.
    assert tables.judge(tables.Runs(large), tables.LIMITS[2])[2:] == ("one SHA-256 thread", [0.75])
    assert tables.spread([3.0, 1.0, 2.0]) == "2.00 (1.00–3.00)"
