# SPDX-License-Identifier: ISC
"""``filter-ban setup ufw`` and the bans behind it, on Debian's own ufw."""

import shlex
from collections.abc import Callable, Iterator

import pytest

from tests.real.debian_root import UFW_12, UFW_13, DebianRoot
from tests.real.filterban import FilterBan
from tests.real.firewall import (
    BANNED,
    BANNED_CLIENTS,
    FRIENDS,
    OTHER_PORT,
    PATIENCE_S,
    PORTS,
    SILENCE_S,
    answers,
    comes_through,
    echo_server,
    forget_everything,
    saved_rules,
    use_legacy_iptables,
    who_comes_through,
)
from tests.real.installation import COMMAND
from tests.real.machine import Machine
from tests.real.network import SMTP, ClientNetwork
from tests.real.polling import wait_until
from tests.test_firewall_docs import blocks, lines_of_shell

pytestmark = pytest.mark.real
each_release = pytest.mark.parametrize("debian", [UFW_12, UFW_13], ids=str)
StartFilterBan = Callable[[str], FilterBan]

CONFIGURATION = """\
[firewall]
ports = [25, 587]
"""
SETUP = [COMMAND, "setup", "ufw"]
FILES = ("before.rules", "before6.rules", "after.init")
OWN_RULES = """\
*nat
:POSTROUTING ACCEPT [0:0]
-F POSTROUTING
-A POSTROUTING -s 10.8.0.0/24 -o mx0 -j MASQUERADE
COMMIT
"""


@pytest.fixture
def debian() -> DebianRoot:
    """Return what the machine is made of where one release is enough."""
    return UFW_13


@pytest.fixture
def network(machine: Machine) -> Iterator[ClientNetwork]:
    """Provide the clients of a machine where ufw lets them in, with rules of its admin, and a server listens."""
    with ClientNetwork(machine) as network, echo_server(machine) as server:
        before = machine.path("/etc/ufw/before.rules")
        before.write_text(before.read_text() + OWN_RULES)
        for port in (*PORTS, OTHER_PORT):
            machine.run(["ufw", "allow", f"{port}/tcp"])
        machine.run(["ufw", "deny", "from", "192.0.2.0/24"])
        machine.run(["ufw", "--force", "enable"])
        server.start()
        yield network


def files_of_ufw(machine: Machine) -> dict[str, tuple[bytes, int]]:
    """Return content and mode of the files in ufw's folder, and of our configuration, but not of copies."""
    folder = machine.path("/etc/ufw")
    paths = [machine.path("/etc/filter-ban.toml"), *(path for path in folder.iterdir() if path.is_file())]
    return {
        path.name: (path.read_bytes(), path.stat().st_mode)
        for path in paths
        if path.suffix not in (".bak", ".undone")
    }


def own_rules(machine: Machine) -> str:
    """Return what is in force without our chains."""
    lines = saved_rules(machine).splitlines(keepends=True)
    return "".join(line for line in lines if "filter-ban" not in line)


def protected(machine: Machine, start_filterban: StartFilterBan) -> FilterBan:
    """Set ufw up, start the daemon, and ban; return when all bans are in force."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.run([*SETUP, "--apply", "--yes"])
    machine.run(["ufw", "reload"])
    filterban = start_filterban(machine.path("/etc/filter-ban.toml").read_text())
    for client in BANNED:
        filterban.run("ban", "--for", "1h", client)
    wait_until(lambda: in_force(filterban) == len(BANNED), "all bans are in force")
    return filterban


def in_force(filterban: FilterBan) -> int:
    """Return how many bans the firewall has."""
    number: int = filterban.json("status")["firewall"]["in_force"]
    return number


def problems(filterban: FilterBan) -> str:
    """Return what ``status`` finds wrong with the firewall once it has been looked at."""
    filterban.run("resync", check=False)
    return " ".join(filterban.json("status")["problems"])


@each_release
def test_files(machine: Machine) -> None:
    """Nothing is written before --apply, and nothing the second time; undo restores every byte and mode."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    before = files_of_ufw(machine)
    assert b"ufw is not enabled" in machine.run(SETUP).stderr
    assert files_of_ufw(machine) == before
    told = machine.run([*SETUP, "--apply", "--yes"]).stdout
    assert b"To put it into effect: ufw reload" in told
    after = files_of_ufw(machine)
    assert {name for name in before if after[name] != before[name]} == {*FILES, "filter-ban.toml"}
    assert machine.run([*SETUP, "--apply"]).stdout.endswith(b": all is set up already\n")
    assert files_of_ufw(machine) == after
    machine.run([*SETUP, "--undo", "--yes"])
    assert files_of_ufw(machine) == before


@each_release
def test_bans_act_and_outlast_ufw(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """Open connections die too; others, other ports and the admin's own rules notice nothing, whatever ufw is told."""
    without_us = saved_rules(machine)
    with (
        network.connect(BANNED_CLIENTS[0], SMTP, 5) as open_one,
        network.connect(FRIENDS[0], SMTP, 5) as other,
    ):
        assert answers(open_one)
        filterban = protected(machine, start_filterban)
        assert not answers(open_one, SILENCE_S)
        assert answers(other)
    assert who_comes_through(network) == [*FRIENDS]
    assert who_comes_through(network, OTHER_PORT, banned=False) == [*BANNED_CLIENTS, *FRIENDS]
    assert problems(filterban) == ""
    assert own_rules(machine) == without_us

    with_us, files = saved_rules(machine), files_of_ufw(machine)
    machine.run(["ufw", "reload"])
    assert saved_rules(machine) == with_us
    assert who_comes_through(network) == [*FRIENDS]
    machine.run(["ufw", "disable"])
    assert "no rule uses the set" in problems(filterban)
    assert who_comes_through(network, banned=False) == [*BANNED_CLIENTS, *FRIENDS]
    machine.run(["ufw", "--force", "enable"])
    assert saved_rules(machine) == with_us
    assert who_comes_through(network) == [*FRIENDS]
    assert problems(filterban) == ""
    machine.run(["/lib/ufw/ufw-init", "force-reload"])
    assert saved_rules(machine) == with_us
    assert files_of_ufw(machine) == files


@each_release
def test_reboot(machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan) -> None:
    """Without filter-ban ufw starts as it always does; once that runs, the bans are back."""
    filterban = protected(machine, start_filterban)
    rules = saved_rules(machine)
    filterban.stop()
    forget_everything(machine)
    done = machine.run(["/lib/ufw/ufw-init", "start", "quiet"])
    assert b"filter-ban" not in done.stdout + done.stderr
    assert saved_rules(machine) == rules
    assert who_comes_through(network, banned=False) == [*BANNED_CLIENTS, *FRIENDS]
    filterban.start()
    wait_until(lambda: in_force(filterban) == len(BANNED), "all bans are back")
    assert who_comes_through(network) == [*FRIENDS]


@pytest.mark.parametrize(
    "trouble",
    [
        "mv /usr/sbin/ipset /usr/sbin/ipset.away",
        "ipset create filter-ban4 list:set; ipset create filter-ban6 hash:ip",
        "chmod -x /etc/ufw/after.init",
        "sed -i 's/ipset create/ipset oops/' /etc/ufw/after.init",
    ],
)
def test_ufw_does_not_depend_on_us(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan, trouble: str
) -> None:
    """Without ipset, with other sets of our names or without the script, ufw starts with all rules of its own."""
    filterban = protected(machine, start_filterban)
    filterban.stop()
    rules = own_rules(machine)
    forget_everything(machine)
    machine.run(["sh", "-c", trouble])
    machine.run(["/lib/ufw/ufw-init", "start", "quiet"])
    assert own_rules(machine) == rules
    machine.run(["ufw", "reload"])
    assert own_rules(machine) == rules
    assert "ENABLED=yes" in machine.path("/etc/ufw/ufw.conf").read_text()
    assert who_comes_through(network)[-len(FRIENDS) :] == [*FRIENDS]


def test_rule_taken_out_by_hand(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """It is told, and ``ufw reload`` puts it back."""
    filterban = protected(machine, start_filterban)
    machine.run(["iptables", "-F", "filter-ban-match"])
    assert "no rule uses the set filter-ban4" in problems(filterban)
    machine.run(["ufw", "reload"])
    assert problems(filterban) == ""
    machine.run(["ip6tables", "-D", "ufw6-before-input", "-j", "filter-ban-match"])
    assert "no rule uses the set filter-ban6" in problems(filterban)
    machine.run(["ufw", "reload"])
    assert who_comes_through(network) == [*FRIENDS]


def test_with_iptables_legacy(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """Where the admin has chosen the older kind of iptables, bans act too, and a reload is heeded."""
    machine.run(["ufw", "disable"])
    use_legacy_iptables(machine)
    machine.run(["ufw", "--force", "enable"])
    filterban = protected(machine, start_filterban)
    assert who_comes_through(network) == [*FRIENDS]
    machine.run(["ufw", "reload"])
    assert who_comes_through(network) == [*FRIENDS]
    assert problems(filterban) == ""


def test_reject_on_all_ports(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """With other settings all ports are closed, and a banned client is told at once."""
    settings = CONFIGURATION.replace("ports = [25, 587]", 'action = "reject"')
    machine.write("/etc/filter-ban.toml", settings)
    machine.run([*SETUP, "--apply", "--yes"])
    machine.run(["ufw", "reload"])
    filterban = start_filterban(machine.path("/etc/filter-ban.toml").read_text())
    with network.connect(BANNED_CLIENTS[0], SMTP, PATIENCE_S) as open_one:
        for client in BANNED:
            filterban.run("ban", "--for", "1h", client)
        wait_until(lambda: in_force(filterban) == len(BANNED), "all bans are in force")
        open_one.settimeout(PATIENCE_S)
        open_one.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            open_one.recv(10)
    for client in BANNED_CLIENTS:
        with pytest.raises(ConnectionRefusedError):
            network.connect(client, OTHER_PORT, PATIENCE_S)


def test_without_ipv6(machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan) -> None:
    """With IPV6=no ufw lets no IPv6 in at all; bans of IPv4 act."""
    defaults = machine.path("/etc/default/ufw")
    defaults.write_text(defaults.read_text().replace("IPV6=yes", "IPV6=no"))
    machine.run(["ufw", "reload"])
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    assert b"IPV6=no" in machine.run([*SETUP, "--apply", "--yes"]).stderr
    machine.run(["ufw", "reload"])
    filterban = start_filterban(machine.path("/etc/filter-ban.toml").read_text())
    filterban.run("ban", BANNED[0])
    wait_until(lambda: in_force(filterban) == 1, "the ban is in force")
    shut_out = (BANNED_CLIENTS[0], *(client for client in FRIENDS if ":" in client))
    assert [client for client in shut_out if comes_through(network, client, banned=True)] == []
    assert all(comes_through(network, client) for client in FRIENDS if client not in shut_out)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("before.rules", "*filter\n-A ufw-before-input -j\nCOMMIT\n", "mend that first"),
        ("before.rules", "*nat\nCOMMIT\n", "has no table *filter"),
        ("after.init", "#!/usr/bin/python3\n", "is no shell script"),
        ("after.init", "#!/bin/sh\nif\n", "mend that first"),
    ],
)
def test_refused(machine: Machine, file: str, text: str, reason: str) -> None:
    """Where ufw's own files are broken or of another kind, nothing is changed."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.path(f"/etc/ufw/{file}").write_text(text)
    before = files_of_ufw(machine)
    done = machine.run([*SETUP, "--apply", "--yes"], check=False)
    assert done.returncode == 1
    assert reason in done.stderr.decode()
    assert files_of_ufw(machine) == before


@each_release
def test_steps_of_the_page(machine: Machine, start_filterban: StartFilterBan) -> None:
    """Step by step, ufw is set up, shown and as it was before."""
    machine.run(["ip", "link", "set", "lo", "up"])
    (configuration,) = (block for language, block in blocks("ufw") if language == "toml")
    ours = configuration.replace('backend = "ufw"\n', "")
    filterban = start_filterban(ours)
    files = files_of_ufw(machine)
    printed: dict[str, list[str]] = {}
    for line in lines_of_shell("ufw"):
        words = shlex.split(line)
        if words == ["systemctl", "restart", "filter-ban"]:
            filterban.stop()
            filterban.start()
        elif words[0] != "apt":
            printed.setdefault(line, []).append(machine.run(words, stdin=b"y\n").stdout.decode())
    assert ["198.51.100.7" in listing for listing in printed["ipset list filter-ban4"]] == [True, True]
    assert "match-set filter-ban4" in "".join(printed["iptables -S filter-ban-match"])
    assert {name: files_of_ufw(machine)[name] for name in FILES} == {name: files[name] for name in FILES}
    assert machine.path("/etc/filter-ban.toml").read_text() == ours
