"""What was measured, as tables: the limits of the design, and what other tools take for the same."""

from dataclasses import dataclass
from statistics import median

from parts.contestants import TOOLS, Astore, Git
from parts.work import COPY


@dataclass(frozen=True)
class Limit:
    """A line of the first table: one contender held against others.

    That is by its `wall` seconds or by the `total`, with the sync afterwards. Where it is held against several, `pick`
    says whether the slowest or the fastest counts. Without a `limit` the ratio is only told.
    """

    work: str
    part: str
    against: tuple
    limit: float = None
    by: str = "total"
    who: str = "astore"
    pick: object = max


CLASSES = (Astore, *(tool for group in TOOLS.values() for tool in group))
DURABLE = tuple(tool.name for tool in CLASSES if tool not in (Astore, Git))
LIMITS = (
    Limit("add, small files, empty store", "add-small", (COPY,), 1.1),
    Limit("add, small files, empty store", "add-small", DURABLE, 1.0, pick=min),
    Limit("add, build output, empty store", "add-build", (COPY,), 1.1),
    Limit("add, large files, empty store", "add-large", (COPY, "one SHA-256 thread"), 1.2),
    Limit("add, large files, reflinks", "add-reflink", ("one SHA-256 thread",)),
    Limit("add, unchanged", "unchanged", ("find",), 1.5),
    Limit("add, unchanged", "unchanged", ("git add",), 1.0),
    Limit("add --if-changed, unchanged", "unchanged", ("find",), who="astore --if-changed"),
    Limit("add, one file in a hundred changed", "changed", ("find",)),
    Limit("add, one file in a hundred changed", "changed", ("git add",)),
    Limit("verify, small files", "verify-small", ("b3sum",), 1.15),
    Limit("verify, large files", "verify-large", ("b3sum",), 1.15),
    Limit("export, small files", "export-small", ("cp -a",), 1.2, "wall"),
    Limit("export, small files, made durable", "export-small", ("cp -a",)),
    Limit("export, large files", "export-large", ("cp -a",), 1.2, "wall"),
    Limit("export, large files, made durable", "export-large", ("cp -a",)),
    Limit("export, large files, reflinks", "export-reflink", ("cp -a, no reflink",), 0.25, "wall"),
    Limit("replay", "replay", ("rows by Python",)),
    Limit("replay --check", "replay", ("rows by Python",), who="astore --check"),
    Limit("gc, confirmed", "gc", ("unlink, sync -f",), 1.3),
)
MILLISECONDS_MAX = 10
MEMORY_MAX = 64
# The columns of the second table: the part, its title, and which of the plain tools stands in it.
FIELD = (
    ("add-small", "small: add", COPY),
    ("unchanged", "unchanged", "find"),
    ("changed", "1 % changed", "find"),
    ("verify-small", "verify", "b3sum"),
    ("export-small", "restore", "cp -a"),
    ("add-large", "large: add", COPY),
    ("verify-large", "verify", "b3sum"),
    ("export-large", "restore", "cp -a"),
)
PLAIN = "plain tools"
CELLS = "Seconds with the sync afterwards, CPU seconds in brackets, and how many times astore's seconds that is."


class Runs:
    """The runs of a result, by part and contender."""

    def __init__(self, runs):
        self.runs = runs

    def of(self, part, who):
        """Returns the runs of one contender, by round."""
        return {run["round"]: run for run in self.runs if run["part"] == part and run["who"] == who}

    def seconds(self, part, who, by="total"):
        """Returns its seconds in each round."""
        return {
            number: run["wall"] + (run["sync"] if by == "total" else 0) for number, run in self.of(part, who).items()
        }

    def middle(self, part, who, *fields):
        """Returns the median of the sum of some fields, or None where it took no part."""
        found = [
            sum(run[field] for field in fields)
            for run in self.of(part, who).values()
            if all(field in run for field in fields)
        ]
        return median(found) if found else None

    def cpu(self, part, who):
        """Returns the median of its CPU seconds, as text."""
        return number(self.middle(part, who, "user", "system"), 2)


def judge(runs, line):
    """Judges a line of the limits.

    Returns its own seconds, those that it is held against and whose they are, and the ratio of each round in which both
    took part; or None where there is no such round, or one is missing of those of which the slowest counts.
    """
    own = runs.seconds(line.part, line.who, line.by)
    others = {who: runs.seconds(line.part, who, line.by) for who in line.against}
    others = {who: seconds for who, seconds in others.items() if seconds}
    if not others or line.pick is max and len(others) < len(line.against):
        return None
    picked = line.pick(others, key=lambda who: median(others[who].values()))
    ratios = [seconds / others[picked][number] for number, seconds in own.items() if number in others[picked]]
    return (list(own.values()), list(others[picked].values()), picked, ratios) if ratios else None


def limits(result):
    """Returns the table of the limits."""
    runs = Runs(result["runs"])
    rows = []
    for line in LIMITS:
        judged = judge(runs, line)
        if judged is None:
            continue
        own, others, picked, ratios = judged
        rows.append(
            [
                line.work,
                spread(own),
                runs.cpu(line.part, line.who),
                number(runs.middle(line.part, line.who, "memory"), 0),
                picked,
                spread(others),
                runs.cpu(line.part, picked),
                spread(ratios),
                number(line.limit, 2),
                verdict(median(ratios), line.limit),
            ]
        )
    titles = ("work", "astore, s", "CPU, s", "MiB", "held against", "its s", "its CPU, s", "ratio", "limit", "")
    return table(titles, rows, texts=("work", "held against", ""))


def starts(result):
    """Returns the table of what is over in milliseconds."""
    runs = Runs(result["runs"])
    rows = []
    for who in dict.fromkeys(run["who"] for run in result["runs"] if run["part"] == "start"):
        taken = [1000 * seconds for seconds in runs.seconds("start", who).values()]
        limit = MILLISECONDS_MAX if who.startswith("astore") else None
        memory = number(runs.middle("start", who, "memory"), 0)
        rows.append([who, spread(taken), memory, number(limit, 0), verdict(median(taken), limit)])
    return table(("command", "ms", "MiB", "limit, ms", ""), rows, texts=("command", ""))


def memory(result):
    """Says which command of astore took the most memory."""
    own = [run for run in result["runs"] if run["who"].startswith("astore") and run["memory"]]
    if not own:
        return ""
    most = max(own, key=lambda run: run["memory"])
    objects = f"; gc's has {result['gc_objects']:,}" if "gc_objects" in result else ""
    return (
        f"The most memory that a command of astore took here: {most['memory']:.0f} MiB ({most['part']}). "
        f"The limit is {MEMORY_MAX} MiB, for any command on a store of 100,000 objects{objects}."
    )


def tools(result):
    """Returns the table of the tools; `CELLS` says what stands in it."""
    runs = Runs(result["runs"])
    rows = []
    for name in (PLAIN, *(tool.name for tool in CLASSES)):
        taking_part = [(part, plain if name == PLAIN else name) for part, _, plain in FIELD]
        cells = [_cell(runs, part, who) for part, who in taking_part]
        disk = runs.middle("add-small", COPY if name == PLAIN else name, "disk")
        peaks = [run["memory"] for part, who in taking_part for run in runs.of(part, who).values()]
        if any(cells):
            rows.append([name, *cells, number(disk and disk / 1e6, 0), number(max(peaks), 0)])
    titles = ("", *(title for _, title, _ in FIELD), "on disk, small, MB", "most memory, MiB")
    return table(titles, rows, texts=("",)) if len(rows) > 1 else ""


def durability(result):
    """Says how durable each contender is, and which version it has."""
    present = {run["who"] for run in result["runs"]}
    said = [f"- {tool.name}: {tool.durability}." for tool in CLASSES if tool.name in present]
    versions = [f"{name} {version}" for name, version in result["machine"]["tools"].items()]
    return "\n".join(said) + "\n\nVersions: " + ", ".join(versions) + "."


def _cell(runs, part, who):
    seconds, ours = runs.seconds(part, who), runs.seconds(part, Astore.name)
    if not seconds:
        return ""
    middle = median(seconds.values())
    times = f", {middle / median(ours.values()):.1f}×" if ours and who != Astore.name else ""
    return f"{middle:.2f} ({runs.cpu(part, who)}){times}"


def table(titles, rows, texts):
    """Returns a table in Markdown, its columns aligned as numbers but for those of `texts`; nothing without rows."""
    lines = [titles, ["---" if title in texts else "--:" for title in titles], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) if rows else ""


def verdict(value, limit):
    """Says whether a limit is reached, where there is one."""
    if limit is None:
        return ""
    return "reached" if value <= limit else "**not reached**"


def number(value, digits):
    """Returns a number as text, and nothing for None."""
    return "" if value is None else f"{value:.{digits}f}"


def spread(values):
    """Returns the median, and from where to where it went."""
    middle = f"{median(values):.2f}"
    return middle if len(values) < 2 else f"{middle} ({min(values):.2f}–{max(values):.2f})"


def heading(result):
    """Says what was measured, on what, and how."""
    machine, settings = result["machine"], result["settings"]
    hardware = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB of memory"
    cache = "dropped before each run" if settings["cold_cache"] else "warm"
    rounds = f"Rounds: {settings['runs']}"
    if settings["tools"]:
        rounds += f", {settings['tool_runs']} of them with the other tools (one for large files)"
    corpora = [
        f"- {corpus['name']}: {corpus['files']:,} files, {corpus['bytes'] / 1e6:,.0f} MB, from {corpus['origin']}"
        for corpus in result["corpora"].values()
    ]
    lines = [
        f"{result['date']}, astore {result['version']}.",
        f"{hardware}; Linux {machine['kernel']}, {machine['file_system']}.",
        f"{rounds}; page cache {cache}. Medians, with the least and the most in brackets.",
        "",
    ]
    return "\n".join(lines + corpora)


def document(result):
    """Returns all tables, with the machine and the corpora before them."""
    sections = [heading(result), "### Against the limits", limits(result), memory(result)]
    if starts(result):
        sections += ["### Start-up", starts(result)]
    if tools(result):
        sections += ["### Beside other tools", CELLS, tools(result), durability(result)]
    if result["skipped"]:
        sections.append("Could not be measured: " + ", ".join(result["skipped"]) + ".")
    return "\n\n".join(sections) + "\n"
