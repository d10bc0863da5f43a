# SPDX-License-Identifier: ISC
"""The settings of the relay."""

import os
from pathlib import Path

import pytest

from filter_ban.relay import settings as settings_module
from filter_ban.relay.settings import Settings, read_settings, take_text

FAULTS = {
    'daemon.socket_dir = "run"': ["daemon.socket_dir: must be an absolute path; the default holds"],
    "daemon.socket_dir = 5": ["daemon.socket_dir: must be an absolute path; the default holds"],
    'daemon.socket_dir = "/a\\u0000b"': ["daemon.socket_dir: must be an absolute path; the default holds"],
    "daemon.spawn = 1": ["daemon.spawn: must be true or false; the default holds"],
    'relay.on_trouble = "550"': [
        'relay.on_trouble: must be "proceed" or a reply such as "421 4.3.0 try again"; the default holds'
    ],
    'relay.on_trouble = "421 caf\\u00e9"': [
        'relay.on_trouble: must be "proceed" or a reply such as "421 4.3.0 try again"; the default holds'
    ],
    "relay.on_trouble = 550": [
        'relay.on_trouble: must be "proceed" or a reply such as "421 4.3.0 try again"; the default holds'
    ],
    "relay.deadline_ms = 0": ["relay.deadline_ms: must be an integer from 10 to 60000; the default holds"],
    "relay.deadline_ms = true": ["relay.deadline_ms: must be an integer from 10 to 60000; the default holds"],
    "relay.deadline_ms = 1e3": ["relay.deadline_ms: must be an integer from 10 to 60000; the default holds"],
    'log.level = "loud"': ["log.level: must be one of debug, info, warning, error; the default holds"],
    "log.level = 3": ["log.level: must be one of debug, info, warning, error; the default holds"],
    "log.form = []": ["log.form: must be one of text, json; the default holds"],
    "relay = 5\ndaemon = [1]": [],  # named by `filter-ban check`, as is all else that is not ours
}


@pytest.mark.parametrize(("text", "faults"), FAULTS.items())
def test_wrong_value(text: str, faults: list[str]) -> None:
    """A wrong value is told, and the default holds."""
    settings = Settings()
    take_text(settings, text)
    assert settings.faults == faults
    settings.faults = []
    assert vars(settings) == vars(Settings())


@pytest.mark.parametrize("text", ["[", "a = 1\na = 2", "a = " + "[" * 100_000, '"\\ud800" = 1'])
def test_not_toml(text: str) -> None:
    """A text that is no TOML changes nothing."""
    settings = Settings()
    take_text(settings, text)
    assert len(settings.faults) == 1
    assert settings.faults[0].startswith("not TOML, ignored: ")


def test_values(tmp_path: Path) -> None:
    """Our settings are taken, other tables and keys are not looked at."""
    file = tmp_path / "filter-ban.toml"
    file.write_text(
        'mode = "watch"\n[daemon]\nsocket_dir = "/run/x"\nspawn = false\nother = 1\n'
        '[relay]\non_trouble = "421 4.3.0 later"\ndeadline_ms = 250\n'
    )
    settings = read_settings(str(file))
    assert vars(settings) == {
        "socket_dir": "/run/x",
        "spawn": False,
        "on_trouble": b"disconnect|421 4.3.0 later",
        "deadline_s": 0.25,
        "log_level": "info",
        "log_json": False,
        "faults": [],
    }


def test_proceed_may_be_said() -> None:
    """The default answer may be written down."""
    settings = Settings()
    take_text(settings, 'relay.on_trouble = "proceed"')
    assert (settings.on_trouble, settings.faults) == (b"proceed", [])


def test_absent_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is no default file is no fault; that a named file is absent is one."""
    absent = str(tmp_path / "absent.toml")
    monkeypatch.setattr(settings_module, "DEFAULT_FILE", absent)
    assert read_settings(None).faults == []
    assert read_settings(absent).faults == [f"{absent}: No such file or directory"]


def test_unreadable_files(tmp_path: Path) -> None:
    """A folder, a pipe, a huge file and one that is not UTF-8 are told and not waited for."""
    pipe, huge, latin = tmp_path / "pipe", tmp_path / "huge", tmp_path / "latin"
    os.mkfifo(pipe)
    huge.write_bytes(b"#" * (settings_module.MAX_FILE_BYTES + 1))
    latin.write_bytes(b'a = "\xe9"\n')
    for path in (tmp_path, pipe, huge, latin):
        assert len(read_settings(str(path)).faults) == 1


def test_log() -> None:
    """How the daemon logs is how the relay does."""
    settings = Settings()
    take_text(settings, 'log = { level = "error", form = "json" }')
    assert (settings.log_level, settings.log_json, settings.faults) == ("error", True, [])
