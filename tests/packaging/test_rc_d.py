# SPDX-License-Identifier: ISC
"""The rc.d scripts, with stand-ins for rc.subr of the three systems; nobody has run them on a BSD."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.real.polling import wait_until

FOLDER: Final = Path(__file__).parents[2] / "packaging/rc.d"

# rc.subr(8) of FreeBSD and NetBSD, as far as the scripts use it: NAME_cmd and NAME_precmd, or the command itself.
RC_SUBR: Final = """
load_rc_config() { :; }
wait_for_pids() { while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; }
run_rc_command() {
    case " start stop $extra_commands " in *" $1 "*) ;; *) echo "unknown command $1"; exit 1 ;; esac
    eval "before=\\${$1_precmd:-true} action=\\${$1_cmd:-}"
    rc_pid=$(cat "$pidfile" 2>/dev/null)
    $before || exit 1
    if [ -n "$action" ]; then $action; elif [ "$1" = start ]; then $command $command_args; else kill "$rc_pid"; fi
}
"""
# rc.subr(8) of OpenBSD: what each command would do is printed.
OPENBSD_RC_SUBR: Final = """
rc_cmd() {
    case $1 in
    start) rc_configtest && echo "$daemon $daemon_flags [$rc_bg]" ;;
    pexp) echo "$pexp" ;;
    esac
}
"""
# Leaves what it was called with, and stays until it is told to go.
PROGRAM: Final = """#!/bin/sh
echo "$*" >>"{log}"
[ "$1" = serve ] || exit {status}
trap 'echo reloaded >>"{log}"' HUP
trap 'exit 0' TERM
while :; do sleep 0.05; done
"""


class System:
    """A folder that stands for the root folder of a BSD."""

    def __init__(self, folder: Path, script: str, rc_subr: str) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.pidfile = folder / "var/run/filter_ban.pid"
        self.pidfile.parent.mkdir(parents=True)
        (folder / "rc.subr").write_text(rc_subr)
        self.program = folder / "filter-ban"
        self.set_program(status=0)
        text = (FOLDER / script).read_text()
        places = {
            "/etc/rc.d/rc.subr": "rc.subr",
            "/etc/rc.subr": "rc.subr",
            "/usr/local/bin/filter-ban": "filter-ban",
            "/usr/pkg/bin/filter-ban": "filter-ban",
            "/usr/sbin/daemon": "daemon",
            "/var/run/": "var/run/",
        }
        for place, here in places.items():
            text = text.replace(place, f"{folder}/{here}")
        self.script = folder / "script"
        self.script.write_text(text)

    def set_program(self, status: int) -> None:
        """Install the stand-in for filter-ban; *status* is that of its check."""
        self.program.write_text(PROGRAM.format(log=self.log, status=status))
        self.program.chmod(0o755)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run the script with one command."""
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin"}
        return subprocess.run(
            ["sh", self.script, command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def said(self) -> list[str]:
        """Return what the program was called with, and told."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def pid(self) -> int:
        """Return the pid in the file."""
        wait_until(lambda: self.pidfile.exists() and self.pidfile.read_text(), "a pid is written")
        return int(self.pidfile.read_text())


@pytest.fixture
def netbsd(tmp_path: Path) -> Iterator[System]:
    """Provide NetBSD; what runs is ended after the test."""
    system = System(tmp_path, "netbsd", RC_SUBR)
    (tmp_path / "logger").write_text("#!/bin/sh\nexec cat\n")
    (tmp_path / "logger").chmod(0o755)
    yield system
    if system.pidfile.exists():
        os.kill(system.pid(), signal.SIGKILL)


@pytest.mark.parametrize("script", ["freebsd", "netbsd", "openbsd"])
def test_syntax(script: str) -> None:
    """The scripts are plain sh, and executable."""
    subprocess.run(["sh", "-n", FOLDER / script], check=True, timeout=10)
    assert os.access(FOLDER / script, os.X_OK)


@pytest.mark.parametrize("script", ["freebsd", "netbsd"])
def test_rcorder(script: str) -> None:
    """rcorder(8) finds what the scripts provide and need."""
    text = (FOLDER / script).read_text()
    for line in ("# PROVIDE: filter_ban", "# REQUIRE: NETWORKING syslogd", "# KEYWORD: shutdown"):
        assert f"\n{line}\n" in text


def test_netbsd(netbsd: System) -> None:
    """Start, status, reload, a second start, stop."""
    assert netbsd.run("status").returncode == 1
    assert netbsd.run("start").returncode == 0
    pid = netbsd.pid()
    wait_until(lambda: netbsd.said() == ["check", "serve"], "the daemon runs")
    assert str(pid) in netbsd.run("status").stdout
    assert netbsd.run("start").returncode == 1
    assert netbsd.run("reload").returncode == 0
    wait_until(lambda: netbsd.said()[-1] == "reloaded", "the daemon is told")
    assert netbsd.run("stop").returncode == 0
    assert netbsd.run("stop").returncode == 1


def test_netbsd_with_a_wrong_configuration(netbsd: System) -> None:
    """Nothing is started."""
    netbsd.set_program(status=78)
    assert netbsd.run("start").returncode == 1
    assert netbsd.said() == ["check"]


def test_freebsd(tmp_path: Path) -> None:
    """daemon(8) is started with the pid file, syslog and the program, after the configuration was checked."""
    system = System(tmp_path, "freebsd", RC_SUBR)
    daemon = tmp_path / "daemon"
    daemon.write_text('#!/bin/sh\necho "$@"\n')
    daemon.chmod(0o755)
    done = system.run("start")
    assert done.stdout == f"-P {system.pidfile} -S -l daemon -s info -T filter-ban {system.program} serve\n"
    assert system.said() == ["check"]
    assert system.run("configtest").returncode == 0
    system.set_program(status=78)
    assert system.run("start").returncode == 1


def test_freebsd_reload(tmp_path: Path) -> None:
    """The signal goes to the program, the child of daemon(8)."""
    system = System(tmp_path, "freebsd", RC_SUBR)
    (tmp_path / "pkill").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "pkill").chmod(0o755)
    system.pidfile.write_text("4711\n")
    assert system.run("reload").stdout == "-HUP -P 4711\n"


def test_openbsd(tmp_path: Path) -> None:
    """The daemon is started in the background, and found again by its arguments, in whatever way it was started."""
    system = System(tmp_path, "openbsd", OPENBSD_RC_SUBR)
    assert system.run("start").stdout == f"{system.program} serve [YES]\n"
    pattern = system.run("pexp").stdout.strip()
    for found in (
        f"/usr/local/bin/python3.12 {system.program} serve",
        f"/usr/local/filter-ban/bin/python {system.program} serve --config /etc/other.toml",
        "/usr/local/bin/python3.12 -m filter_ban serve",
    ):
        assert re.fullmatch(pattern, found)
    for other in ("/usr/local/bin/python3.12 -m filter_ban.daemon 9", f"ksh {system.script} start"):
        assert not re.fullmatch(pattern, other)
