# SPDX-License-Identifier: ISC
"""
Packet filters: bans as entries of a table that is ours.

Builders and parsers are pure, ``runner`` alone starts processes, ``table`` keeps the table equal to what is wanted
and ``guard`` refuses what must never be in it.
"""

from filter_ban.firewall.backends import BACKENDS, make_backend, options_of
from filter_ban.firewall.base import Backend, Change, Check, Command, Entry, Fault, FirewallError, Options
from filter_ban.firewall.guard import Guard
from filter_ban.firewall.runner import Runner
from filter_ban.firewall.table import DesiredTable, Listing, Report, Run

__all__ = [
    "BACKENDS",
    "Backend",
    "Change",
    "Check",
    "Command",
    "DesiredTable",
    "Entry",
    "Fault",
    "FirewallError",
    "Guard",
    "Listing",
    "Options",
    "Report",
    "Run",
    "Runner",
    "make_backend",
    "options_of",
]
