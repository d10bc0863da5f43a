# SPDX-License-Identifier: ISC
"""The demonstration: a mail server on loopback, someone who guesses its passwords, and people who must not notice."""
