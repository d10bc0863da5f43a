# SPDX-License-Identifier: ISC
"""
The courier: a process of its own between the engine and the stores of its cluster.

It alone knows the stores, TLS, seals and all that a network can do; the engine hands it messages and gets those of the
other nodes, checked. :mod:`filter_ban.cluster.wire` says how the two speak.
"""
