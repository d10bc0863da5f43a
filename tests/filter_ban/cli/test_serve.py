# SPDX-License-Identifier: ISC
"""``filter-ban serve`` as it is typed, and its log."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.reading import load
from tests.real.polling import wait_until

ROOT: Final = Path(__file__).parents[3]
WAIT_S: Final = 60


def log_of(config_file: Path, *options: str) -> list[str]:
    """Return the log of a daemon from its start to its stop."""
    argv = [sys.executable, "-m", "filter_ban", "--config", str(config_file), "serve", *options]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            assert daemon.stderr is not None
            lines = []
            for line in daemon.stderr:
                lines.append(line)
                if "serving" in line:
                    daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(WAIT_S) == 0
        finally:
            daemon.kill()
    return lines


@pytest.fixture
def quiet(config_file: Path) -> Path:
    """Return a configuration of a daemon that listens to its own sockets only."""
    config_file.write_text(config_file.read_text() + "[postfix]\nlisten = []\n")
    text = config_file.read_text().replace("[daemon]", '[daemon]\nuser = ""')
    config_file.write_text(text)
    return config_file


@pytest.mark.parametrize(("key", "options"), [("", ["--log-json"]), ('[log]\nform = "json"\n', [])])
def test_json(quiet: Path, key: str, options: list[str]) -> None:
    """By the option or the key each line of both processes is JSON, and says which process it is from."""
    quiet.write_text(quiet.read_text() + key)
    facts: list[dict[str, Any]] = [*map(json.loads, log_of(quiet, *options))]
    by_event = {fact["event"]: fact for fact in facts}
    engine, enforcer = by_event["serving"], by_event["start"]
    assert (enforcer["process"], engine["process"]) == ("enforcer", "engine")
    assert engine["process_id"] == by_event["engine-started"]["pid"] != enforcer["process_id"]
    assert (engine["bans"], engine["mode"], by_event["stopped"]["level"]) == (0, "enforce", "info")


def test_level(quiet: Path) -> None:
    """What is less severe than log.level is not logged."""
    quiet.write_text(quiet.read_text() + '[log]\nlevel = "warning"\n')
    argv = [sys.executable, "-m", "filter_ban", "serve", "--config", str(quiet)]
    config, _ = load(quiet)
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            wait_until(quiet.with_name("control.sock").is_socket, "the control socket")
            with DaemonClient.find(config) as client:
                assert client.ask_one("status")["bans"] == 0
            daemon.terminate()
            assert daemon.communicate(timeout=WAIT_S)[1] == ""
        finally:
            daemon.kill()
