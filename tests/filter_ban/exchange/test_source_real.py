# SPDX-License-Identifier: ISC
"""Sets in a real kernel, in a network namespace of their own."""

import io
import os
import shutil
import time
from collections.abc import Iterator

import pytest

from filter_ban.client import key_text
from filter_ban.exchange.formats import read_bans, recognise
from filter_ban.exchange.holding import ImportFault
from filter_ban.exchange.source import fetch
from filter_ban.firewall.base import Command
from filter_ban.firewall.runner import Runner
from tests.filter_ban.firewall.wire import ip

TOOLS = ("nft", "ipset", "ip")
MISSING = [tool for tool in TOOLS if not shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin")]
REASON = f"needs root and {', '.join(TOOLS)}" if os.geteuid() != 0 or MISSING else ""
pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]
LIFE_S = 3600
SLACK_S = 60  # between a set's making and its listing


@pytest.fixture(scope="module")
def run() -> Iterator[Runner]:
    """Return a runner in a namespace with a set of each kind."""
    namespace = f"fb{os.getpid()}i"
    ip("netns", "add", namespace)
    try:
        run = Runner(prefix=("ip", "netns", "exec", namespace))
        run(
            Command(
                ("nft", "-f", "-"),
                b"add table inet f2b-table\n"
                b"add set inet f2b-table addr-set-sshd { type ipv4_addr; flags interval,timeout; timeout 1h; }\n"
                b"add set inet f2b-table six { type ipv6_addr; flags interval; }\n"
                b'add element inet f2b-table addr-set-sshd { 192.0.2.7 comment "a, }", 198.51.100.0/24 timeout 1d }\n'
                b"add element inet f2b-table six { 2001:db8::-2001:db8::3, 2001:db8:1::/48 }\n",
            )
        )
        run(
            Command(
                ("ipset", "restore"),
                b"create f2b-sshd hash:ip timeout 3600 comment\n"
                b'add f2b-sshd 192.0.2.7 comment "a, }"\n'
                b"add f2b-sshd 192.0.2.8 timeout 0\n"
                b"create six hash:net family inet6\n"
                b"add six 2001:db8:1::/48\n",
            )
        )
        yield run
    finally:
        ip("netns", "del", namespace)


def held(run: Runner, source: str) -> list[tuple[str, int | None]]:
    """Return what *source* bans, with the seconds left in hours."""
    now_s = int(time.time())
    content = fetch(source, io.BytesIO(), run)
    holding = read_bans(content, recognise(content), now_s)
    assert holding.faults == []
    return [
        (key_text(entry.client), None if entry.end_s is None else (entry.end_s - now_s + SLACK_S) // LIFE_S)
        for entry in holding.entries
    ]


@pytest.mark.parametrize(
    ("source", "bans"),
    [
        ("nft:inet f2b-table addr-set-sshd", [("192.0.2.7", 1), ("198.51.100.0/24", 24)]),
        ("nft:inet f2b-table six", [("2001:db8::/126", None), ("2001:db8:1::/48", None)]),
        ("ipset:f2b-sshd", [("192.0.2.7", 1), ("192.0.2.8", None)]),
        ("ipset:six", [("2001:db8:1::/48", None)]),
    ],
)
def test_sets(run: Runner, source: str, bans: list[tuple[str, int | None]]) -> None:
    """What the kernel holds is read with its ends."""
    assert sorted(held(run, source)) == sorted(bans)


def test_json(run: Runner) -> None:
    """The JSON of nft tells the same."""
    printed = run(Command(("nft", "-j", "list", "set", "inet", "f2b-table", "addr-set-sshd")))
    content = fetch("-", io.BytesIO(printed), run)
    holding = read_bans(content, recognise(content), int(time.time()))

    assert [(key_text(entry.client), entry.reason) for entry in holding.entries] == [
        ("192.0.2.7", "imported from nft set addr-set-sshd, a, }"),
        ("198.51.100.0/24", "imported from nft set addr-set-sshd"),
    ]


@pytest.mark.parametrize("source", ["nft:inet f2b-table nosuch", "nft:inet nosuch six", "ipset:nosuch"])
def test_what_there_is_not(run: Runner, source: str) -> None:
    """A set that there is not is told in the tool's words."""
    with pytest.raises(ImportFault, match=r"No such file or directory|does not exist"):
        fetch(source, io.BytesIO(), run)
