# SPDX-License-Identifier: ISC
"""The configuration, read again: a wrong one changes nothing, and the old one stays in force."""

import logging
from pathlib import Path
from typing import Any

from filter_ban import logline
from filter_ban.config import Config, ConfigError, load_config
from filter_ban.config.changes import changes, without_restart
from filter_ban.enforcer.firewall import Firewall
from filter_ban.logline import fact

_log = logging.getLogger(__name__)


class Reload:
    """
    Applies the file to the firewall, and says what the engine is told of it.

    Args:
        path: Of the file; None: the usual one.
        config: What is in force.
        firewall: Goes by it.

    """

    def __init__(self, path: Path | None, config: Config, firewall: Firewall) -> None:
        self._path = path
        self._config = config
        self._firewall = firewall

    def __call__(self) -> dict[str, Any]:
        """Return the argument of ``reload`` for the engine (see :mod:`filter_ban.channel`), but for ``asked``."""
        outcome: dict[str, Any] = {
            "file": "",
            "config": "",
            "firewall": False,
            "problem": "",
            "changed": {},
        }
        try:
            config, outcome["file"], outcome["config"] = load_config(self._path)
            anew = self._firewall.reconfigure(without_restart(self._config, config))
        except (ConfigError, ValueError) as error:
            for fault in str(error).splitlines():
                _log.error(fact("configuration-wrong", fault=fault, consequence="the old one stays in force"))
            return {**outcome, "problem": str(error)}
        changed = changes(self._config, config)
        self._config = without_restart(self._config, config)
        logline.set_level(self._config.log.level)
        pending = [key for key, restart in changed.items() if restart]
        _log.info(fact("reloaded", keys=",".join(changed) or "none", await_restart=",".join(pending) or None))
        return {**outcome, "firewall": anew, "changed": changed}
