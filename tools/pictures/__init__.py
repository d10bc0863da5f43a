# SPDX-License-Identifier: ISC
"""The pictures of README and manual, each from a real run."""
