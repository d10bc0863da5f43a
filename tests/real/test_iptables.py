# SPDX-License-Identifier: ISC
"""``filter-ban setup iptables`` and the bans behind it, on Debian's own iptables-persistent and ipset-persistent."""

import shlex
from collections.abc import Callable, Iterator

import pytest

from tests.real.debian_root import PERSISTENT_12, PERSISTENT_13, DebianRoot
from tests.real.filterban import FilterBan
from tests.real.firewall import (
    BANNED,
    BANNED_CLIENTS,
    FRIENDS,
    OTHER_PORT,
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
each_release = pytest.mark.parametrize("debian", [PERSISTENT_12, PERSISTENT_13], ids=str)
StartFilterBan = Callable[[str], FilterBan]

CONFIGURATION = """\
[firewall]
ports = [25, 587]
"""
SETUP = [COMMAND, "setup", "iptables"]
SCRIPT = "/usr/share/netfilter-persistent/plugins.d/12-filter-ban"
RULES = ("/etc/iptables/rules.v4", "/etc/iptables/rules.v6")
FILES = ("/etc/filter-ban.toml", *RULES, SCRIPT)
OWN_RULES = """\
# by hand, with a comment
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:mail - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 25,587,2200 -j mail
-A mail -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o mx0 -j MASQUERADE
COMMIT
"""


@pytest.fixture
def debian() -> DebianRoot:
    """Return what the machine is made of where one release is enough."""
    return PERSISTENT_13


@pytest.fixture
def network(machine: Machine) -> Iterator[ClientNetwork]:
    """Provide the clients of a machine with rules of its admin, where a server listens."""
    with ClientNetwork(machine) as network, echo_server(machine) as server:
        for file in RULES:
            machine.write(file, OWN_RULES, 0o640)
        machine.run(["netfilter-persistent", "start"])
        server.start()
        yield network


def contents(machine: Machine) -> dict[str, tuple[bytes, int] | None]:
    """Return content and mode of each file that is there."""
    paths = {file: machine.path(file) for file in FILES}
    return {
        file: (path.read_bytes(), path.stat().st_mode) if path.exists() else None
        for file, path in paths.items()
    }


def own_rules(machine: Machine) -> str:
    """Return what is in force without our lines."""
    lines = saved_rules(machine).splitlines(keepends=True)
    return "".join(line for line in lines if "filter-ban" not in line)


def protected(machine: Machine, start_filterban: StartFilterBan) -> FilterBan:
    """Set iptables up, start the daemon, and ban; return when all bans are in force."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.run([*SETUP, "--apply", "--yes"])
    machine.run([SCRIPT, "insert"])
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
@pytest.mark.parametrize("text", [OWN_RULES, ""])
def test_files(machine: Machine, text: str) -> None:
    """Nothing is written before --apply, and nothing the second time; undo restores every byte and mode."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.write(RULES[0], text, 0o640)
    machine.path(RULES[1]).unlink()
    before = contents(machine)
    machine.run(SETUP)
    assert contents(machine) == before
    machine.run([*SETUP, "--apply", "--yes"])
    after = contents(machine)
    assert all(after[file] != before[file] for file in FILES)
    assert machine.run([*SETUP, "--apply"]).stdout.endswith(b": all is set up already\n")
    assert contents(machine) == after
    machine.run([*SETUP, "--undo", "--yes"])
    assert contents(machine) == before


@each_release
def test_bans_act_and_outlast_reloads(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """Open connections die too; others, other ports and rules that stand in no file notice nothing."""
    machine.run(
        ["iptables", "-A", "INPUT", "-s", "192.0.2.9", "-j", "ACCEPT"]
    )  # as fail2ban's: in force only
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
    with_us = saved_rules(machine)
    machine.run([SCRIPT, "insert"])
    assert saved_rules(machine) == with_us

    machine.run(["netfilter-persistent", "save"])
    machine.run(["netfilter-persistent", "reload"])
    assert saved_rules(machine) == with_us
    assert who_comes_through(network) == [*FRIENDS]
    assert b": all is set up already" in machine.run([*SETUP, "--apply"]).stdout
    machine.run(["iptables", "-D", "INPUT", "1"])
    assert "no rule uses the set filter-ban4" in problems(filterban)
    machine.run([SCRIPT, "insert"])
    assert problems(filterban) == ""
    assert saved_rules(machine) == with_us


@each_release
def test_reboot(machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan) -> None:
    """Without filter-ban the rules are loaded as always; once that runs, the bans are back."""
    filterban = protected(machine, start_filterban)
    rules = saved_rules(machine)
    filterban.stop()
    forget_everything(machine)
    machine.run(["netfilter-persistent", "start"])
    assert saved_rules(machine) == rules
    assert who_comes_through(network, banned=False) == [*BANNED_CLIENTS, *FRIENDS]
    filterban.start()
    wait_until(lambda: in_force(filterban) == len(BANNED), "all bans are back")
    assert who_comes_through(network) == [*FRIENDS]


def test_with_iptables_legacy(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """Where the admin has chosen the older kind of iptables, bans act too, and a reload is heeded."""
    machine.run(["nft", "flush", "ruleset"])
    use_legacy_iptables(machine)
    machine.run(["netfilter-persistent", "reload"])
    filterban = protected(machine, start_filterban)
    assert who_comes_through(network) == [*FRIENDS]
    machine.run(["netfilter-persistent", "reload"])
    assert who_comes_through(network) == [*FRIENDS]
    assert problems(filterban) == ""


def test_sets_that_were_saved(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """What ipset-persistent saved and restores at start is compared with the ledger like all else."""
    filterban = protected(machine, start_filterban)
    machine.run(["netfilter-persistent", "save"])
    filterban.run("lift", BANNED[0])
    filterban.stop()
    forget_everything(machine)
    machine.run(["netfilter-persistent", "start"])
    assert who_comes_through(network) == [*FRIENDS]
    filterban.start()
    wait_until(lambda: comes_through(network, BANNED_CLIENTS[0]), "the lifted one comes through")


def test_without_sets(machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan) -> None:
    """Where ipset is gone, all other rules are loaded."""
    filterban = protected(machine, start_filterban)
    rules = own_rules(machine)
    filterban.stop()
    forget_everything(machine)
    machine.run(["mv", "/usr/sbin/ipset", "/usr/sbin/ipset.away"])
    done = machine.run(["netfilter-persistent", "start"], check=False)
    assert b"rules failed test load" in done.stderr + done.stdout
    assert own_rules(machine) == rules


def test_undone_in_the_kernel(
    machine: Machine, network: ClientNetwork, start_filterban: StartFilterBan
) -> None:
    """The command that undo tells takes our rules out of those in force, and no other."""
    rules = saved_rules(machine)
    filterban = protected(machine, start_filterban)
    filterban.stop()
    told = machine.run([*SETUP, "--undo", "--yes"]).stdout.decode()
    command = told.partition("To put it into effect: ")[2].partition(" && systemctl")[0]
    machine.run(["sh", "-ec", command])
    assert saved_rules(machine) == rules


def test_by_hand(machine: Machine, network: ClientNetwork) -> None:
    """Where nothing loads rules at start, what is printed is a script that puts ours in front, once."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.run(["mv", "/usr/share/netfilter-persistent", "/usr/share/away"])
    rules = saved_rules(machine)
    printed = machine.run(SETUP).stdout.decode()
    script = printed[printed.index("# to be run as root") :]
    for _ in range(2):
        machine.run(["sh", "-ec", script])
    assert own_rules(machine) == rules
    assert saved_rules(machine).count("--match-set") == 2
    machine.run(["ipset", "add", "filter-ban4", BANNED[0]])
    assert who_comes_through(network) == [*BANNED_CLIENTS[1:], *FRIENDS]


def test_files_of_iptables_services(machine: Machine) -> None:
    """On systems where iptables-services loads the rules, its files get ours, and systemd runs the script first."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.run(["mv", "/usr/share/netfilter-persistent", "/usr/share/away"])
    for name in ("iptables", "ip6tables"):
        machine.write(f"/etc/sysconfig/{name}", OWN_RULES, 0o600)
    machine.run([*SETUP, "--apply", "--yes"])
    script = "/usr/local/libexec/filter-ban-iptables"
    drop_in = machine.path("/etc/systemd/system/ip6tables.service.d/filter-ban.conf").read_text()
    assert f"ExecStartPre=-{script} start\n" in drop_in
    machine.run([script, "start"])
    machine.run(["iptables-restore", "/etc/sysconfig/iptables"])
    machine.run(["ip6tables-restore", "/etc/sysconfig/ip6tables"])
    assert saved_rules(machine).count("--match-set") == 2
    rules = saved_rules(machine)
    machine.run([script, "insert"])
    assert saved_rules(machine) == rules


def test_refused(machine: Machine) -> None:
    """Where the files are broken, nothing is changed."""
    machine.write("/etc/filter-ban.toml", CONFIGURATION)
    machine.write(RULES[0], "*filter\n-A INPUT -j\nCOMMIT\n", 0o640)
    before = contents(machine)
    done = machine.run([*SETUP, "--apply", "--yes"], check=False)
    assert (done.returncode, b"mend that first" in done.stderr) == (1, True)
    assert contents(machine) == before


@each_release
def test_steps_of_the_page(machine: Machine, start_filterban: StartFilterBan) -> None:
    """Step by step, iptables is set up, shown and as it was before."""
    machine.run(["ip", "link", "set", "lo", "up"])
    (configuration,) = (block for language, block in blocks("iptables") if language == "toml")
    ours = configuration.replace('backend = "iptables"\n', "")
    filterban = start_filterban(ours)
    for file in RULES:
        machine.write(file, OWN_RULES, 0o640)
    machine.run(["netfilter-persistent", "start"])
    files, rules = contents(machine), saved_rules(machine)
    printed: dict[str, list[str]] = {}
    for line in lines_of_shell("iptables"):
        if line == "systemctl restart filter-ban":
            filterban.stop()
            filterban.start()
        elif not line.startswith("apt "):
            argv = ["sh", "-c", line] if "|" in line else shlex.split(line)
            printed.setdefault(line, []).append(machine.run(argv).stdout.decode())
    assert ["198.51.100.7" in listing for listing in printed["ipset list filter-ban4"]] == [True, True]
    assert contents(machine) == files
    assert saved_rules(machine) == rules
