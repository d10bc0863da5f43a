# SPDX-License-Identifier: ISC
"""The configuration: one TOML file, everything optional."""

from filter_ban.config.load import ConfigError, Fault, load_config, parse_config
from filter_ban.config.schema import Config

__all__ = ["Config", "ConfigError", "Fault", "load_config", "parse_config"]
