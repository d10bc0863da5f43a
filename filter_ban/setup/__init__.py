# SPDX-License-Identifier: ISC
"""``filter-ban setup``: the tested configuration of mail servers and firewalls, written into their files and taken out again."""
