# SPDX-License-Identifier: ISC
"""
Programs and webhooks that are told of bans: run by a small helper process, ``python -m filter_ban.hooks``.

The engine holds a million clients and never forks, waits or speaks HTTP for a hook. It gives the helper as many runs as
may be under way at once (see :mod:`filter_ban.hooks.wire`), and hears how each ended.
"""
