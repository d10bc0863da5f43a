# SPDX-License-Identifier: ISC
"""What the doctor says of the firewall, with tools that print what a test tells them to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from filter_ban.config import parse_config
from filter_ban.doctor.finding import Finding
from filter_ban.doctor.firewall import Machine, findings
from filter_ban.firewall import Command, FirewallError

FLUSH = "#!/usr/sbin/nft -f\n\nflush ruleset\n"
DENIED = "Operation not permitted (you must be root)"
NFT_LINE = "etc/systemd/system/sysinit.target.wants/nftables.service"
UFW_ON = {"etc/ufw/ufw.conf": "# ufw\nENABLED=yes\n"}
UFW_OFF = {"etc/ufw/ufw.conf": "ENABLED=no\n"}
NFTABLES_ON = {"etc/nftables.conf": FLUSH, NFT_LINE: ""}
SET = "Name: filter-ban{0}\nType: hash:net\nHeader: family {1} hashsize 1024 maxelem 9 counters timeout 0\nNumber of entries: 0\n"
SETS = f"{SET.format(4, 'inet')}\n{SET.format(6, 'inet6')}"
RULES = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set filter-ban4 src -j DROP\nCOMMIT\n"

Run = Callable[[Command], bytes]


def printing(outputs: Mapping[str, str]) -> Run:
    """Return tools that print *outputs*, by name."""
    return lambda command: outputs.get(command.argv[0], "").encode()


def failing(why: str) -> Run:
    """Return tools that fail."""

    def run(command: Command) -> bytes:
        raise FirewallError(command.argv, 1, why)

    return run


def examine(
    folder: Path,
    backend: str,
    run: Run,
    *,
    files: Mapping[str, str] | None = None,
    absent: Sequence[str] = (),
    is_root: bool = True,
    told: Mapping[str, Any] | None = None,
    settings: str = "",
) -> list[Finding]:
    """Return the findings on a machine with *files*, without the tools in *absent*."""
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    config = parse_config(f'[firewall]\nbackend = "{backend}"\n{settings}')
    machine = Machine(run, lambda tool: tool not in absent, is_root, folder)
    return [*findings(config, machine, {"backends": [{"backend": backend, **told}]} if told else {})]


RIGHT = {
    "nftables, no ban yet": ("nftables", printing({}), {}),
    "nftables, flushed and filled again": (
        "nftables",
        printing({}),
        {
            "files": {
                **NFTABLES_ON,
                "etc/systemd/system/nftables.service.d/x.conf": "ExecReload=-/usr/bin/filter-ban resync\n",
            }
        },
    ),
    "nftables, a file that is not loaded": (
        "nftables",
        printing({}),
        {"files": {"etc/nftables.conf": FLUSH}},
    ),
    "nftables beside ufw": ("nftables", printing({}), {"files": UFW_ON}),
    "iptables": ("iptables", printing({"ipset": SETS, "iptables-save": RULES}), {}),
    "ufw": ("ufw", printing({"ipset": SETS, "iptables-save": RULES}), {"files": UFW_ON}),
    "route": ("route", printing({}), {}),
}


@pytest.mark.parametrize(("backend", "run", "more"), RIGHT.values(), ids=RIGHT.keys())
def test_right(tmp_path: Path, backend: str, run: Run, more: dict[str, Any]) -> None:
    """Of a firewall that does its work nothing is said."""
    assert examine(tmp_path, backend, run, **more) == []


WRONG = {
    "tool missing": (
        "nftables",
        printing({}),
        {"absent": ["nft"]},
        (
            "nftables: danger: tool-missing: nft cannot be run: no ban reaches the firewall, all are in the dialogue only; "
            "run: apt install nftables"
        ),
    ),
    "tool of another system": (
        "pf",
        printing({}),
        {"absent": ["pfctl"]},
        (
            "pf: danger: tool-missing: pfctl cannot be run: no ban reaches the firewall, all are in the dialogue only; "
            'in filter-ban.toml, [firewall]: backend = "nftables", or another that this system has'
        ),
    ),
    "helper missing": (
        "helper",
        printing({}),
        {"settings": 'helper = "/nonexistent/helper"'},
        (
            "helper: danger: tool-missing: /nonexistent/helper cannot be run: no ban reaches the firewall, all are in the "
            "dialogue only; run: ls -l /nonexistent/helper"
        ),
    ),
    "not root": (
        "nftables",
        failing(DENIED),
        {"is_root": False},
        "nftables: advice: not-root: only root can ask the firewall, so it was not looked at; run: sudo filter-ban doctor",
    ),
    "root without rights": (
        "nftables",
        failing(DENIED),
        {},
        (
            f"nftables: danger: denied: nft (status 1): {DENIED}: not even root may change the firewall here; is this a "
            'container without CAP_NET_ADMIN?; in filter-ban.toml, [firewall]: backend = "none"'
        ),
    ),
    "tool that fails": (
        "nftables",
        failing("netlink: \x1b[31mError"),
        {},
        "nftables: danger: tool-fails: nft (status 1): netlink: \\\\x1b[31mError; run: filter-ban status",
    ),
    "no rule": (
        "iptables",
        printing({"ipset": SETS, "iptables-save": "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"}),
        {},
        (
            "iptables: danger: rule-missing: who is banned still comes in: no rule uses the set filter-ban4; 'filter-ban setup "
            "iptables --apply' adds one, '12-filter-ban insert' loads it; run: filter-ban setup iptables --apply"
        ),
    ),
    "a set of another kind": (
        "iptables",
        printing({"ipset": SETS.replace("hash:net", "list:set")}),
        {},
        "iptables: danger: table-foreign: ",
    ),
    "table gone": (
        "nftables",
        printing({"nft": "table inet other {\n}\n"}),
        {"told": {"in_force": 3}},
        "nftables: danger: table-missing: the table is gone, and 3 bans should be in force; run: filter-ban resync",
    ),
    "table without rules": (
        "nftables",
        printing({"nft": "table inet filter_ban {\n\tchain input {\n\t}\n}\n"}),
        {},
        (
            "nftables: advice: table-foreign: there is a table of our name without our rules: something else uses the name, or "
            "the daemon runs with another configuration; "
            'in filter-ban.toml, [firewall]: table = "another-name", or restart the daemon'
        ),
    ),
    "daemon without rights": (
        "nftables",
        printing({}),
        {"told": {"problem": f"nft (status 1): {DENIED}"}},
        (
            f"nftables: danger: daemon-denied: the daemon cannot put bans in force: nft (status 1): {DENIED}; in "
            "filter-ban.service, [Service], or start it as root: AmbientCapabilities=CAP_NET_ADMIN"
        ),
    ),
    "daemon in trouble": (
        "nftables",
        printing({}),
        {"told": {"problem": "nft: no end within 10 s"}},
        (
            "nftables: danger: not-in-force: the daemon cannot put bans in force: nft: no end within 10 s; "
            "run: filter-ban resync"
        ),
    ),
    "ufw off": (
        "ufw",
        printing({"ipset": SETS}),
        {"files": UFW_OFF},
        "ufw: danger: ufw-off: ufw is off: none of its rules is loaded, so who is banned still comes in; run: ufw enable",
    ),
    "iptables under ufw": (
        "iptables",
        printing({"ipset": SETS, "iptables-save": RULES}),
        {"files": UFW_ON},
        (
            "iptables: advice: ufw-on: ufw is on and loads rules of its own, among which those of backend iptables may be lost; "
            'in filter-ban.toml, [firewall]: backend = "ufw"'
        ),
    ),
    "iptables under firewalld": (
        "iptables",
        printing({"ipset": SETS, "iptables-save": RULES}),
        {"files": {"etc/systemd/system/multi-user.target.wants/firewalld.service": ""}},
        (
            "iptables: advice: firewalld-on: firewalld is enabled: when it loads its rules, ours are gone; "
            'in filter-ban.toml, [firewall]: backend = "nftables"'
        ),
    ),
    "two firewalls": (
        "ufw",
        printing({"ipset": SETS, "iptables-save": RULES}),
        {"files": {**UFW_ON, **NFTABLES_ON}},
        (
            "ufw: danger: two-firewalls: two firewalls: nftables.service is enabled too, and its file flushes the rules of ours; "
            "run: systemctl disable nftables.service"
        ),
    ),
    "flush without resync": (
        "nftables",
        printing({}),
        {"files": NFTABLES_ON},
        (
            "nftables: advice: flush-unfollowed: /etc/nftables.conf flushes all rules, ours too: after a reload who is banned "
            "comes in for up to a minute; run: filter-ban setup nftables --apply"
        ),
    ),
}


@pytest.mark.parametrize(("backend", "run", "more", "told"), WRONG.values(), ids=WRONG.keys())
def test_wrong(tmp_path: Path, backend: str, run: Run, more: dict[str, Any], told: str) -> None:
    """Each cause has one finding, which says what is wrong, what comes of it and what mends it."""
    (finding,) = examine(tmp_path, backend, run, **more)
    assert str(finding).startswith(told)


def test_none(tmp_path: Path) -> None:
    """Where no firewall is configured nothing is looked at."""
    assert examine(tmp_path, "none", failing("not to be run"), files=NFTABLES_ON) == []


def test_daemon_is_not_repeated(tmp_path: Path) -> None:
    """What the daemon complains of is not told again where the cause is told."""
    found = examine(tmp_path, "nftables", printing({}), told={"in_force": 3, "problem": "the table is gone"})
    assert [finding.name for finding in found] == ["table-missing"]


def test_status_of_another_version(tmp_path: Path) -> None:
    """A daemon's document that is not of the expected form tells nothing."""
    machine = Machine(printing({}), lambda _: True, is_root=True, root=tmp_path)
    config = parse_config('firewall.backend = "nftables"')
    for told in ({"backends": 5}, {"backends": ["x", {}]}, {"backends": [{"backend": "pf", "problem": "x"}]}):
        assert [*findings(config, machine, told)] == []


def test_helper_is_there(tmp_path: Path) -> None:
    """A helper is a program that can be run."""
    helper = tmp_path / "helper"
    helper.touch(mode=0o755)
    assert examine(tmp_path, "helper", printing({}), settings=f'helper = "{helper}"') == []
