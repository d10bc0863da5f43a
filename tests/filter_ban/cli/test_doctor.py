# SPDX-License-Identifier: ISC
"""``filter-ban doctor``."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from filter_ban.cli import doctor
from filter_ban.doctor.examination import Examination
from filter_ban.doctor.finding import Finding, Severity

RIGHT = 'filter "ban" proc-exec "filter-ban opensmtpd"\nlisten on eth0 auth filter "ban"\n'
DOWN = Finding("postfix", Severity.DANGER, "endpoint-down", "127.0.0.1:10040 is down", "filter-ban status")


@pytest.fixture
def smtpd_conf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a right smtpd.conf, of the only server here."""
    monkeypatch.setattr(doctor, "installed_servers", lambda conf: ["opensmtpd"] if conf else [])
    file = folder / "smtpd.conf"
    file.write_text(RIGHT)
    return file


@pytest.fixture
def answering(daemon: Any) -> Any:
    """Provide a daemon that tells of its listeners."""
    daemon.answers["status"] = [
        {"listeners": [{"service": "postfix", "endpoint": "127.0.0.1:10040", "problem": ""}]}
    ]
    return daemon


def test_all_well(run: Any, smtpd_conf: Path, answering: Any) -> None:
    """With nothing to say the exit status is 0."""
    result = run("doctor", "--smtpd-conf", str(smtpd_conf))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "opensmtpd: all is well\n", "")
    document = json.loads(run("doctor", "--json", "--smtpd-conf", str(smtpd_conf)).stdout)
    assert document == {"ok": True, "parts": ["opensmtpd"], "findings": []}


def test_findings(run: Any, smtpd_conf: Path, answering: Any) -> None:
    """Each finding is a line, or an object in JSON, and the exit status is 1."""
    smtpd_conf.write_text("listen on eth0 auth\n")
    result = run("doctor", "opensmtpd", "--smtpd-conf", str(smtpd_conf))
    assert result.exit_code == 1
    assert [line.split(": ")[:3] for line in result.stdout.splitlines()] == [
        ["opensmtpd", "missing", "filter-missing"],
        ["opensmtpd", "danger", "listener-unfiltered"],
    ]
    result = run("doctor", "--json", "--smtpd-conf", str(smtpd_conf))
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert document["findings"][1] == {
        "server": "opensmtpd",
        "severity": "danger",
        "name": "listener-unfiltered",
        "text": '"listen on eth0 auth": logins can be tried here without filter-ban seeing it',
        "remedy": 'listen on eth0 auth filter "ban"',
        "place": str(smtpd_conf),
    }


def test_daemon_down(run: Any, smtpd_conf: Path) -> None:
    """That no daemon answers is told, unless one server alone is asked for."""
    result = run("doctor", "--smtpd-conf", str(smtpd_conf))
    assert result.exit_code == 1
    assert result.stdout.startswith("filter-ban: danger: daemon-down: no daemon answers at ")
    assert len(result.stdout.splitlines()) == 1
    assert run("doctor", "opensmtpd", "--smtpd-conf", str(smtpd_conf)).exit_code == 0


def test_one_line_for_one_cause(run: Any, smtpd_conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an endpoint is down, that the daemon is down is not told again."""
    monkeypatch.setattr(Examination, "examine", lambda *_: [DOWN])
    result = run("doctor", "--smtpd-conf", str(smtpd_conf))
    assert (result.exit_code, result.stdout) == (1, f"{DOWN}\n")


def test_listener_down(run: Any, smtpd_conf: Path, answering: Any) -> None:
    """A listener that the daemon could not open is told, whatever else the daemon refuses to say."""
    answering.answers["status"][0]["listeners"][0]["problem"] = "in use\x1b[31m"
    result = run("doctor", "--smtpd-conf", str(smtpd_conf))
    assert "listener-down: 127.0.0.1:10040 is not served: in use\\x1b[31m" in result.stdout
    answering.answers["status"] = [{"error": "no"}]
    assert run("doctor", "--smtpd-conf", str(smtpd_conf)).exit_code == 0


def test_nothing_installed(run: Any, smtpd_conf: Path, answering: Any) -> None:
    """Where there is no mail server, all is not well."""
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.startswith("filter-ban: missing: no-server: ")


def test_firewall(run: Any, smtpd_conf: Path, answering: Any, config_file: Path) -> None:
    """Where a firewall is configured it is looked at, too, or alone; what the daemon tells of it counts."""
    backend = {"backend": "helper", "problem": "helper: no end within 10 s", "in_force": 0}
    answering.answers["status"][0]["firewall"] = {"backends": [backend]}
    text = config_file.read_text()
    for helper, name in ("/nonexistent", "tool-missing"), ("/bin/true", "not-in-force"):
        config_file.write_text(f'{text}[firewall]\nbackend = "helper"\nhelper = "{helper}"\n')
        for arguments in ("--smtpd-conf", str(smtpd_conf)), ("firewall",):
            result = run("doctor", *arguments)
            assert (result.exit_code, len(result.stdout.splitlines())) == (1, 1)
            assert result.stdout.startswith(f"helper: danger: {name}: ")


def test_cluster(run: Any, smtpd_conf: Path, answering: Any, config_file: Path, folder: Path) -> None:
    """Where a cluster is configured its stores are looked at, too, or alone; what the daemon tells of it counts."""
    key = folder / "key"
    key.write_text("0123456789abcdef")
    key.chmod(0o600)
    with config_file.open("a") as file:
        file.write(f'[cluster]\nstores = ["unix://{folder}/none"]\nkey_file = "{key}"\n')
    answering.answers["status"][0]["cluster"] = {"node": "mx1"}
    for arguments in ("--smtpd-conf", str(smtpd_conf)), ("cluster",):
        result = run("doctor", *arguments)
        assert (result.exit_code, len(result.stdout.splitlines())) == (1, 1)
        assert result.stdout.startswith(
            f"cluster: danger: store-down: unix://{folder}/none cannot be reached: "
        )
    answering.answers["status"][0]["cluster"] = None
    assert "cluster: danger: not-restarted: " in run("doctor", "cluster").stdout


def test_cluster_without_its_library(
    run: Any, config_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extra is missing, that is told."""
    monkeypatch.delitem(sys.modules, "filter_ban.doctor.store_visit", raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    (folder / "key").write_text("0123456789abcdef")
    (folder / "key").chmod(0o600)
    with config_file.open("a") as file:
        file.write(f'[cluster]\nstores = ["unix://{folder}/none"]\nkey_file = "{folder}/key"\n')
    assert run("doctor", "cluster").stdout.startswith("cluster: danger: library-missing: needs the extra")


def test_usage(run: Any, config_file: Path) -> None:
    """A server that is not known is a matter of usage, a configuration that cannot be used one of its own."""
    assert run("doctor", "sendmail").exit_code == 2
    config_file.write_text("mod = 1")
    result = run("doctor")
    assert (result.exit_code, result.stdout) == (78, "")
