# SPDX-License-Identifier: ISC
"""The steps of the pages on nftables and routes, done on a Debian of each release."""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.real.debian_root import POSTFIX_3_7, POSTFIX_3_10
from tests.real.filterban import TIMEOUT_S, FilterBan
from tests.real.machine import Machine
from tests.real.polling import wait_until
from tests.test_firewall_docs import blocks, lines_of_shell

pytestmark = [pytest.mark.real, pytest.mark.parametrize("debian", [POSTFIX_3_7, POSTFIX_3_10], ids=str)]

DROP_IN = "/etc/systemd/system/nftables.service.d/filter-ban.conf"
CLIENT = "198.51.100.7"  # that the pages ban


class Services:
    """What systemd does on a machine where it does not run: our daemon, and nftables' commands."""

    def __init__(self, machine: Machine, filterban: FilterBan) -> None:
        self._machine = machine
        self._filterban = filterban

    def run(self, *words: str) -> None:
        """Do what ``systemctl`` would."""
        match words:
            case ("daemon-reload",):
                pass
            case ("restart", "filter-ban"):
                self._filterban.stop()
                self._filterban.start()
            case ("reload", "nftables"):
                for command in self._commands("ExecReload"):
                    self._machine.run(command.removeprefix("-").split(), check=not command.startswith("-"))
            case _:
                raise AssertionError(words)

    def _commands(self, key: str) -> Iterator[str]:
        """Yield the commands of the unit, and behind them those of the drop-in."""
        for file in ("/usr/lib/systemd/system/nftables.service", DROP_IN):
            text = self._machine.path(file).read_text()
            yield from re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


class Steps:
    """The steps of a page, done one after the other with the page's own configuration, but for what the set-up adds."""

    def __init__(self, page: str, machine: Machine, start_filterban: Callable[[str], FilterBan]) -> None:
        machine.run(["ip", "link", "set", "lo", "up"])
        configuration = next(block for language, block in blocks(page) if language == "toml")
        self.before = configuration.replace(f'backend = "{page}"\n', "")
        self._machine = machine
        self._filterban = start_filterban(self.before)
        self._services = Services(machine, self._filterban)
        self.printed: dict[str, list[str]] = {}
        for line in lines_of_shell(page):
            self._do(line)
        self.after = machine.path("/etc/filter-ban.toml").read_text()

    def _do(self, line: str) -> None:
        words = line.split()
        if words[0] == "apt":
            return
        if words[0] == "systemctl":
            self._services.run(*words[1:])
            return
        self.printed.setdefault(line, []).append(self._machine.run(words).stdout.decode())
        if words[:2] == ["filter-ban", "ban"]:
            wait_until(self._in_force, "the ban is in force", TIMEOUT_S)

    def _in_force(self) -> bool:
        return b"in force" in self._filterban.run("show", CLIENT).stdout


def test_nftables(machine: Machine, start_filterban: Callable[[str], FilterBan]) -> None:
    """Step by step, nftables is set up, shown, flushed by a reload and whole again, and as it was before."""
    steps = Steps("nftables", machine, start_filterban)
    listings = steps.printed["nft list table inet filter_ban"]
    assert [CLIENT in listing for listing in listings] == [True, True]
    assert "tcp dport { 25, 465, 587, 993 }" in listings[0]
    assert "filter_ban" not in machine.run(["nft", "list", "ruleset"]).stdout.decode()
    assert not machine.path(DROP_IN).exists()
    assert steps.after == steps.before


def test_route(machine: Machine, start_filterban: Callable[[str], FilterBan]) -> None:
    """Step by step, routes are set up, shown and taken out."""
    steps = Steps("route", machine, start_filterban)
    assert f"blackhole {CLIENT} " in steps.printed["ip route show proto 221"][0]
    assert machine.run(["ip", "route", "show", "proto", "221"]).stdout == b""
    assert steps.after == steps.before
