# SPDX-License-Identifier: ISC
"""``filter-ban check``."""

import json
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner

from filter_ban.cli import group
from filter_ban.config import Config, load, parse_config

FAULTS = {
    "unknown key": ("mod = 1", "mod: unknown key; did you mean mode?"),
    "wrong value": ('mode = "on"', "mode = 'on': must be one of"),
    "out of bounds": ("limits.ipv4_prefix = 4", "limits.ipv4_prefix = 4: must be an integer from 16 to 32"),
    "no TOML": ("mode", "syntax: "),
    "illegal reply": ('reply.banned = "no"', "reply.banned = 'no': must be one line of printable ASCII"),
    "hostile key": ('"a\\u001b[31m" = 1', "a\\x1b[31m: unknown key"),
}


def test_good(run: Any, config_file: Path) -> None:
    """A good configuration is told in a line."""
    result = run("check")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{config_file}: ok\n", "")


@pytest.mark.parametrize(("content", "told"), FAULTS.values(), ids=FAULTS.keys())
def test_fault(run: Any, config_file: Path, content: str, told: str) -> None:
    """A fault is told with file, key, value and rule."""
    config_file.write_text(content)
    result = run("check")
    assert result.exit_code == 78
    assert result.stdout == ""
    assert result.stderr.startswith(f"{config_file}: {told}")
    assert all(line.isprintable() for line in result.stderr.splitlines())


def test_all_faults_at_once(run: Any, config_file: Path) -> None:
    """Every fault is told in one run, as text and as JSON."""
    config_file.write_text('mode = "on"\n[limits]\nwindows = []\n[daemon]\nsocket = "x"\n')
    assert len(run("check").stderr.splitlines()) == 3
    result = run("check", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 78
    assert (document["ok"], document["file"]) == (False, str(config_file))
    assert [fault["key"] for fault in document["faults"]] == ["mode", "limits.windows", "daemon.socket"]
    assert document["faults"][1] == {
        "key": "limits.windows",
        "value": "[]",
        "rule": "must be an array of at least 1",
    }


def test_file_argument(run: Any, folder: Path) -> None:
    """A file that is named goes before the option; one that does not exist is a fault."""
    (folder / "other.toml").write_text('mode = "watch"')
    assert run("check", str(folder / "other.toml")).stdout == f"{folder}/other.toml: ok\n"
    result = run("check", "--config", str(folder / "other.toml"))
    assert result.stdout == f"{folder}/other.toml: ok\n"
    result = run("check", str(folder / "none.toml"))
    assert (result.exit_code, result.stderr) == (78, f"{folder}/none.toml: file: does not exist\n")


def test_defaults(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Without any file the defaults are in force, and that is ok."""
    monkeypatch.setattr(load, "DEFAULT_PATH", folder / "none.toml")
    result = CliRunner().invoke(group.filter_ban, ["check"])
    assert (result.exit_code, result.stdout) == (0, "defaults: ok\n")


def test_verbose_is_a_configuration(run: Any, config_file: Path) -> None:
    """The effective values name each key with its origin, and read back they are the same configuration."""
    result = run("check", "--verbose")
    assert 'mode = "enforce"  # default\n' in result.stdout
    assert 'never.networks = ["198.51.100.0/24"]  # file\n' in result.stdout
    assert "never.widest.ipv4 = 24  # default\n" in result.stdout
    assert result.stdout.endswith(f"# {config_file}: ok\n")
    assert parse_config(result.stdout) == parse_config(config_file.read_text())


def test_overrides_read_back(run: Any, config_file: Path) -> None:
    """Arrays of tables are printed as TOML that is the same configuration, whatever their texts hold."""
    given = config_file.read_text() + (
        '[[override]]\nnetworks = ["192.0.2.0/24", "2001:db8::/48"]\nfactor = 0.5\nwindows = ["20 in 10m"]\n'
        '[[override]]\nservices = ["dovecot imap", "a\\"b\\\\c\\u007f é"]\nfactor = 2\n'
    )
    config_file.write_text(given)
    result = run("check", "--verbose")
    assert result.exit_code == 0
    assert "override = [{networks = [" in result.stdout
    assert len(parse_config(given).override) == 2
    assert parse_config(result.stdout) == parse_config(given)


def test_every_key_is_told(run: Any) -> None:
    """The JSON document has every key of the schema with value and origin, those of this machine too."""
    document = json.loads(run("check", "--json").stdout)
    told = tomllib.loads("\n".join(f"{name} = 1" for name in document["values"]))
    assert document["ok"] is True
    assert document["faults"] == []
    assert set(told) == {field.name for field in attrs.fields(Config)}
    assert document["values"]["limits.ipv6_prefix"] == {"value": 64, "origin": "default"}
    assert document["values"]["never.networks"] == {"value": ["198.51.100.0/24"], "origin": "file"}
    assert document["values"]["daemon.socket_dir"]["origin"] == "file"


def test_defaults_of_this_machine(run: Any, config_file: Path) -> None:
    """Where ledger and sockets lie is told although the file does not say so."""
    config_file.write_text("")
    values = json.loads(run("check", "--json").stdout)["values"]
    assert values["daemon.socket_dir"]["value"].endswith("/run/filter-ban")
    assert values["ledger.path"]["value"].endswith("/ledger.sqlite3")


@pytest.mark.parametrize(
    "command", [["status"], ["list"], ["show", "192.0.2.7"], ["ban", "192.0.2.7"], ["resync"]]
)
def test_other_commands(run: Any, config_file: Path, command: list[str]) -> None:
    """No command goes on with a configuration that it may have misread."""
    config_file.write_text("mod = 1")
    result = run(*command)
    assert result.exit_code == 78
    assert result.stdout == ""
    assert result.stderr == (
        f"filter-ban: the configuration cannot be used\n{config_file}: mod: unknown key; did you mean mode?\n"
    )
