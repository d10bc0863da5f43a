# SPDX-License-Identifier: ISC
"""filter-ban: stop password guessing in the SMTP dialogue and in the kernel."""

__version__ = "0.1.0"
