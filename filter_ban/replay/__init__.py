# SPDX-License-Identifier: ISC
"""Past traffic, from recordings and server logs, judged again: what would have happened under a configuration."""
