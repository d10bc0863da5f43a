# SPDX-License-Identifier: ISC
"""The script for nft, as text and in a real kernel."""

import io
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from filter_ban.client import key_text
from filter_ban.exchange.formats import read_bans, recognise
from filter_ban.exchange.source import fetch
from filter_ban.firewall.base import Command
from filter_ban.firewall.runner import Runner
from tests.filter_ban.exchange.reading import NOW_S, bans, read
from tests.filter_ban.exchange.writing import banned, written
from tests.filter_ban.firewall.wire import ip

TOOLS = ("nft", "ip")
MISSING = [tool for tool in TOOLS if not shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin")]
REASON = f"needs root and {', '.join(TOOLS)}" if os.geteuid() != 0 or MISSING else ""
PAGE = (Path(__file__).parents[3] / "docs" / "export.md").read_text()
(RULES,) = re.findall(r"^```\n(table inet .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CHAIN = ("inet", "filter_ban_export", "input")
HELD = {"192.0.2.7": 3600, "198.51.100.0/24": None, "2001:db8::/64": 60, "2001:db8:1::/48": None}


def test_script() -> None:
    """Both sets are made, emptied and filled; what lies within a wider ban is left out."""
    text = written(
        "nft", banned("192.0.2.7", NOW_S + 3600), banned("198.51.100.7"), banned("198.51.100.0/24")
    )

    assert text == (
        "# bans of filter-ban, for nft -f FILE\n"
        "# left out, wider bans cover them: 1\n"
        "add table inet filter_ban_export\n"
        "add set inet filter_ban_export ipv4 { type ipv4_addr; flags interval,timeout; }\n"
        "flush set inet filter_ban_export ipv4\n"
        "add set inet filter_ban_export ipv6 { type ipv6_addr; flags interval,timeout; }\n"
        "flush set inet filter_ban_export ipv6\n"
        "table inet filter_ban_export {\n"
        "\tset ipv4 {\n\t\ttype ipv4_addr\n\t\tflags interval,timeout\n"
        "\t\telements = { 192.0.2.7 timeout 3600s,\n\t\t\t     198.51.100.0/24 }\n"
        "\t}\n"
        "\tset ipv6 {\n\t\ttype ipv6_addr\n\t\tflags interval,timeout\n\t}\n"
        "}\n"
    )
    assert bans(read(text)) == [("192.0.2.7", 3600), ("198.51.100.0/24", None)]


@pytest.mark.real
@pytest.mark.skipif(bool(REASON), reason=REASON)
def test_kernel() -> None:
    """The script is taken by nft, also beside the rules of the manual, and the sets hold what was exported."""
    script = written("nft", *(banned(client, end_s and NOW_S + end_s) for client, end_s in HELD.items()))
    namespace = f"fb{os.getpid()}x"
    ip("netns", "add", namespace)
    try:
        run = Runner(prefix=("ip", "netns", "exec", namespace))
        run(Command(("nft", "-c", "-f", "-"), script.encode()))
        run(Command(("nft", "-f", "-"), script.encode()))
        run(Command(("nft", "-f", "-"), RULES.encode()))
        run(Command(("nft", "-f", "-"), script.encode()))
        assert b"ip saddr @ipv4" in run(Command(("nft", "list", "chain", *CHAIN)))
        found = {client: end_s for name in ("ipv4", "ipv6") for client, end_s in held(run, name).items()}
    finally:
        ip("netns", "del", namespace)

    assert found.keys() == HELD.keys()
    for client, length_s in HELD.items():
        end_s = found[client]
        assert (end_s is None) is (length_s is None)
        assert end_s is None or length_s is None or 0 < end_s <= length_s


def held(run: Runner, name: str) -> dict[str, int | None]:
    """Return the members of a set, with the seconds left."""
    content = fetch(f"nft:inet filter_ban_export {name}", io.BytesIO(), run)
    now_s = int(time.time())
    entries = read_bans(content, recognise(content), now_s).entries
    return {key_text(entry.client): entry.end_s and entry.end_s - now_s for entry in entries}
