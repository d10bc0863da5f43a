# SPDX-License-Identifier: ISC
"""Starting a daemon."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from filter_ban.relay.spawn import IGNORED_SIGNALS, Pace, serve_argv

PROBE = """
import json, os, signal, sys
facts = {
    "pid": os.getpid(), "ppid": os.getppid(), "sid": os.getsid(0), "cwd": os.getcwd(), "argv": sys.argv[2:],
    "descriptors": sorted(os.listdir("/proc/self/fd"), key=int),
    "stdin": os.readlink("/proc/self/fd/0"), "same": os.path.sameopenfile(1, 2),
    "status": [line for line in open("/proc/self/status") if line.startswith("SigIgn")][0].split()[1],
}
with open(sys.argv[1] + ".new", "w") as file:
    json.dump(facts, file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""
STARTER = """
import os, signal, sys
from filter_ban.relay.spawn import IGNORED_SIGNALS, start_detached
for number in IGNORED_SIGNALS:
    signal.signal(number, signal.SIG_IGN)
os.set_inheritable(os.dup(0), True)
start_detached([sys.executable, *sys.argv[1:]])
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print(os.getpid(), "no child left")
"""


def test_detached(tmp_path: Path) -> None:
    """What is started has its own session, no descriptor but stderr, default signals, and is nobody's zombie."""
    facts_file = tmp_path / "facts"
    argv = [sys.executable, "-c", STARTER, "-c", PROBE, str(facts_file), "a b", "$HOME;'"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, stdin=subprocess.PIPE)
    starter, _, said = done.stdout.partition(" ")
    assert said == "no child left\n"
    for _ in range(2000):
        if facts_file.exists():
            break
        time.sleep(0.01)
    facts = json.loads(facts_file.read_text())
    assert facts["argv"] == ["a b", "$HOME;'"]
    assert facts["cwd"] == "/"
    assert facts["stdin"] == "/dev/null"
    assert facts["same"] is True
    assert facts["descriptors"] == ["0", "1", "2", "3"]  # the last is the listing's own
    assert facts["sid"] not in (facts["pid"], os.getsid(0))
    assert facts["ppid"] != int(starter)
    ignored = int(facts["status"], 16)
    for number in set(IGNORED_SIGNALS) - {signal.SIGPIPE}:  # Python itself ignores SIGPIPE
        assert not ignored & 1 << (number - 1)


def test_pace() -> None:
    """Daemons are started at once, then after 1, 2, 4 .. 60 s."""
    pace = Pace()
    starts_s = [now_s for now_s in range(300) if pace.may_start(float(now_s))]
    waits_s = [later - earlier for earlier, later in itertools.pairwise(starts_s)]
    assert waits_s == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_daemon_that_was_ready_is_soon_followed() -> None:
    """Once a daemon has been ready, the next one may start a second after it, however many were killed."""
    pace = Pace()
    starts_s = []
    for tenth in range(100):
        if pace.may_start(tenth / 10):
            starts_s.append(tenth / 10)
            pace.was_ready()
    assert starts_s == [float(second) for second in range(10)]


def test_command() -> None:
    """The daemon runs with the same interpreter and, where one was named, the same file."""
    assert serve_argv(None) == [sys.executable, "-m", "filter_ban", "serve"]
    assert serve_argv("/etc/x.toml") == [
        sys.executable,
        "-m",
        "filter_ban",
        "serve",
        "--config",
        "/etc/x.toml",
    ]
