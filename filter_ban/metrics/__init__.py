# SPDX-License-Identifier: ISC
"""Figures for Prometheus: their names, what counts them, and the text that is read. No I/O, no clock."""

from filter_ban.metrics.exposition import Form, Readings, accepted, render
from filter_ban.metrics.histogram import Histogram
from filter_ban.metrics.tally import Tally

__all__ = ["Form", "Histogram", "Readings", "Tally", "accepted", "render"]
