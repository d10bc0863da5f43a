# SPDX-License-Identifier: ISC
"""
The pages of the manual that are made from the code: every configuration key, every command.

``python -m tools.manual`` writes them; the tests compare.
"""
