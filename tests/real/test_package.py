# SPDX-License-Identifier: ISC
"""The Debian package on Debian 12 and 13: installed, used, run by systemd in its sandbox, removed and purged."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from filter_ban.cli.group import COMMANDS
from filter_ban.model import Enforcement
from tests.real.booted import BootedMachine, NotBootedError
from tests.real.debian_root import CHECKOUT, PACKAGE_12, PACKAGE_13, DebianRoot
from tests.real.machine import Machine
from tests.real.polling import wait_until
from tests.real.systems import Systems

pytestmark = pytest.mark.real
PRIVILEGES: Final = 1 << 10 | 1 << 12 | 1 << 13  # linux/capability.h: CAP_NET_BIND_SERVICE, _ADMIN, _RAW
BOT: Final = "198.51.100.7"
CONFIGURATION: Final = "/etc/filter-ban.toml"
LEDGER: Final = "/var/lib/filter-ban/ledger.sqlite3"
NOT_RUNNING: Final = 69
SEARCH: Final = "find / -xdev '(' -path /proc -o -path /package ')' -prune -o -name '*filter*ban*' -print; nft list tables"
ALL_OF_IT: Final = """
[firewall]
backend = ["nftables", "iptables", "route"]

[decoy]
listen = ["127.0.0.1:25"]

[dovecot]
listen = ["127.0.0.1:10041"]
"""
PING: Final = "from urllib.request import urlopen; urlopen('http://127.0.0.1:10041/?command=ping')"
RULES: Final = """
iptables -I INPUT -m set --match-set filter-ban4 src -j DROP
"""
CONNECT: Final = "import socket; socket.socket(socket.AF_UNIX).connect('/run/filter-ban/relay.sock')"


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the package, built from this checkout."""
    folder = tmp_path_factory.mktemp("package") / "package"
    subprocess.run(
        [CHECKOUT / "packaging/debian/build", folder], check=True, timeout=60, stdout=subprocess.DEVNULL
    )
    (built,) = folder.iterdir()
    built.rename(folder / "filter-ban.deb")
    return folder.parent


@pytest.fixture(params=[PACKAGE_12, PACKAGE_13], ids=str)
def debian(request: pytest.FixtureRequest) -> DebianRoot:
    """Return each release."""
    root: DebianRoot = request.param
    return root


@pytest.fixture
def machine(systems: Systems, debian: DebianRoot, package: Path) -> Iterator[Machine]:
    """Provide a machine with the package's file and without filter-ban, on which no systemd runs."""
    with Machine(systems.folders(debian)[0], package) as machine:
        yield machine


@pytest.fixture
def booted(systems: Systems, debian: DebianRoot, package: Path) -> Iterator[BootedMachine]:
    """Provide the same, under systemd."""
    root, _ = systems.folders(debian)
    try:
        machine = BootedMachine(root, package)
    except NotBootedError as error:
        pytest.skip(f"systemd does not run in namespaces here: {error}")
    with machine:
        yield machine


def run(machine: Machine, command: str, *, check: bool = True) -> str:
    """Run a command line; return what it prints."""
    return machine.run(["sh", "-c", command], check=check).stdout.decode()


def answer(machine: Machine, command: str) -> Any:
    """Return the JSON document that a command of ours prints."""
    return json.loads(run(machine, f"filter-ban {command} --json"))


def is_in_force(machine: Machine) -> bool:
    """Return whether there is one ban, and the firewall has it."""
    (ban,) = answer(machine, "list")["bans"]
    return bool(ban["enforcement"] == Enforcement.IN_FORCE.value)


def test_installed_used_removed_purged(machine: Machine) -> None:
    """Without systemd's tools too: the user is made, the commands work, and only a purge takes configuration and ledger."""
    machine.run(["rm", "/usr/bin/systemd-sysusers"])
    assert run(machine, SEARCH) == ""

    run(machine, "dpkg -i /package/filter-ban.deb")
    assert run(machine, "filter-ban --version").startswith("filter-ban ")
    for command in COMMANDS:
        assert f"sage: filter-ban {command}" in run(machine, f"filter-ban {command} --help")
    assert run(machine, "filter-ban check") == f"{CONFIGURATION}: ok\n"
    assert machine.run(["filter-ban", "status"], check=False).returncode == NOT_RUNNING
    assert run(machine, "getent passwd _filterban").endswith("/nologin\n")
    machine.write(CONFIGURATION, '[firewall]\nbackend = "nftables"\n')
    daemon = machine.popen(["filter-ban", "serve"], stderr=subprocess.DEVNULL)
    wait_until(
        lambda: machine.run(["filter-ban", "status"], check=False).returncode == 0, "the daemon answers", 20
    )
    run(machine, f"filter-ban ban {BOT}")
    wait_until(lambda: is_in_force(machine), "the ban is in force")
    assert BOT in run(machine, "nft list table inet filter_ban")
    daemon.terminate()
    assert daemon.wait(20) == 0

    run(machine, "dpkg -r filter-ban")
    assert machine.path(CONFIGURATION).exists()
    assert machine.path(LEDGER).exists()
    assert machine.run(["sh", "-c", "command -v filter-ban"], check=False).returncode
    run(machine, "dpkg -P filter-ban")
    assert run(machine, SEARCH) == ""


def test_service(booted: BootedMachine) -> None:
    """The service runs without root, its engine without any privilege, and its bans are in the kernel all the same."""
    run(booted, "dpkg -i /package/filter-ban.deb")
    assert run(booted, "systemctl is-enabled filter-ban") == "enabled\n"
    assert run(booted, "systemctl is-active filter-ban") == "active\n"
    booted.write(CONFIGURATION, ALL_OF_IT)
    run(booted, "systemctl restart filter-ban")

    run(booted, f"filter-ban ban {BOT}")
    wait_until(lambda: BOT in run(booted, "ipset save"), "the set is there")
    run(booted, RULES)
    run(booted, "filter-ban resync", check=False)
    wait_until(lambda: is_in_force(booted), "the ban is in force")
    assert BOT in run(booted, "nft list table inet filter_ban")
    assert BOT in run(booted, "ipset save filter-ban4")
    assert BOT in run(booted, "ip route show type blackhole")

    run(booted, f'python3 -c "{PING}"')  # the compiled part of aiohttp works in the sandbox

    status = answer(booted, "status")
    assert not [listener for listener in status["listeners"] if listener["problem"]]
    user = int(run(booted, "id -u _filterban"))
    assert privileges(booted, status["enforcer_pid"]) == (user, PRIVILEGES)
    assert privileges(booted, status["pid"]) == (user, 0)
    assert not refuses(booted, "_filterban", "filter-ban status")
    run(booted, f'setpriv --reuid nobody --clear-groups python3 -c "{CONNECT}"')
    assert refuses(booted, "nobody", "filter-ban ban 198.51.100.8")

    run(booted, "dpkg -i /package/filter-ban.deb")  # as an upgrade does
    assert answer(booted, "status")["enforcer_pid"] != status["enforcer_pid"]
    assert is_in_force(booted)
    run(booted, f"filter-ban lift {BOT}")
    wait_until(
        lambda: BOT not in run(booted, "nft list ruleset; ipset save; ip route show type blackhole"), "gone"
    )

    run(booted, "dpkg -r filter-ban")
    assert run(booted, "systemctl is-active filter-ban", check=False) == "inactive\n"
    run(booted, "dpkg -P filter-ban")
    assert not booted.path(LEDGER).parent.exists()


def privileges(machine: Machine, pid: int) -> tuple[int, int]:
    """Return the effective user and the capabilities of a process, numbered as inside."""
    status = run(machine, f"cat /proc/{pid}/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    return int(fields["Uid"].split()[1]), int(fields["CapPrm"], 16) | int(fields["CapEff"], 16)


def refuses(machine: Machine, user: str, command: str) -> bool:
    """Return whether a command that *user* runs fails."""
    argv = ["setpriv", "--reuid", user, "--clear-groups", "sh", "-c", command]
    return machine.run(argv, check=False).returncode != 0


def test_blocklistd_socket(booted: BootedMachine) -> None:
    """The socket that other daemons report to is systemd's, and off until it is enabled."""
    run(booted, "dpkg -i /package/filter-ban.deb")
    assert run(booted, "systemctl is-enabled filter-ban-blocklistd.socket", check=False) == "disabled\n"
    run(booted, "systemctl stop filter-ban; systemctl enable --now filter-ban-blocklistd.socket")
    run(booted, "systemctl start filter-ban")
    assert run(booted, "stat -c %a /run/blocklistd.sock") == "666\n"
    listeners = {listener["service"]: listener for listener in answer(booted, "status")["listeners"]}
    assert listeners["blocklistd"]["endpoint"] == "systemd"
    assert not listeners["blocklistd"]["problem"]


def test_units(booted: BootedMachine) -> None:
    """Each release's own systemd finds no fault in the units, and the service exposed to 2.0 of 10 at most."""
    run(booted, "dpkg -i /package/filter-ban.deb")
    assert (
        run(booted, "systemd-analyze verify --man=no filter-ban.service filter-ban-blocklistd.socket 2>&1")
        == ""
    )
    run(
        booted,
        "systemd-analyze security --offline=yes --threshold=20 /usr/lib/systemd/system/filter-ban.service",
    )
