# SPDX-License-Identifier: ISC
"""Sensors: what each server shows becomes signals, and each verdict becomes the server's own answer."""
