# SPDX-License-Identifier: ISC
"""A server's ipset and iptables in a network namespace, and what people do to them by hand."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from filter_ban.client import ClientKey, parse_network
from filter_ban.firewall import Command, FirewallError, Runner
from filter_ban.firewall.ipset import Ipset, create_lines
from filter_ban.firewall.iptables_rules import rules, verdict_rules
from filter_ban.firewall.runner import SEARCH_PATH
from tests.filter_ban.firewall.wire import BANNED, Wire

TOOLS = ("ip", "ipset", "iptables-nft", "iptables-legacy")
MISSING = [tool for tool in TOOLS if not shutil.which(tool, path="/usr/sbin:/sbin")]
REASON = "needs root" if os.geteuid() != 0 else f"needs {', '.join(MISSING)}" if MISSING else ""
NETWORKS = (BANNED, "2001:db8:1:2::/64", "203.0.113.0/24")
ACCEPT_OPEN_SESSIONS = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"


@contextlib.contextmanager
def runner_on(wire: Wire, folder: Path, iptables: str = "nft") -> Iterator[Runner]:
    """Return a runner in the server's namespace, where iptables is ``nft`` or ``legacy``; take out sets and rules."""
    for tool in ("iptables", "ip6tables"):
        for verb in ("save", "restore"):
            (folder / f"{tool}-{verb}").symlink_to(f"/usr/sbin/{tool}-{iptables}-{verb}")
    run = Runner(prefix=("ip", "netns", "exec", wire.server), search_path=(str(folder), *SEARCH_PATH))
    try:
        yield run
    finally:
        for family in (4, 6):
            restore(run, family, "*filter", "COMMIT", "*raw", "COMMIT", flush=True)
        eventually(lambda: run(Command(("ipset", "destroy"))))


def restore(run: Runner, family: int, *lines: str, flush: bool = False) -> None:
    """Load *lines* into iptables of *family*."""
    tool = "iptables-restore" if family == 4 else "ip6tables-restore"
    argv = (tool,) if flush else (tool, "--noflush")
    run(Command(argv, "".join(f"{line}\n" for line in lines).encode()))


def ipset(run: Runner, *lines: str) -> None:
    """Change sets by hand."""
    run(Command(("ipset", "restore"), "".join(f"{line}\n" for line in lines).encode()))


def eventually(work: Callable[[], object]) -> None:
    """Do *work* as soon as the kernel lets go of what it needs: a set stays in use for a moment after its rule."""
    deadline = time.monotonic() + 20
    while True:
        try:
            work()
        except FirewallError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def install(
    run: Runner,
    *,
    table: str = "filter",
    chain: str = "INPUT",
    ports: Sequence[int] = (),
    action: str = "drop",
    families: Sequence[int] = (4, 6),
) -> None:
    """Do what a set-up does: create the sets, and let rules use them, before those of the administrator."""
    run(
        Command(
            ("ipset", "restore", "-exist"),
            "".join(f"{line}\n" for line in create_lines("filter-ban")).encode(),
        )
    )
    for family in families:
        ours = rules("filter-ban", family, ports, action, chain)
        restore(
            run,
            family,
            f"*{table}",
            ":filter-ban - [0:0]",
            *ours,
            *verdict_rules("filter-ban", action),
            "COMMIT",
        )
        restore(run, family, "*filter", ACCEPT_OPEN_SESSIONS, "COMMIT")


def keys(*networks: str, life_s: int = 900) -> dict[ClientKey, int | None]:
    """Return *networks* as what a table should hold from second 0 on."""
    return dict.fromkeys(map(parse_network, networks), life_s)


def entries(run: Runner) -> dict[ClientKey, int]:
    """Return the entries of our sets, and the packets of each."""
    backend = Ipset()
    return backend.parse_list([run(command) for command in backend.list_commands()])


def saved(run: Runner) -> list[str]:
    """Return the lines of all sets and rules, without times, counts and dates."""
    output = b"".join(
        run(Command(argv)) for argv in (("ipset", "save"), ("iptables-save",), ("ip6tables-save",))
    )
    return [line.partition(" timeout ")[0] for line in output.decode().splitlines() if line[0] not in "#:"]
