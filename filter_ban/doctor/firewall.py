# SPDX-License-Identifier: ISC
"""What is wrong with the firewall: the tool, the rule that uses our table, and whoever else writes rules here. Only reads."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from filter_ban.config import Config
from filter_ban.config.schema import IPSET_BACKENDS, Firewall
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.firewall import Backend, Check, Fault, FirewallError, Run, make_backend, options_of
from filter_ban.firewall.base import fault_of

PART: Final = "firewall"
IN_OUR_CONFIGURATION: Final = "filter-ban.toml, [firewall]"
_PACKAGES: Final = {
    "nftables": "nftables",
    "ipset": "ipset iptables",
    "iptables": "ipset iptables",
    "ufw": "ufw ipset",
    "route": "iproute2",
}
_NFTABLES_CONF: Final = "etc/nftables.conf"
_NFTABLES_UNITS: Final = ("etc/systemd/system/nftables.service.d", "etc/systemd/system/nftables.service")
_NFTABLES_STARTED: Final = "etc/systemd/system/sysinit.target.wants/nftables.service"  # a link: enabled
_FIREWALLD_STARTED: Final = "etc/systemd/system/multi-user.target.wants/firewalld.service"
_UFW_CONF: Final = "etc/ufw/ufw.conf"
_FLUSH: Final = re.compile(r"^\s*flush\s+ruleset\b", re.MULTILINE)
_UFW_ON: Final = re.compile(r"^\s*ENABLED\s*=\s*[\"']?yes", re.MULTILINE | re.IGNORECASE)


@attrs.frozen
class Machine:
    """
    What is looked at.

    Args:
        run: Runs a command of the firewall's tool.
        has: Whether a tool is where tools are looked for.
        is_root: Whether we may ask the kernel.
        root: Folder that files are looked for in.

    """

    run: Run
    has: Callable[[str], bool]
    is_root: bool
    root: Path = Path("/")

    def text(self, name: str) -> str:
        """Return a file's text; "" for one that is not there or closed to us."""
        try:
            return (self.root / name).read_text("utf-8", "backslashreplace")
        except OSError:
            return ""

    def has_file(self, name: str) -> bool:
        """Return whether there is something of that name, if only a link that leads nowhere."""
        return os.path.lexists(self.root / name)

    @property
    def ufw_is_on(self) -> bool:
        """Return whether ufw loads its rules when the machine starts, and now."""
        return _UFW_ON.search(self.text(_UFW_CONF)) is not None


def findings(config: Config, machine: Machine, told: Mapping[str, Any]) -> Iterator[Finding]:
    """
    Yield what is wrong with every backend of *config*.

    Args:
        config: Ours.
        machine: Is looked at.
        told: What a daemon's document of ``status`` tells under ``firewall``; empty: no daemon answers.

    """
    for name in config.firewall.backend:
        try:
            backend = make_backend(name, options_of(config.firewall))
        except ValueError as error:  # a name that is fine for one tool may not be for another
            yield Finding(name, Severity.DANGER, "wrong-name", quoted(str(error)), "filter-ban check")
            continue
        yield from _backend(backend, config.firewall, machine, _of_backend(told, name))
    yield from _others(config.firewall.backend, machine)


def _of_backend(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return what the daemon tells of one backend; empty where it tells nothing."""
    backends = told.get("backends")
    return next(
        (
            one
            for one in (backends if isinstance(backends, list) else ())
            if isinstance(one, dict) and one.get("backend") == name
        ),
        {},
    )


# --- one backend


def _backend(
    backend: Backend, firewall: Firewall, machine: Machine, told: Mapping[str, Any]
) -> Iterator[Finding]:
    missing = _missing_tools(backend, firewall, machine)
    if missing:
        yield _tool_missing(backend.name, missing)
        return
    if backend.name == "ufw" and not machine.ufw_is_on:
        text = "ufw is off: none of its rules is loaded, so who is banned still comes in"
        yield Finding("ufw", Severity.DANGER, "ufw-off", text, "ufw enable")
        return
    found = [*_rule(backend, machine, in_force=told.get("in_force"))]
    yield from found
    problem = str(told.get("problem") or "")
    if problem and not any(finding.severity is Severity.DANGER for finding in found):
        yield _daemon_fails(backend.name, problem)


def _missing_tools(backend: Backend, firewall: Firewall, machine: Machine) -> list[str]:
    if backend.name == "helper":
        helper = os.fspath(firewall.helper or "")
        return [] if os.access(helper, os.X_OK) else [helper]
    commands = (*backend.check_commands(), *backend.list_commands())
    tools = dict.fromkeys(command.argv[0] for command in commands if not command.optional)
    return [tool for tool in tools if not machine.has(tool)]


def _tool_missing(name: str, tools: Collection[str]) -> Finding:
    text = f"{quoted(' and '.join(tools))} cannot be run: no ban reaches the firewall, all are in the dialogue only"
    if name == "helper":
        return Finding(name, Severity.DANGER, "tool-missing", text, f"ls -l {quoted(' '.join(tools))}")
    if name in _PACKAGES:
        return Finding(name, Severity.DANGER, "tool-missing", text, f"apt install {_PACKAGES[name]}")
    remedy = 'backend = "nftables", or another that this system has'
    return Finding(name, Severity.DANGER, "tool-missing", text, remedy, IN_OUR_CONFIGURATION)


def _rule(backend: Backend, machine: Machine, in_force: object) -> Iterator[Finding]:
    """Yield what is wrong with table and rule; *in_force*: how many entries the daemon says there are."""
    name = backend.name
    commands = backend.check_commands()
    try:
        check = backend.parse_check([machine.run(command) for command in commands]) if commands else None
    except FirewallError as error:
        yield _cannot_ask(name, error, machine)
        return
    except ValueError as error:
        yield Finding(name, Severity.DANGER, "table-foreign", quoted(str(error)), "filter-ban status")
        return
    if check is None:
        return
    if check.problem:
        remedy = f"filter-ban setup {'iptables' if name == 'ipset' else name} --apply"
        text = f"who is banned still comes in: {quoted(check.problem)}"
        yield Finding(name, Severity.DANGER, "rule-missing", text, remedy)
    elif not _acts(check) and in_force:
        what = "has none of our rules" if check.exists else "is gone"
        text = f"the table {what}, and {in_force} bans should be in force"
        yield Finding(name, Severity.DANGER, "table-missing", text, "filter-ban resync")
    elif check.exists and not _acts(check):
        text = (
            "there is a table of our name without our rules: something else uses the name, "
            "or the daemon runs with another configuration"
        )
        remedy = 'table = "another-name", or restart the daemon'
        yield Finding(name, Severity.ADVICE, "table-foreign", text, remedy, IN_OUR_CONFIGURATION)


def _acts(check: Check) -> bool:
    return check.exists and (check.ready is None or bool(check.ready))


def _cannot_ask(name: str, error: FirewallError, machine: Machine) -> Finding:
    if error.fault is not Fault.DENIED:
        return Finding(name, Severity.DANGER, "tool-fails", quoted(str(error)), "filter-ban status")
    if not machine.is_root:
        text = "only root can ask the firewall, so it was not looked at"
        return Finding(name, Severity.ADVICE, "not-root", text, "sudo filter-ban doctor")
    text = f"{quoted(str(error))}: not even root may change the firewall here; is this a container without CAP_NET_ADMIN?"
    return Finding(name, Severity.DANGER, "denied", text, 'backend = "none"', IN_OUR_CONFIGURATION)


def _daemon_fails(name: str, problem: str) -> Finding:
    text = f"the daemon cannot put bans in force: {quoted(problem)}"
    if fault_of(problem) is Fault.DENIED:
        remedy, place = (
            "AmbientCapabilities=CAP_NET_ADMIN",
            "filter-ban.service, [Service], or start it as root",
        )
        return Finding(name, Severity.DANGER, "daemon-denied", text, remedy, place)
    return Finding(name, Severity.DANGER, "not-in-force", text, "filter-ban resync")


# --- whoever else writes rules here


def _others(chosen: Collection[str], machine: Machine) -> Iterator[Finding]:
    ipset = next((name for name in chosen if name in IPSET_BACKENDS), "")
    flushes = _FLUSH.search(machine.text(_NFTABLES_CONF)) is not None
    is_loaded = machine.has_file(_NFTABLES_STARTED)
    if ipset in ("ipset", "iptables") and machine.ufw_is_on:
        text = f"ufw is on and loads rules of its own, among which those of backend {ipset} may be lost"
        yield Finding(ipset, Severity.ADVICE, "ufw-on", text, 'backend = "ufw"', IN_OUR_CONFIGURATION)
    if ipset and machine.has_file(_FIREWALLD_STARTED):
        text = "firewalld is enabled: when it loads its rules, ours are gone"
        yield Finding(
            ipset, Severity.ADVICE, "firewalld-on", text, 'backend = "nftables"', IN_OUR_CONFIGURATION
        )
    if ipset and is_loaded and flushes:
        text = "two firewalls: nftables.service is enabled too, and its file flushes the rules of ours"
        yield Finding(ipset, Severity.DANGER, "two-firewalls", text, "systemctl disable nftables.service")
    if "nftables" in chosen and is_loaded and flushes and not _is_followed_by_resync(machine):
        text = "/etc/nftables.conf flushes all rules, ours too: after a reload who is banned comes in for up to a minute"
        yield Finding(
            "nftables", Severity.ADVICE, "flush-unfollowed", text, "filter-ban setup nftables --apply"
        )


def _is_followed_by_resync(machine: Machine) -> bool:
    folder, unit = _NFTABLES_UNITS
    try:
        drop_ins = sorted((machine.root / folder).glob("*.conf"))
    except OSError:
        drop_ins = []
    names = [_NFTABLES_CONF, unit, *(os.fspath(file.relative_to(machine.root)) for file in drop_ins)]
    return any("filter-ban resync" in machine.text(name) for name in names)
