# SPDX-License-Identifier: ISC
"""
Machines with a firewall in a folder: the files of the system, and stand-ins for the tools that set-ups ask.

Each tool knows the uses that set-ups make of it, and no other; what it checks is what the real one would refuse.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from filter_ban.setup import ipfw, nftables, npf, pf
from filter_ban.setup.programs import MissingProgramError, ProgramError, output

OPENBSD_PF: Final = """\
#\t$OpenBSD: pf.conf,v 1.55 2017/12/03 20:40:04 sthen Exp $
#
# See pf.conf(5) and /etc/examples/pf.conf

set skip on lo

block return\t# block stateless traffic
pass\t\t# establish keep-state

# Port build user does not need network
block return out log proto {tcp udp} user _pbuild
"""
FREEBSD_PF: Final = """\
ext_if = "vtnet0"
pass_ports = "{ 25, 465, \\
    587 }"
table <friends> { 192.0.2.0/24 }
set skip on lo0
scrub in all
nat on $ext_if from 10.0.0.0/8 to any -> ($ext_if)
antispoof quick for $ext_if
pass in quick proto tcp to port $pass_ports
block in all
"""
NETBSD_NPF: Final = """\
$ext_if = ifaddrs(wm0)
alg "icmp"
procedure "log" {
\tlog: npflog0
}

group "external" on wm0 {
\tpass stateful out final all
\tpass stateful in final proto tcp to $ext_if port { 25, 465, 587 }
}

group default {
\tpass final on lo0 all
\tblock all apply "log"
}
"""
_PF_ORDER: Final = {
    "set": 1,
    "scrub": 2,
    "altq": 3,
    "queue": 3,
    "nat": 4,
    "rdr": 4,
    "binat": 4,
    "antispoof": 5,
    "anchor": 5,
    "block": 5,
    "match": 5,
    "pass": 5,
}


class Host:
    """A machine; ``files`` are those that a set-up may write, all below ``folder``."""

    name: str

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the system's files below *folder* and make the set-up look there."""
        self.folder = folder
        self.off = False
        self.refuses: Callable[[], bool] = lambda: False
        self.furnish(monkeypatch)

    def furnish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write the system's files."""

    def __call__(self, argv: Sequence[str]) -> str:
        """Return what a program prints, as ``output`` does."""
        printed = self.ask(*argv)
        if printed is None:
            raise MissingProgramError(f"{argv[0]}: not found in /sbin")
        return printed

    def ask(self, *argv: str) -> str | None:
        """Return what a program prints; None: it is not installed."""
        raise NotImplementedError

    def check(self, path: str, why: str) -> str:
        """Refuse a file if *why* is not empty, or if everything is refused."""
        if why or self.refuses():
            raise ProgramError(f"check (status 1): {path}: {why or 'no'}")
        return ""

    def content(self) -> dict[Path, tuple[bytes, int]]:
        """Return all files and their modes, without backups."""
        return {
            path: (path.read_bytes(), path.stat().st_mode & 0o7777)
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.endswith((".bak", ".undone"))
        }


class PfHost(Host):
    """OpenBSD, or with ``sysrc`` FreeBSD."""

    name = "pf"
    sysrc: str | None = None

    def furnish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write OpenBSD's pf.conf."""
        self.main = self.folder / "pf.conf"
        self.rules = self.folder / "pf.filter-ban.conf"
        self.main.write_text(OPENBSD_PF)
        self.main.chmod(0o600)
        monkeypatch.setattr(pf, "USUAL_FILE", self.main)
        monkeypatch.setattr(pf, "ANCHOR_FILE", self.rules)

    def ask(self, *argv: str) -> str | None:
        """Be pfctl and sysrc."""
        match argv:
            case ("pfctl", "-s", "info"):
                return f"Status: {'Disabled' if self.off else 'Enabled'} for 0 days 00:12:34   Debug: err\n"
            case ("pfctl", "-n", "-f", path):
                return self.check(path, self.fault(Path(path).read_text()))
            case ("sysrc", "-n", "pf_rules"):
                return self.sysrc
        raise AssertionError(argv)

    def fault(self, text: str) -> str:
        """Return what FreeBSD's pfctl refuses: statements out of order, tables that nobody has defined."""
        last, tables = 0, set(re.findall(r"^table <([\w-]+)>", text, re.MULTILINE))
        for line in text.replace("\\\n", " ").splitlines():
            statement = line.partition("#")[0]
            order = _PF_ORDER.get((statement.split() or [""])[0], 0)
            if order and order < last:
                return "Rules must be in order: options, normalization, queueing, translation, filtering"
            last = max(last, order)
            if unknown := set(re.findall(r"<([\w-]+)>", statement)) - tables:
                return f"unknown table {unknown}"
        return ""


class NpfHost(Host):
    """NetBSD."""

    name = "npf"

    def furnish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write an npf.conf."""
        self.main = self.folder / "npf.conf"
        self.main.write_text(NETBSD_NPF)
        monkeypatch.setattr(npf, "FILE", self.main)

    def ask(self, *argv: str) -> str | None:
        """Be npfctl."""
        match argv:
            case ("npfctl", "show"):
                return f"# filtering:\t{'inactive' if self.off else 'active'}\n# config:\tloaded\n"
            case ("npfctl", "validate", path):
                return self.check(path, self.fault(Path(path).read_text()))
        raise AssertionError(argv)

    def fault(self, text: str) -> str:
        """Return what npfctl refuses: rules outside of groups, tables not defined before their use."""
        tables: set[str] = set()
        depth = 0
        for line in text.splitlines():
            statement = line.partition("#")[0]
            if found := re.match(r"table <([\w-]+)> type (ipset|lpm)$", statement):
                tables.add(found[1])
            if unknown := set(re.findall(r"<([\w-]+)>", statement)) - tables:
                return f"table {unknown} is not defined"
            if re.match(r"\s*(block|pass)\b", statement) and not depth:
                return "syntax error near 'block'"
            depth += statement.count("{") - statement.count("}")
        return "" if depth == 0 and "group default" in text else "default group was not defined"


class IpfwHost(Host):
    """FreeBSD; ``sh`` is the real one."""

    name = "ipfw"

    def furnish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make no files: FreeBSD has none of them."""
        self.rc_file = self.folder / "rc.conf.d" / "ipfw"
        self.script = self.folder / "filter-ban.ipfw"
        monkeypatch.setattr(ipfw, "RC_FILE", self.rc_file)
        monkeypatch.setattr(ipfw, "SCRIPT", self.script)

    def ask(self, *argv: str) -> str | None:
        """Be ipfw, sysctl and sh."""
        match argv:
            case ("ipfw", "-q", "list", _):
                raise ProgramError("ipfw (status 69): ipfw: no such rule")
            case ("sysctl", "-n", "net.inet.ip.fw.enable"):
                return "0\n" if self.off else "1\n"
            case ("sh", "-n", path):
                return self.check(path, output(argv))
        raise AssertionError(argv)


class NftablesHost(Host):
    """Debian."""

    name = "nftables"

    def furnish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Write systemd's unit."""
        self.unit = self.folder / "nftables.service"
        self.drop_in = self.folder / "nftables.service.d" / "filter-ban.conf"
        self.unit.write_text("[Service]\nType=oneshot\nExecStart=/usr/sbin/nft -f /etc/nftables.conf\n")
        monkeypatch.setattr(nftables, "UNIT_FOLDERS", (self.folder,))
        monkeypatch.setattr(nftables, "DROP_IN", self.drop_in)

    def ask(self, *argv: str) -> str | None:
        """Be nft."""
        match argv:
            case ("nft", "--version"):
                return "nftables v1.0.6 (Lester Gooch #5)\n"
        raise AssertionError(argv)


class RouteHost(Host):
    """Any system that has routes."""

    name = "route"

    def ask(self, *argv: str) -> str | None:
        """Be the tool for routes."""
        assert argv[0] in ("ip", "route")
        return "ip utility, iproute2-6.1.0\n"


HOSTS: Final = (NftablesHost, PfHost, NpfHost, IpfwHost, RouteHost)
