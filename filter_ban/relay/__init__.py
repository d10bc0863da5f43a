# SPDX-License-Identifier: ISC
"""
The relay: what smtpd starts as its filter.

smtpd stops when a filter exits and stalls a session until its request is answered, so the relay does neither. It
passes lines between smtpd and the daemon, answers for the daemon while that is absent, hung or late, and tells a new
daemon what it missed. Standard library only, and of that little: it stays resident beside every smtpd.

Source: smtpd-filters(7); OpenSMTPD's lka_filter.c for what ends smtpd.
"""

from filter_ban.relay.command import main as main
