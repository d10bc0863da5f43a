# SPDX-License-Identifier: ISC
"""
What can be set up: mail servers and firewalls, by the names that ``filter-ban setup`` takes.

A target is a module of this package with the functions of :class:`Target`, which write nothing. To a firewall's own files
is added here the line of our configuration without which filter-ban would not use it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import attrs

from filter_ban.config import Config, parse_config
from filter_ban.model import Mode
from filter_ban.setup import dovecot, ipfw, iptables, npf, pf, postfix, route, ufw
from filter_ban.setup.configuration import with_backend
from filter_ban.setup.files import Change, SetupError, read
from filter_ban.setup.nftables import Nftables
from filter_ban.setup.plan import Ask, Place, Plan


class Target(Protocol):
    """A mail server or firewall whose files can be made to work with filter-ban."""

    def place(self, ask: Ask) -> Place:
        """Return where it is set up."""

    def plan(self, config: Config, ask: Ask) -> Plan:
        """
        Return what is to be done.

        Raises:
            MissingProgramError: it is not installed here.
            ProgramError: it does not accept its present configuration.
            SetupError: it cannot be set up.

        """

    def by_hand(self, config: Config) -> str:
        """Return what to add to which file on a machine where it is not installed yet."""


SERVERS: Final[dict[str, Target]] = {"postfix": postfix, "dovecot": dovecot}
_MODULES: Final[dict[str, Target]] = {
    "ufw": ufw,
    "iptables": iptables,
    "pf": pf,
    "npf": npf,
    "ipfw": ipfw,
    "route": route,
}
FIREWALLS: Final = ("nftables", *_MODULES)


def make_target(name: str, file: Path) -> Target:
    """Return the target of that *name*; *file* is our own configuration, there or not."""
    if name in SERVERS:
        return SERVERS[name]
    file = file.resolve()
    return FirewallTarget(name, Nftables(file) if name == "nftables" else _MODULES[name], file)


@attrs.frozen
class FirewallTarget:
    """A firewall, and *file*, our configuration, that names it as *backend*."""

    backend: str
    firewall: Target
    file: Path

    def place(self, ask: Ask) -> Place:
        """Return where it is set up; our configuration is left out if it has been changed to another firewall since."""
        where = self.firewall.place(ask)
        if self.backend in parse_config(_text(read(self.file)), str(self.file)).firewall.backend:
            return self._with_file(where)
        if not where.paths:
            raise SetupError(f"nothing to undo: {self.file} does not name {self.backend}")
        return where

    def plan(self, config: Config, ask: Ask) -> Plan:
        """Return the firewall's plan, and the change of our configuration."""
        old = read(self.file)
        new = with_backend(_text(old), self.backend, str(self.file))
        plan = self.firewall.plan(config, ask)
        changes = (Change(self.file, old, new.encode()),) if new != _text(old) else ()
        return Plan(
            self._with_file(plan.place),
            (*changes, *plan.changes),
            (*plan.notes, *self._notes(config)),
            plan.accept,
        )

    def by_hand(self, config: Config) -> str:
        """Return what to add to which file, ours first."""
        ours = f'# in {self.file}\n[firewall]\nbackend = "{self.backend}"\n'
        theirs = self.firewall.by_hand(config)
        return f"{ours}\n{theirs}" if theirs else ours

    def _with_file(self, place: Place) -> Place:
        steps = " && ".join(filter(None, (place.next_step, restart_command())))
        return attrs.evolve(place, paths=(self.file, *place.paths), next_step=steps)

    def _notes(self, config: Config) -> Iterator[str]:
        before = config.firewall.backend
        if before and self.backend not in before:
            yield f"bans are pushed to {self.backend} in place of {', '.join(before)}; two at once are an array"
        if config.mode is not Mode.ENFORCE:
            yield f'nothing is pushed while our configuration says mode = "{config.mode}"'
        if not config.firewall.ports and self.backend != "route":
            yield (
                "a banned client loses everything, SSH too; to close mail alone, in our configuration under [firewall]: "
                "ports = [25, 465, 587, 993], and then this again; and where you log in from belongs into never.networks"
            )


def restart_command() -> str:
    """Return the command that makes our daemon read its configuration."""
    if sys.platform == "linux":
        return "systemctl restart filter-ban"
    return "rcctl restart filter_ban" if sys.platform.startswith("openbsd") else "service filter_ban restart"


def _text(content: bytes | None) -> str:
    return (content or b"").decode()
