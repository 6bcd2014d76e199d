"""Running a command to its end, and what that cost: seconds, CPU time and peak memory, of it alone."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

# A child begins as a copy of whoever starts it, and wait4 counts that copy as the child's peak. So a shell, which is
# small, starts the command and ends; we, its sub-reaper, adopt the command, tell it to begin, and reap it ourselves.
STARTER = 'exec 3<&0; out=$1; shift; (read -r begin <&3; exec "$@" >"$out" 2>&1 3<&-) & echo $!'
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


class Failed(Exception):
    """A command did not do what it was asked for: its time says nothing."""


@dataclass
class Cost:
    """What a command cost. Whoever leaves dirty pages behind leaves work to others: `sync` is what that took."""

    wall: float
    user: float
    system: float
    memory: float  # MiB
    sync: float = 0.0


class Runner:
    """Runs commands in an environment of their own, and keeps what the last one said in a file."""

    def __init__(self, environment, log):
        self.environment = environment
        self.log = log
        self.running = self.group = None
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def run(self, command, extra=None, cwd=None, accept=(0,)):
        """Runs a command and returns its cost.

        # Raises
        `Failed` where its status is none of `accept`, with the end of what it said.
        """
        words = [os.fspath(word) for word in command]
        with subprocess.Popen(
            ["/bin/sh", "-c", STARTER, "sh", self.log, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**self.environment, **(extra or {})},
            cwd=cwd,
            bufsize=0,
            start_new_session=True,
        ) as shell:
            self.group = shell.pid
            self.running = int(shell.stdout.readline())
            shell.wait()
            begun = time.perf_counter()
            shell.stdin.write(b"\n")
        _, status, usage = os.wait4(self.running, 0)
        wall = time.perf_counter() - begun
        self.running = None
        code = os.waitstatus_to_exitcode(status)
        if code not in accept:
            raise Failed(f"{' '.join(words)[:300]}: status {code}\n{self.said()[-2000:]}")
        return Cost(wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss / 1024)

    def said(self):
        """Returns what the last command said."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def ask(self, command, extra=None, cwd=None):
        """Runs a command that is not measured, and returns what it said."""
        self.run(command, extra, cwd)
        return self.said()

    def end(self):
        """Ends the command that runs, if one does, and those that it started: a Ctrl-C does not reach their session."""
        if self.running is not None:
            # The signal that ends us may have come after the command was waited for, and before that was noted.
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.killpg(self.group, signal.SIGTERM)
                os.waitpid(self.running, 0)
            self.running = None


def sync(path):
    """Makes one file system durable, and returns what it took. Never sync(2), which waits for all of them."""
    begun = time.perf_counter()
    subprocess.run(["sync", "-f", path], check=True)
    return time.perf_counter() - begun


def remove(*paths):
    """Removes trees, whatever their modes are."""
    subprocess.run(["rm", "-rf", "--", *paths], check=True)


def read_all(path):
    """Reads every file beneath a path once, so that it is in the page cache."""
    subprocess.run(["find", path, "-type", "f", "-exec", "cat", "{}", "+"], stdout=subprocess.DEVNULL, check=True)


TOUCHED = 2 << 30  # bytes: about what the largest contender brings into the page cache
TOUCH = "import mmap, sys; room = mmap.mmap(-1, int(sys.argv[1]))\nfor at in range(0, len(room), 4096): room[at] = 1"


def touch_memory():
    """Takes memory, writes to each page, and gives it back, so that it is there for who comes next.

    A virtual machine hands free pages back to its host after a while, and the first write to one that is gone costs
    more than all else that is done to it: whoever wrote first after a pause would be twice as slow. Not where
    memory is scarce: what is in the page cache would have to go.
    """
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        free = next(int(line.split()[1]) << 10 for line in meminfo if line.startswith("MemFree:"))
    if free > 2 * TOUCHED:
        subprocess.run([sys.executable, "-c", TOUCH, str(TOUCHED)], check=True)
