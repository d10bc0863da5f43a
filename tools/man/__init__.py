# SPDX-License-Identifier: ISC
"""
The manual pages, made from what the code and the manual say anyway: ``python -m tools.man`` writes them to docs/man.

Commands come from click, keys from the configuration's schema, firewalls from docs/firewall.
"""
