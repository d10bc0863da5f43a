# SPDX-License-Identifier: ISC
"""Nodes with one memory: what they tell each other, and how each folds it into its engine. Nothing here waits or does I/O."""
