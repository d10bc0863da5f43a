# SPDX-License-Identifier: ISC
"""The judgement: a pure fold over signals. No clock, no I/O, no asyncio."""

from filter_ban.engine.engine import Engine
from filter_ban.engine.policy import Policy

__all__ = ["Engine", "Policy"]
