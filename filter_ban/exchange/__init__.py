# SPDX-License-Identifier: ISC
"""
Bans in the formats of others: read for ``filter-ban import``, written for ``filter-ban export``.

A format has one module, with ``read`` and ``write`` side by side where it goes both ways.
"""
