# SPDX-License-Identifier: ISC
"""``filter-ban doctor``: what the mail servers' own configuration lacks, or holds that does harm."""
