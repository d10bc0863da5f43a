# SPDX-License-Identifier: ISC
"""When the firewall's tool is missing, hangs, fails, is killed half way, prints garbage or without end."""

import contextlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from filter_ban.config import parse_config
from filter_ban.enforcer.firewall import Firewall
from filter_ban.firewall import Command, Runner
from tests.filter_ban.daemon.process import Daemon, Smtpd, wait_for
from tests.filter_ban.firewall.stand_in import StandIn
from tests.filter_ban.firewall.test_helper import FakeHelper
from tests.filter_ban.firewall.test_pf import FakePf

WAIT_S = 30.0
HANG_S = 0.3
MAX_OUTPUT_BYTES = 1 << 20
FIRST, *OTHERS = (f"198.51.100.{number}" for number in range(1, 5))
ENDED = "203.0.113.1"
IN_FORCE = "in force"


# --- the tools


class PfTool:
    """A pfctl that lists what it has."""

    settings = 'backend = "pf"'

    def __init__(self, folder: Path) -> None:
        self._pf = FakePf(folder)
        self._pf.set(tables={"filter-ban": []})
        self.stand_in = StandIn(folder / "pfctl")

    def blocked(self) -> list[str]:
        """Return what is in the table."""
        return sorted(self._pf["tables"]["filter-ban"])

    def arguments(self) -> list[list[str]]:
        """Return the arguments of each run."""
        return list(self._pf["log"])


class HelperTool:
    """A blocklistd-helper over npf, where an entry that is added twice is there twice."""

    def __init__(self, folder: Path) -> None:
        self._helper = FakeHelper(folder)
        self.stand_in = StandIn(Path(self._helper.program))
        self.settings = f'backend = "helper"\nhelper = "{self._helper.program}"'

    def blocked(self) -> list[str]:
        """Return whom its rules block."""
        return sorted(network.removesuffix("/32") for _, network, _ in self._helper["entries"])


class LinesTool:
    """A helper that keeps a list, in a shell script."""

    def __init__(self, folder: Path) -> None:
        self._list = folder / "list"
        self._list.mkdir()
        program = folder / "ban-list"
        program.write_text(
            "#!/bin/sh\n"
            f"cd {self._list} || exit 1\n"
            "while read -r verb network seconds; do\n"
            '    case $verb in add) : >"$network" ;; rem) rm -f "$network" ;; flush) rm -f ./* ;; esac\n'
            "done\n"
        )
        program.chmod(stat.S_IRWXU)
        self.stand_in = StandIn(program)
        self.settings = f'backend = "helper"\nhelper = "{program}"\nhelper_protocol = "lines"'

    def blocked(self) -> list[str]:
        """Return what is in the list."""
        return sorted(path.name for path in self._list.iterdir())


Tool = PfTool | HelperTool | LinesTool

REASONS: dict[str, dict[type[Tool], str]] = {
    "missing": dict.fromkeys((PfTool, HelperTool, LinesTool), r"not found in"),
    "hang": dict.fromkeys((PfTool, HelperTool, LinesTool), rf"no end within {HANG_S:g} s"),
    "fail": dict.fromkeys((PfTool, HelperTool, LinesTool), r"\(status 1\): /dev/pf: Device busy"),
    "killed": dict.fromkeys((PfTool, HelperTool, LinesTool), r"\(status -9\): no message"),
    "garbage": {
        PfTool: r"no rule uses <filter-ban>",
        HelperTool: r"printed .* in answer to add, where an id should be",
        LinesTool: r": \\x00\\x01",
    },
    "flood": dict.fromkeys((PfTool, HelperTool, LinesTool), rf"printed more than {MAX_OUTPUT_BYTES} bytes"),
}
CASES = [(trouble, tool) for trouble, reasons in REASONS.items() for tool in reasons]
IDS = [f"{trouble}-{tool.__name__}" for trouble, tool in CASES]


# --- the enforcer's side


class Watched:
    """A firewall with one tool, and the last that it has told of each client."""

    def __init__(self, folder: Path, kind: type[Tool]) -> None:
        self.tool = kind(folder)
        self._hangs = False
        config = parse_config(f"[firewall]\n{self.tool.settings}\n")
        self._runner = Runner(
            search_path=(str(folder), "/usr/bin", "/bin"), max_output_bytes=MAX_OUTPUT_BYTES
        )
        self._firewall = Firewall(config, self._run, lambda _argv: "")
        self._woken = threading.Event()
        self.states: dict[str, str] = {}
        self._firewall.start(self._woken.set)

    def _run(self, command: Command) -> bytes:
        """Run a command, and do not wait a minute for one that hangs."""
        return self._runner(attrs.evolve(command, timeout_s=HANG_S) if self._hangs else command)

    def get_into(self, trouble: str) -> None:
        """Put the tool into trouble."""
        self._hangs = trouble == "hang"
        self.tool.stand_in.get_into(trouble)

    def recover(self) -> None:
        """Mend the tool."""
        self.tool.stand_in.recover()
        self._hangs = False

    def stop(self) -> None:
        """End all."""
        self._firewall.stop()
        self.tool.stand_in.recover()

    def change(self, adds: list[str], removes: list[str] | None = None) -> None:
        """Want some entries for an hour, and some no more."""
        end_s = int(time.time()) + 3600
        self._firewall.change([[network, end_s] for network in adds], removes or [], by_rule=False)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Take in what is told until *condition* holds; fail after a bounded time."""
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert self._woken.wait(max(0.0, deadline_s - time.monotonic())), self.states
            self._woken.clear()
            for verb, argument in self._firewall.take_news():
                if verb == "outcome":
                    self._take_in(argument)

    def _take_in(self, outcome: dict[str, Any]) -> None:
        self.states |= dict.fromkeys(outcome.get("in_force", ()), IN_FORCE)
        self.states |= dict(outcome.get("failed", ()))

    def all_in_force(self, networks: list[str]) -> bool:
        """Return whether all of them were said to be in force last."""
        return all(self.states.get(network) == IN_FORCE for network in networks)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type[Tool]], Watched]]:
    """Yield a function that starts the enforcer's side with a tool; it is stopped at the end."""
    monkeypatch.setattr("filter_ban.enforcer.worker.FIRST_RETRY_S", 0.05)
    with contextlib.ExitStack() as stop:

        def begin(kind: type[Tool]) -> Watched:
            watched = Watched(tmp_path, kind)
            stop.callback(watched.stop)
            return watched

        yield begin


@pytest.mark.parametrize(("trouble", "kind"), CASES, ids=IDS)
def test_a_start_in_trouble(watch: Callable[[type[Tool]], Watched], trouble: str, kind: type[Tool]) -> None:
    """Each ban fails with the reason, and is in force by itself once the tool works; each is there once."""
    watched = watch(kind)
    watched.get_into(trouble)
    watched.change(OTHERS)
    watched.wait_for(lambda: set(OTHERS) == watched.states.keys())
    failed = watched.states.copy()
    watched.recover()
    watched.wait_for(lambda: watched.all_in_force(OTHERS))

    for why in failed.values():
        assert re.search(REASONS[trouble][kind], why)
    assert watched.tool.blocked() == OTHERS


@pytest.mark.parametrize(("trouble", "kind"), CASES, ids=IDS)
def test_trouble_that_comes_later(
    watch: Callable[[type[Tool]], Watched], trouble: str, kind: type[Tool]
) -> None:
    """
    What is new fails, what ended meanwhile is released afterwards, and what was in force stays.

    But a release by blocklistd-helper that fails is not noticed: blocklistd does not look at its status either.
    """
    watched = watch(kind)
    watched.change([FIRST, ENDED])
    watched.wait_for(lambda: watched.all_in_force([FIRST, ENDED]))
    watched.get_into(trouble)
    watched.change(OTHERS, [ENDED])
    watched._firewall.ask_for_sync(1)  # as a minute would
    watched.wait_for(lambda: all(watched.states.get(network, IN_FORCE) != IN_FORCE for network in OTHERS))
    watched.recover()
    watched.wait_for(lambda: watched.all_in_force([FIRST, *OTHERS]))

    unnoticed = [ENDED] if kind is HelperTool and trouble in {"fail", "garbage"} else []
    assert watched.tool.blocked() == [FIRST, *OTHERS, *unnoticed]


# --- the whole daemon


class Troubled:
    """A daemon whose pfctl is a stand-in, an smtpd, and clients that guess."""

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        tools = folder / "tools"
        tools.mkdir()
        self.pf = PfTool(tools)
        self.daemon = daemon
        # In a mount namespace of its own, the last folder but one that is searched holds nothing but our pfctl.
        daemon.prefix = (
            "unshare",
            "--mount",
            "sh",
            "-c",
            'mount --bind "$0" /usr/local/sbin && exec "$@"',
            str(tools),
        )
        daemon.configure('[firewall]\nbackend = "pf"\n[limits]\nwindows = ["3 in 10m"]\n')
        daemon.start()
        self.smtpd = Smtpd(daemon)

    def backend(self) -> dict[str, Any]:
        """Return what status says of pf."""
        (backend,) = self.daemon.status()["firewall"]["backends"]
        return dict(backend)

    def wait_in_force(self, *clients: str) -> None:
        """Wait until status and table agree on who is banned."""
        wait_for(lambda: self.backend()["in_force"] == len(clients), f"in force: {clients}")
        wait_for(lambda: self.pf.blocked() == sorted(clients), f"in the table: {clients}")


@pytest.fixture
def troubled(tmp_path: Path) -> Iterator[Troubled]:
    """Yield a daemon with a healthy pf; end it by its process ids."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    daemon = Daemon(tmp_path)
    try:
        made = Troubled(daemon, tmp_path)
        yield made
    finally:
        with contextlib.suppress(OSError, IndexError):
            daemon.kill()
        daemon.peers.close()
        made.pf.stand_in.recover()


SAID = {
    "missing": "pfctl: not found in",
    "fail": "Device busy",
    "killed": "pfctl (status -9)",
    "garbage": "no rule uses <filter-ban>",
    "flood": "printed more than",
}


@pytest.mark.parametrize("trouble", ["hang", *SAID])
def test_mail_goes_on(troubled: Troubled, trouble: str) -> None:
    """Whatever the tool does: refused in the dialogue, true in the ledger, told in status, in force afterwards."""
    smtpd, daemon, stand_in = troubled.smtpd, troubled.daemon, troubled.pf.stand_in
    smtpd.guess(FIRST, 3)
    troubled.wait_in_force(FIRST)
    stand_in.get_into(trouble)
    smtpd.guess(OTHERS[0], 3)
    assert smtpd.connect(OTHERS[0])[1].startswith("disconnect|421 ")
    assert smtpd.connect("192.0.2.9")[1] == "proceed"
    assert daemon.bans().keys() == {FIRST, OTHERS[0]}

    if trouble == "hang":
        wait_for(stand_in.hangs, "the tool hangs")
        assert (troubled.backend()["in_force"], troubled.backend()["pending"]) == (1, 1)
    else:
        daemon.ask("resync")
        told = wait_for(lambda: troubled.backend()["failed"] and troubled.backend(), "status says it")
        assert SAID[trouble] in str(told["reasons"]) + told["problem"]
    stand_in.recover()
    daemon.ask("resync")
    troubled.wait_in_force(FIRST, OTHERS[0])


def test_hostile_texts_reach_no_argument(troubled: Troubled) -> None:
    """Of what a client says, its address alone is told to the tool."""
    session, _ = troubled.smtpd.connect(FIRST)
    troubled.smtpd.report("link-identify", session, "EHLO", "$(reboot)")
    for secret in ("AGEAMQ==", "AGEAMg==", "AGEAMw=="):
        troubled.smtpd.login(session, secret, user="-f /etc/passwd;`reboot`\x1b")
    troubled.wait_in_force(FIRST)

    assert any(FIRST in words for words in troubled.pf.arguments())
    assert not any(
        "reboot" in word or "passwd" in word for words in troubled.pf.arguments() for word in words
    )


def test_a_restart_in_trouble(troubled: Troubled) -> None:
    """Bans of the ledger are refused at once by a daemon that starts without its tool, and in force later."""
    troubled.smtpd.guess(FIRST, 3)
    troubled.wait_in_force(FIRST)
    troubled.pf.stand_in.get_into("missing")
    troubled.smtpd.guess(OTHERS[0], 3)
    troubled.daemon.stop()
    troubled.daemon.start()
    smtpd = Smtpd(troubled.daemon)

    assert smtpd.connect(OTHERS[0])[1].startswith("disconnect|421 ")
    wait_for(lambda: troubled.backend()["failed"] == 2, "both have failed")
    troubled.pf.stand_in.recover()
    troubled.wait_in_force(FIRST, OTHERS[0])
