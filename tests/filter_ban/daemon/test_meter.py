# SPDX-License-Identifier: ISC
"""What is measured beside what is counted anyway."""

from filter_ban.client import parse_network
from filter_ban.config import parse_config
from filter_ban.daemon.meter import ENDERS, Meter
from filter_ban.engine import Policy
from filter_ban.model import Ban

CONFIG = '[limits]\nwindows = ["3 in 1h"]\n[[override]]\nservices = ["decoy"]\nwindows = ["1 in 1d"]\n'


def ban(rule: str) -> Ban:
    """Return a ban of that rule."""
    return Ban(client=parse_network("192.0.2.7"), start_s=1, end_s=None, rule=rule, reason="")


def test_every_rule_is_there_from_the_beginning() -> None:
    """So that Prometheus sees the first ban of each."""
    meter = Meter(Policy.compile(parse_config(CONFIG), ()))
    rules = {
        *("3 in 1h", "1 in 1d", "decoy", "foreign-domain", "reported", "trap-user", "widened", "by hand"),
    }

    assert meter.bans.counts == dict.fromkeys(rules, 0)
    assert meter.ended_by.counts == dict.fromkeys(ENDERS, 0)


def test_bans_and_ends_are_counted() -> None:
    """By rule, and by who ended them."""
    meter = Meter(Policy.compile(parse_config(CONFIG), ()))
    meter.banned([ban("3 in 1h"), ban("3 in 1h"), ban("by hand")])
    meter.ended([ban("3 in 1h")], "time")
    meter.ended([ban("3 in 1h"), ban("by hand")], "operator")

    assert +meter.bans.counts == {"3 in 1h": 2, "by hand": 1}
    assert meter.ended_by.counts == {"time": 1, "operator": 2, "never-list": 0}
