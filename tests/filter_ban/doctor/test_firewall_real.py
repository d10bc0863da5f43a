# SPDX-License-Identifier: ISC
"""The doctor's look at a real nftables, in a network namespace of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban.client import parse_network
from filter_ban.config import parse_config
from filter_ban.doctor.firewall import Machine, findings
from filter_ban.firewall import Change, Command, Options, Runner, make_backend
from filter_ban.firewall.base import net_of

REASON = "needs root and nft" if os.geteuid() != 0 or not shutil.which("nft", path="/usr/sbin:/sbin") else ""
pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

CONFIG = parse_config('[firewall]\nbackend = "nftables"\nports = [25, 465]')
BAN = parse_network("192.0.2.7")
ONE = {"backends": [{"backend": "nftables", "in_force": 1}]}


@pytest.fixture
def run() -> Iterator[Runner]:
    """Return a runner in an empty namespace."""
    name = f"fbdoctor{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
    yield Runner(prefix=("ip", "netns", "exec", name))
    subprocess.run(["ip", "netns", "delete", name], check=True, timeout=10)


def names(run: Runner, folder: Path) -> list[str]:
    """Return what is found while the daemon says that one ban is in force."""
    machine = Machine(run, run.has, is_root=True, root=folder)
    return [finding.name for finding in findings(CONFIG, machine, ONE)]


def test_table(run: Runner, tmp_path: Path) -> None:
    """Nothing is said of our table as it should be; that it is gone, or that its rules are, is told."""
    backend = make_backend("nftables", Options(ports=CONFIG.firewall.ports))
    assert names(run, tmp_path) == ["table-missing"]
    for command in (
        *backend.setup_commands([net_of(BAN)]),
        *backend.change_commands(Change(adds=[(BAN, 900)])),
    ):
        run(command)
    before = run(Command(("nft", "--terse", "list", "ruleset")))
    assert names(run, tmp_path) == []
    assert run(Command(("nft", "--terse", "list", "ruleset"))) == before
    run(Command(("nft", "flush", "table", "inet", "filter_ban")))
    assert names(run, tmp_path) == ["table-missing"]
    run(Command(("nft", "flush", "ruleset")))
    assert names(run, tmp_path) == ["table-missing"]
