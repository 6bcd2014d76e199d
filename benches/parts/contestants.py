"""Who is measured beside astore: each as durable as it can be told to be, or as it is, and said so."""

import os
import shutil

from parts.command import remove


class Contestant:
    """A tool with a repository of its own for each corpus.

    Its verbs are commands: whoever measures runs them, and sets `holds` once the corpus is in.
    """

    name = ""
    program = ""
    package = ""
    durability = ""
    # What it takes beside PATH and HOME.
    extra = {}

    def __init__(self, at):
        """Keeps the repository at `at`, in which there may be nothing yet."""
        self.at = at
        self.adds = 0
        self.holds = False

    def commands_to_make(self):
        """Returns what makes an empty repository; the directory itself is there."""
        raise NotImplementedError

    def add(self, corpus):
        """Returns what takes in the tree: again, where it was taken in before."""
        raise NotImplementedError

    def verify(self):
        """Returns what reads every byte and compares it."""
        raise NotImplementedError

    def export(self, corpus, to):
        """Returns what writes the tree that was taken in last to a directory that is missing."""
        raise NotImplementedError

    def files(self, run, corpus):
        """Returns how many files the tool says are in what was taken in last, by asking it through `run`."""
        raise NotImplementedError

    def make(self, run):
        """Begins anew with an empty repository."""
        remove(self.at)
        os.makedirs(self.at)
        self.adds = 0
        self.holds = False
        for command in self.commands_to_make():
            run(command, self.extra)


class Astore(Contestant):
    """What is measured."""

    name = "astore"
    durability = "all that it names, when it returns"

    def __init__(self, at, binary):
        super().__init__(at)
        self.binary = binary
        self.extra = {"ASTORE_ROOT": os.path.join(at, "store"), "ASTORE_ACTOR": "bench@here"}

    def commands_to_make(self):
        return [[self.binary, "--quiet", "init"]]

    def add(self, corpus, *options):
        return [self.binary, "--quiet", "add", "--finalize", "--name", corpus.name, *options, corpus.at]

    def verify(self):
        return [self.binary, "--quiet", "verify", "--no-record"]

    def export(self, corpus, to):
        return [self.binary, "--quiet", "export", corpus.name, to]

    def files(self, run, corpus):
        listed = run([self.binary, "--json", "files", corpus.name], self.extra)
        return sum('"kind":"directory"' not in line for line in listed.splitlines())

    def objects(self):
        """Returns the paths of all its object files."""
        below = os.walk(os.path.join(self.extra["ASTORE_ROOT"], "blake3"))
        return sorted(os.path.join(directory, name) for directory, _, names in below for name in names)


class Git(Contestant):
    """git as it comes: `add`, without a commit."""

    name = "git add"
    program = package = "git"
    durability = "no fsync of objects: git's default"
    settings = ()

    def commands_to_make(self):
        return [
            self._git("init", "--quiet", "--bare", "--initial-branch=main"),
            self._git("config", "gc.auto", "0"),
        ] + [self._git("config", key, value) for key, value in self.settings]

    def add(self, corpus):
        return self._git("-C", corpus.at, "-c", "core.bare=false", "--work-tree", ".", "add", "--all", "--force", ".")

    def verify(self):
        return self._git("fsck", "--full", "--no-dangling", "--no-progress")

    def export(self, corpus, to):
        checkout = (
            'mkdir "$1" && cd "$1" && exec git --git-dir "$2" -c core.bare=false --work-tree . checkout-index --all'
        )
        return ["sh", "-c", checkout, "sh", to, self.at]

    def files(self, run, corpus):
        return run(self._git("ls-files", "-z")).count("\0")

    def _git(self, *words):
        return ["git", "--git-dir", self.at, *words]


class GitDurable(Git):
    """git, told to make its objects durable."""

    name = "git add, durable"
    durability = "core.fsync=all with core.fsyncMethod=batch: one flush for the objects of an add"
    settings = (("core.fsync", "all"), ("core.fsyncMethod", "batch"))


class Ostree(Contestant):
    """ostree, with objects that are plain files as ours are."""

    name = "ostree commit"
    program = package = "ostree"
    durability = "one syncfs and one fsync for each directory of objects: its default (core.fsync); bare-user"

    def commands_to_make(self):
        return [["ostree", "init", f"--repo={self.at}", "--mode=bare-user"]]

    def add(self, corpus):
        return ["ostree", "commit", f"--repo={self.at}", "--branch=tree", "--subject=tree", f"--tree=dir={corpus.at}"]

    def verify(self):
        return ["ostree", "fsck", "--quiet", f"--repo={self.at}"]

    def export(self, corpus, to):
        return ["ostree", "checkout", f"--repo={self.at}", "--user-mode", "--force-copy", "tree", to]

    def files(self, run, corpus):
        return sum(line[:1] in "-l" for line in run(["ostree", "ls", "-R", f"--repo={self.at}", "tree"]).splitlines())


class Borg(Contestant):
    """borg without encryption, compressing as it does unless told otherwise."""

    name = "borg create"
    program, package = "borg", "borgbackup"
    durability = "fsync of each segment: its default; no encryption, lz4, its files cache"

    def __init__(self, at):
        super().__init__(at)
        self.extra = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_BASE_DIR": os.path.join(at, "base")}

    def commands_to_make(self):
        os.mkdir(self.extra["BORG_BASE_DIR"])
        return [["borg", "init", "--encryption=none", self._repository()]]

    def add(self, corpus):
        self.adds += 1
        return ["sh", "-c", 'cd "$1" && exec borg create "$2" .', "sh", corpus.at, f"{self._repository()}::{self.adds}"]

    def verify(self):
        return ["borg", "check", "--verify-data", self._repository()]

    def export(self, corpus, to):
        place = f"{self._repository()}::{self.adds}"
        return ["sh", "-c", 'mkdir "$1" && cd "$1" && exec borg extract "$2"', "sh", to, place]

    def files(self, run, corpus):
        listed = run(["borg", "list", "--format", "{type}{NL}", f"{self._repository()}::{self.adds}"], self.extra)
        return sum(line != "d" for line in listed.splitlines())

    def _repository(self):
        return os.path.join(self.at, "repository")


class Restic(Contestant):
    """restic, which always encrypts, compressing as it does unless told otherwise."""

    name = "restic backup"
    program = package = "restic"
    durability = "fsync of each pack: its default; encrypts and compresses"

    def __init__(self, at):
        super().__init__(at)
        self.extra = {
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": os.path.join(at, "repository"),
            "RESTIC_CACHE_DIR": os.path.join(at, "cache"),
        }

    def commands_to_make(self):
        return [["restic", "--quiet", "init"]]

    def add(self, corpus):
        return ["sh", "-c", 'cd "$1" && exec restic --quiet backup --host bench .', "sh", corpus.at]

    def verify(self):
        return ["restic", "--quiet", "check", "--read-data"]

    def export(self, corpus, to):
        return ["restic", "--quiet", "restore", "latest", "--target", to]

    def files(self, run, corpus):
        listed = run(["restic", "--quiet", "--json", "ls", "latest"], self.extra)
        return sum('"type":"dir"' not in line for line in listed.splitlines() if '"type":' in line)


TOOLS = {"git": (Git, GitDurable), "ostree": (Ostree,), "borg": (Borg,), "restic": (Restic,)}


def named(names):
    """Returns the classes of some tools."""
    return [tool for name in names for tool in TOOLS[name]]


def present(classes, say):
    """Returns those that are here, saying which are not."""
    for tool in classes:
        if shutil.which(tool.program) is None:
            say(f"skipped: {tool.name}, for there is no {tool.program} (--install tries to get it)")
    return [tool for tool in classes if shutil.which(tool.program) is not None]
