# SPDX-License-Identifier: ISC
"""Dovecot's file of ours."""

import re
from pathlib import Path

import pytest

from filter_ban.config import Config, parse_config
from filter_ban.setup.dovecot import by_hand, listener_url, place, plan
from filter_ban.setup.files import SetupError
from filter_ban.setup.plan import Plan
from filter_ban.setup.programs import MissingProgramError, ProgramError
from filter_ban.setup.recipes import dovecot_lines
from tests.filter_ban.setup.servers import FakeDovecot

LISTENS = parse_config('dovecot.listen = ["127.0.0.1:10041"]')
URL = "http://127.0.0.1:10041/"
SOCKET = "unix_listener /var/spool/postfix/private/auth {"


def carry_out(plan: Plan) -> None:
    """Write what is planned."""
    for change in plan.changes:
        if change.new is None:
            change.path.unlink()
        else:
            change.path.write_bytes(change.new)


def written(dovecot: FakeDovecot, config: Config = LISTENS) -> list[str]:
    """Carry out the plan and return the lines of our file."""
    planned = plan(config, dovecot)
    carry_out(planned)
    planned.accept()
    return (dovecot.included / "99-filter-ban.conf").read_text().splitlines()


def test_new_file(dovecot: FakeDovecot) -> None:
    """Our file says who wrote it, has the recipe of the series, a random nonce, and the socket for Postfix."""
    lines = written(dovecot)
    (nonce,) = (line.rpartition(" ")[2] for line in lines if "nonce" in line)
    assert re.fullmatch("[0-9a-f]{32}", nonce)
    recipe = dovecot_lines("2.4" if dovecot.version.startswith("2.4") else "2.3", URL, nonce)
    assert tuple(lines[2 : 2 + len(recipe)]) == recipe
    assert f"  {SOCKET}" in lines


def test_twice(dovecot: FakeDovecot) -> None:
    """A second run changes nothing: the nonce stays."""
    written(dovecot)
    assert plan(LISTENS, dovecot).changes == ()


def test_new_url(dovecot: FakeDovecot) -> None:
    """Another listener is another URL, with the same nonce."""
    before = written(dovecot)
    after = written(dovecot, parse_config('dovecot.listen = ["[::1]:10042"]'))
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        (f"auth_policy_server_url = {URL}", "auth_policy_server_url = http://[::1]:10042/"),
    ]


def test_socket_of_others(dovecot: FakeDovecot) -> None:
    """A socket for Postfix that others have set up is left to them."""
    (dovecot.included / "10-master.conf").write_text(f"service auth {{\n  {SOCKET}\n  }}\n}}\n")
    assert not any("unix_listener /" in line for line in written(dovecot))


def test_without_postfix(dovecot: FakeDovecot) -> None:
    """Where there is no Postfix it needs no socket."""
    dovecot.postfix = None
    assert not any("unix_listener /" in line for line in written(dovecot))


def test_secret(dovecot: FakeDovecot, tmp_path: Path) -> None:
    """The secret has a file of its own, which our file includes where it can be read; without a secret both go."""
    key = tmp_path / "key"
    key.write_text("abc-123\n")
    config = parse_config(f'dovecot.listen = ["127.0.0.1:10041"]\ndovecot.secret_file = "{key}"')
    assert written(dovecot, config)[-1] == "!include_try 99-filter-ban.secret"
    secret = dovecot.included / "99-filter-ban.secret"
    assert secret.read_text() == "auth_policy_server_api_header = X-API-Key: abc-123\n"
    assert plan(config, dovecot).changes == ()
    assert "!include_try 99-filter-ban.secret" not in written(dovecot)
    assert not secret.exists()


@pytest.mark.parametrize("content", ["", "a b", "a\nb", "$abc", '"', "x" * 201])
def test_bad_secret(dovecot: FakeDovecot, tmp_path: Path, content: str) -> None:
    """A secret that Dovecot could read as syntax is refused, without showing it."""
    key = tmp_path / "key"
    key.write_text(content)
    with pytest.raises(SetupError, match=r"must hold 1 to 200 letters, digits") as caught:
        plan(parse_config(f'dovecot.secret_file = "{key}"'), dovecot)
    assert not content or f" {content}" not in str(caught.value)


def test_no_secret_file(dovecot: FakeDovecot) -> None:
    """A secret's file that does not exist is told."""
    with pytest.raises(SetupError, match="there is no such file"):
        plan(parse_config('dovecot.secret_file = "/nonexistent"'), dovecot)


def test_other_policy_server(dovecot: FakeDovecot) -> None:
    """Dovecot can ask one policy server: where it has another, nothing is written."""
    (dovecot.main.parent / "local.conf").write_text(
        "auth_policy_server_url = http://192.0.2.1/\nauth_policy_hash_nonce = x\n"
    )
    with pytest.raises(SetupError, match=r"asks the policy server http://192\.0\.2\.1/ already"):
        plan(LISTENS, dovecot)


def test_overruled(dovecot: FakeDovecot) -> None:
    """A file that sets another URL after ours makes the set-up fail."""
    planned = plan(LISTENS, dovecot)
    carry_out(planned)
    (dovecot.main.parent / "local.conf").write_text("auth_policy_server_url = http://192.0.2.1/\n")
    with pytest.raises(SetupError, match="another of its files sets auth_policy_server_url"):
        planned.accept()


def test_no_folder(dovecot: FakeDovecot) -> None:
    """A main file that includes no folder is left to the operator."""
    dovecot.main.write_text("#!include conf.d/*.conf\n")
    with pytest.raises(SetupError, match=r"does not include conf\.d/\*\.conf"):
        place(dovecot)


@pytest.mark.parametrize("version", ["2.2.36", "1.0", "?"])
def test_too_old(dovecot: FakeDovecot, version: str) -> None:
    """Older series are not known."""
    dovecot.version = version
    with pytest.raises(SetupError, match=r"must be 2\.3 or newer"):
        plan(LISTENS, dovecot)


def test_refused(dovecot: FakeDovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Dovecot refuses its configuration there is no plan, but our place is known, for undo."""
    dovecot.refuses = True
    monkeypatch.setattr("filter_ban.setup.dovecot.USUAL_MAIN_FILE", dovecot.main)
    assert place(dovecot).paths[1] == dovecot.included / "99-filter-ban.conf"
    with pytest.raises(ProgramError):
        place(dovecot).accept()
    with pytest.raises(ProgramError):
        plan(LISTENS, dovecot)


def test_not_installed() -> None:
    """Where there is no Dovecot there is no place."""

    def ask(argv: object) -> str:
        raise MissingProgramError(str(argv))

    with pytest.raises(MissingProgramError):
        place(ask)


def test_listener(dovecot: FakeDovecot) -> None:
    """Where our own listener is off the operator is told the two lines that turn it on; Dovecot cannot use a unix socket."""
    (note,) = plan(Config(), dovecot).notes
    assert note.endswith('\n[dovecot]\nlisten = ["127.0.0.1:10041"]')
    assert plan(LISTENS, dovecot).notes == ()
    with pytest.raises(SetupError, match="Dovecot asks over TCP only"):
        listener_url(parse_config('dovecot.listen = ["unix:/run/x"]'))


def test_by_hand() -> None:
    """Without a Dovecot the lines for both series are told."""
    text = by_hand(Config())
    assert "# Dovecot 2.3\n" in text
    assert "# Dovecot 2.4\n" in text
    assert f"auth_policy_server_url = {URL}\n" in text
