# SPDX-License-Identifier: ISC
"""The configurations in use, got hold of and judged."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from filter_ban.config import Config, parse_config
from filter_ban.doctor import examination
from filter_ban.doctor.examination import Examination, installed_servers
from filter_ban.doctor.health import Health
from filter_ban.setup.programs import ProgramError
from tests.filter_ban.doctor import printed

DOVECOT = 'dovecot.listen = ["127.0.0.1:10041"]\n'


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the programs print the right configurations and the endpoints answer; note what Dovecot's is asked with."""
    sent: list[str] = []
    main, services, options = printed.postconf("3.7-right")
    texts = {
        ("postconf", "-n"): main,
        ("postconf", "-M"): services,
        ("postconf", "-P"): options,
        ("doveconf", "-n"): (printed.FOLDER / "dovecot-2.3-right.txt").read_text(),
    }

    def probe(_: object, secret: str) -> Health:
        sent.append(secret)
        return Health()

    monkeypatch.setattr(examination, "output", lambda argv: texts[tuple(argv)])
    monkeypatch.setattr(examination, "probe_policy", lambda _: Health())
    monkeypatch.setattr(examination, "probe_auth_policy", probe)
    return sent


def fail(text: str) -> Callable[[Sequence[str]], str]:
    """Return programs that fail and say *text*."""

    def output(argv: Sequence[str]) -> str:
        raise ProgramError(f"{argv[0]}: {text}")

    return output


def test_right(secrets: list[str]) -> None:
    """Of servers that are set up as we say, nothing is said."""
    visit = Examination(parse_config(DOVECOT), None, {})
    assert visit.examine("postfix") + visit.examine("dovecot") == []
    assert visit.told == {"127.0.0.1:10040", "127.0.0.1:10041"}
    assert secrets == [""]


def test_secret(secrets: list[str], tmp_path: Path) -> None:
    """The secret is read from its file; that it cannot be read is a finding."""
    file = tmp_path / "secret"
    visit = Examination(parse_config(f'{DOVECOT}dovecot.secret_file = "{file}"'), None, {})
    assert [finding.name for finding in visit.examine("dovecot")] == ["secret-unreadable"]
    file.write_bytes(b"\xff")
    assert [finding.name for finding in visit.examine("dovecot")] == ["secret-unreadable"]
    file.write_text("correct-horse\n")
    assert [finding.name for finding in visit.examine("dovecot")] == ["secret-missing"]
    assert secrets[-1] == "correct-horse"


def test_problem_of_a_listener(secrets: list[str]) -> None:
    """Where the daemon says why it does not listen, that is told, and nobody is asked."""
    visit = Examination(Config(), None, {"127.0.0.1:10040": "Address already in use"})
    (finding,) = visit.examine("postfix")
    assert finding.name == "endpoint-down"
    assert "127.0.0.1:10040 is down: Address already in use" in finding.text


@pytest.mark.parametrize("server", ["postfix", "dovecot"])
def test_program_fails(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that its own program cannot read is a finding."""
    monkeypatch.setattr(examination, "output", fail("fatal: bad string length"))
    (finding,) = Examination(Config(), None, {}).examine(server)
    assert (finding.server, finding.name) == (server, "unreadable")
    assert "fatal: bad string length" in finding.text


def test_nonce_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the nonce doveconf fails, and that has a finding of its own."""
    monkeypatch.setattr(
        examination, "output", fail("auth_policy_hash_nonce must be set when policy server is used")
    )
    (finding,) = Examination(Config(), None, {}).examine("dovecot")
    assert finding.name == "nonce-missing"


def test_smtpd_conf(tmp_path: Path) -> None:
    """smtpd.conf is read with the files that it includes, relative ones from its own folder."""
    file = tmp_path / "smtpd.conf"
    visit = Examination(Config(), file, {})
    assert [finding.name for finding in visit.examine("opensmtpd")] == ["file-missing"]
    file.write_text('include "filters"\nlisten on eth0 auth filter "ban"\n')
    assert [finding.name for finding in visit.examine("opensmtpd")] == ["file-missing"]
    (tmp_path / "filters").write_text('filter "ban" proc-exec "filter-ban opensmtpd"\n')
    assert visit.examine("opensmtpd") == []


def test_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server is installed if its program, or its configuration, is there."""
    monkeypatch.setattr(examination, "SEARCH_PATH", (str(tmp_path),))
    monkeypatch.setattr(examination, "SMTPD_CONFS", (tmp_path / "smtpd.conf",))
    assert installed_servers(None) == []
    assert installed_servers(tmp_path / "other.conf") == ["opensmtpd"]
    for name in ("postconf", "doveconf", "smtpd.conf"):
        (tmp_path / name).touch(mode=0o755)
    assert installed_servers(None) == ["postfix", "dovecot", "opensmtpd"]
