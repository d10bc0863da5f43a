# SPDX-License-Identifier: ISC
"""
The parent process: it holds the listening sockets, keeps the engine running and runs firewall commands.

The only part that needs privileges. It does not trust the engine: what it is asked is checked again.
"""
