# SPDX-License-Identifier: ISC
"""Bans that others have made: what a firewall's table, fail2ban or blocklistd holds, read for ``filter-ban import``."""
