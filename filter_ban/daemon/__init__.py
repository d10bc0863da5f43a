# SPDX-License-Identifier: ISC
"""The engine process: unprivileged; sensors, counting, ledger and the operator's commands, in one asyncio loop."""
