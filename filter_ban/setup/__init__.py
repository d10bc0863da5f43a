# SPDX-License-Identifier: ISC
"""``filter-ban setup``: the tested configuration of the mail servers, written into their files and taken out again."""
