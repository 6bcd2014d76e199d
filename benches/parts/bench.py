"""One run of the benchmark: where it works, on what, with whom; and how contenders are measured side by side."""

import os
import shutil
import time
from dataclasses import asdict, dataclass, field

from parts import corpora
from parts.command import Failed, Runner, read_all, remove, sync, touch_memory
from parts.contestants import Astore
from parts.corpora import Corpus


@dataclass
class Contender:
    """One command that takes part in a comparison: its words, or what gives them at each run.

    `prepare` is done before and `check` after each run, neither of them measured; `warm` is read once before it, and
    the room that `disk` takes is looked at afterwards. A guest, one of the other tools, takes part in fewer rounds, and
    is left out from where it fails.
    """

    who: str
    command: object
    extra: dict = field(default_factory=dict)
    prepare: object = None
    check: object = None
    warm: str = None
    disk: str = None
    is_guest: bool = False


class Bench:
    """The settings, the place, and what was measured so far."""

    def __init__(self, settings, place, tools, sources, results, say):
        """Works in `place`, with the corpora of `sources` and these classes of tools, and adds to `results`."""
        self.settings, self.place, self.tools, self.results, self.say = settings, place, tools, results, say
        self.sources = sources
        self.corpora, self.held, self.failed = {}, {}, set()
        for made in ("home", "corpora", "repositories"):
            os.mkdir(self.path(made))
        # Nobody reads the settings of whoever runs this, nor touches what is theirs.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.path("home"),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.runner = Runner(environment, self.path("said"))

    def path(self, name):
        """Returns a path in the place of work."""
        return os.path.join(self.place, name)

    def corpus(self, name):
        """Returns a corpus, copied on first use."""
        if name not in self.corpora:
            source = self.sources[name]
            made = corpora.copy(name, source, os.path.join(self.path("corpora"), name))
            sync(self.place)
            self.corpora[name] = made
            self.results["corpora"][name] = {key: value for key, value in asdict(made).items() if key != "at"}
            self.say(f"{name}: {made.files} files, {made.bytes / 1e6:.0f} MB, from {source.at}")
        return self.corpora[name]

    def has(self, program):
        """Tells whether a program is here, saying so if not."""
        is_here = shutil.which(program) is not None
        if not is_here:
            self.say(f"skipped: what is held against {program}, which is not here (--install tries to get it)")
        return is_here

    def astore(self, corpus):
        """Returns the astore of a corpus, empty so far or not."""
        return self._contestant(Astore, corpus)

    def others(self, corpus, but=()):
        """Returns the other tools of a corpus: none for the build output, nor, in a hurry, for large files."""
        if corpus.name == "build" or corpus.name == "large" and self.settings.quick:
            return []
        takes_part = (tool for tool in self.tools if tool not in but and tool.name not in self.failed)
        return [self._contestant(tool, corpus) for tool in takes_part]

    def others_holding(self, corpus, but=()):
        """Returns the other tools that hold the corpus now."""
        found = []
        for tool in self.others(corpus, but):
            try:
                found.append(self.holding(tool, corpus))
            except Failed as error:
                self._leave_out(tool.name, "before it began", error)
        return found

    def holding(self, contestant, corpus):
        """Returns a contestant that has taken in the corpus: now, and unmeasured, if it has not."""
        if not contestant.holds:
            contestant.make(self.runner.ask)
            self.runner.run(contestant.add(corpus), contestant.extra)
            contestant.holds = True
        return contestant

    def let_go(self, corpus):
        """Removes what everybody holds of a corpus: the next one needs the room."""
        for key in [key for key in self.held if key[1] == corpus]:
            remove(self.held.pop(key).at)
        sync(self.place)

    def compare(self, part, contenders, runs=None, before_round=None, is_short=False, at=None):
        """Runs every contender once, then each again: whatever else the machine does meanwhile strikes all of them.

        Who begins changes from round to round. Commands of milliseconds write nothing: for those,
        nothing is synced or read before. `at` is what is synced, where it is not the place of work.
        """
        # Other tools take up to half a minute for large files, and not much more or less in another round.
        guest_rounds = 1 if part.endswith("-large") else self.settings.tool_runs
        for number in range(runs or self.settings.runs):
            if before_round:
                before_round(number)
            first = number % len(contenders)
            for contender in contenders[first:] + contenders[:first]:
                if not contender.is_guest:
                    self._measure(part, contender, number, is_short, at or self.place)
                elif number < guest_rounds and contender.who not in self.failed:
                    try:
                        self._measure(part, contender, number, is_short, at or self.place)
                    except Failed as error:
                        self._leave_out(contender.who, part, error)

    def wait_for_times(self):
        """Waits until what was just written is old enough for its times to be believed."""
        sync(self.place)
        if not self.settings.smoke:
            time.sleep(2.5)

    def record(self, part, who, number, **costs):
        """Keeps what one run of one contender cost."""
        self.results["runs"].append({"part": part, "who": who, "round": number, **costs})

    def _measure(self, part, contender, number, is_short, at):
        if contender.prepare:
            contender.prepare()
        if not is_short:
            sync(at)
            if self.settings.cold_cache:
                with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as drop:
                    drop.write("3")
            elif contender.warm:
                read_all(contender.warm)
                if not self.settings.smoke:
                    touch_memory()
        command = contender.command() if callable(contender.command) else contender.command
        cost = self.runner.run(command, contender.extra)
        if not is_short:
            cost.sync = sync(at)
        if contender.check:
            contender.check()
        costs = asdict(cost)
        if contender.disk:
            costs["disk"] = room(contender.disk)
        self.record(part, contender.who, number, **costs)
        if not is_short:
            self.say(
                f"  {part:14} {contender.who:22} {cost.wall:7.2f} s + {cost.sync:5.2f} sync"
                f"  cpu {cost.user + cost.system:6.2f}  {cost.memory:5.0f} MiB"
            )

    def _leave_out(self, who, part, error):
        self.failed.add(who)
        self.results["skipped"][f"{who} from {part} on"] = str(error)
        self.say(f"  {who} is left out from here on: {error}")

    def _contestant(self, tool, corpus):
        key = (tool, corpus.name)
        if key not in self.held:
            at = os.path.join(self.path("repositories"), f"{corpus.name}-{tool.__name__.lower()}")
            self.held[key] = tool(at, self.settings.astore) if tool is Astore else tool(at)
        return self.held[key]


def room(path):
    """Returns the bytes that a tree takes on disk, hard links once."""
    seen, total = set(), 0
    for directory, directories, files in os.walk(path):
        for name in directories + files:
            status = os.lstat(os.path.join(directory, name))
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_blocks * 512
    return total


def expect(what, found, wanted):
    """Refuses to time what was not done."""
    if found != wanted:
        raise Failed(f"{what}: {found}, and it should be {wanted}")


def count_files(at):
    """Returns how many files and symlinks are beneath a path."""
    return Corpus("", at).count().files
