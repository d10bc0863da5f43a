# SPDX-License-Identifier: ISC
"""``filter-ban setup``."""

import io
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner, Result

from filter_ban.cli import group, setup
from filter_ban.config import Config, load_config
from filter_ban.setup import dovecot, postfix
from filter_ban.setup.programs import MissingProgramError, ProgramError
from filter_ban.setup.targets import FIREWALLS, make_target, restart_command
from tests.filter_ban.setup.firewalls import HOSTS, Host
from tests.filter_ban.setup.servers import DEBIAN_MASTER_CF, FakeDovecot, FakePostfix

SERVERS = {"postfix": postfix, "dovecot": dovecot}


def run_setup(config_file: Path, *arguments: str, status: int = 0) -> Result:
    """Run ``filter-ban setup``, which is to end with *status*."""
    argv = ["--config", str(config_file), "setup", *arguments]
    result = CliRunner().invoke(group.filter_ban, argv)
    assert (result.exit_code, result.exception if result.exit_code not in (0, 1, 2) else None) == (
        status,
        None,
    ), result.output
    return result


class Server:
    """A mail server and the file that its set-up is written to."""

    def __init__(self, name: str, folder: Path, config_file: Path) -> None:
        self._config_file = config_file
        for part in SERVERS:
            (folder / part).mkdir()
        self.postfix = FakePostfix(folder / "postfix")
        self.dovecot = FakeDovecot(folder / "dovecot", "2.4.1-4", self.postfix)
        self.name = name
        self.file = (
            self.postfix.master_cf if name == "postfix" else self.dovecot.included / "99-filter-ban.conf"
        )

    def setup(self, *options: str, status: int = 0) -> Result:
        """Run ``filter-ban setup`` for this server."""
        return run_setup(self._config_file, self.name, *options, status=status)

    @property
    def content(self) -> bytes | None:
        """What the file holds."""
        return self.file.read_bytes() if self.file.exists() else None

    @property
    def files(self) -> list[str]:
        """The names beside the file, the stamps left out."""
        names = (path.name for path in self.file.parent.iterdir())
        return sorted(
            f"{name.partition('.20')[0]}.{name.rpartition('.')[2]}" if ".20" in name else name
            for name in names
        )


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return a server that the command finds."""
    config_file = tmp_path / "filter-ban.toml"
    config_file.write_text('dovecot.listen = ["127.0.0.1:10041"]\n')
    server = Server(request.param, tmp_path, config_file)
    monkeypatch.setattr(setup, "output", server.dovecot)
    return server


def test_print(server: Server) -> None:
    """Without --apply the diff is printed and nothing is written."""
    before = server.content
    result = server.setup()
    assert f"+++ {server.file}\n" in result.stdout
    assert "127.0.0.1:1004" in result.stdout
    assert result.stdout.endswith(f"To write it: filter-ban setup {server.name} --apply\n")
    assert server.content == before


def test_apply(server: Server) -> None:
    """--apply writes, keeps what was there, and tells the command that puts it into effect."""
    before = server.content
    result = server.setup("--apply")
    assert f"{server.file}: written" in result.stdout
    assert "To put it into effect: " in result.stdout
    assert server.content not in (None, before)
    assert server.files.count(f"{server.file.name}.bak") == 1


def test_apply_twice(server: Server) -> None:
    """A second run changes nothing and says so."""
    server.setup("--apply", "--yes")
    before, files = server.content, server.files
    assert server.setup("--apply").stdout == f"{server.file}: all is set up already\n"
    assert (server.content, server.files) == (before, files)


def test_undo(server: Server) -> None:
    """--undo restores every byte and keeps what it replaces; then there is nothing more to undo."""
    before = server.content
    server.setup("--apply")
    result = server.setup("--undo")
    assert f"{server.file}: {'removed' if before is None else 'written'}; as it was: " in result.stdout
    assert server.content == before
    assert f"{server.file.name}.undone" in server.files
    assert f"{server.file.name}.bak" not in server.files
    again = server.setup("--undo", status=1)
    assert again.stderr.startswith("filter-ban: nothing to undo: ")


def test_undo_of_a_changed_file(server: Server) -> None:
    """What somebody changed since is not undone without --force."""
    before = server.content
    server.setup("--apply")
    with server.file.open("a") as file:
        file.write("# mine\n")
    assert "was changed after the set-up" in server.setup("--undo", status=1).stderr
    server.setup("--undo", "--force")
    assert server.content == before


def test_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server refuses is taken back."""
    before, files = server.content, server.files

    def refuse_ours(argv: tuple[str, ...]) -> str:
        server.postfix.refuses = server.dovecot.refuses = server.content != before
        return server.dovecot(argv)

    monkeypatch.setattr(setup, "output", refuse_ours)
    result = server.setup("--apply", status=1)
    assert result.stderr.endswith("; nothing is changed\n")
    assert (server.content, server.files) == (before, files)


def test_refused_before(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that the server refuses already is not touched; undo works all the same."""
    monkeypatch.setattr("filter_ban.setup.dovecot.USUAL_MAIN_FILE", server.dovecot.main)
    before = server.content
    server.setup("--apply")
    server.postfix.refuses = server.dovecot.refuses = True
    assert "status" in server.setup("--apply", status=1).stderr
    server.setup("--undo")
    assert server.content == before


def test_refused_by_the_last_check(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the server's own check refuses keeps us from writing too."""
    plan = SERVERS[server.name].plan(Config(), server.dovecot)

    def accept() -> None:
        raise ProgramError("check (status 1): no")

    refused = attrs.evolve(plan, place=attrs.evolve(plan.place, accept=accept))
    monkeypatch.setattr(SERVERS[server.name], "plan", lambda *_: refused)
    before = server.content
    assert (
        "is refused already, mend that first: check (status 1): no"
        in server.setup("--apply", status=1).stderr
    )
    assert server.content == before


def test_confirmation(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal the operator is asked, and no is no."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(setup, "sys", type("sys", (), {"stdin": Terminal()}))
    before = server.content
    assert "Write this?" in server.setup("--apply", status=1).stdout
    assert server.content == before
    server.setup("--apply", "--yes")
    assert server.content != before


def test_not_installed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the server its lines are printed all the same; to write them is refused."""

    def missing(argv: tuple[str, ...]) -> str:
        raise MissingProgramError(f"{argv[0]}: not found in /usr/bin")

    monkeypatch.setattr(setup, "output", missing)
    result = server.setup()
    assert ("check_policy_service" if server.name == "postfix" else "auth_policy_server_url") in result.stdout
    assert "not found in /usr/bin" in result.stderr
    assert "not found in /usr/bin" in server.setup("--apply", status=1).stderr
    assert "not found in /usr/bin" in server.setup("--undo", status=1).stderr


def test_no_aiohttp(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """To listen for Dovecot an extra is needed; where it is missing that is told."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert ('its extra "http"' in server.setup().stderr) == (server.name == "dovecot")


def test_usage(server: Server) -> None:
    """--apply and --undo exclude each other, and other servers are not known."""
    server.setup("--apply", "--undo", status=2)
    server.name = "sendmail"
    server.setup(status=2)


def test_terminal_codes(server: Server) -> None:
    """What stands in a file of others does no harm to a terminal."""
    server.postfix.master_cf.write_bytes(DEBIAN_MASTER_CF.encode() + b"# \x1b[31m\n")
    assert "\x1b" not in server.setup().output


# --- firewalls


class Machine:
    """A machine with a firewall, and a configuration of ours."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.config_file = host.folder / "filter-ban.toml"
        self.config_file.write_text("# mine\n[firewall] # not yet\nports = []\n")
        self.config_file.chmod(0o640)

    def setup(self, *options: str, status: int = 0) -> Result:
        """Run ``filter-ban setup`` for this firewall."""
        return run_setup(self.config_file, self.host.name, *options, status=status)

    def backend(self) -> tuple[str, ...]:
        """Return what our configuration names."""
        return load_config(self.config_file)[0].firewall.backend


@pytest.fixture(params=HOSTS, ids=lambda host: host.name)
def machine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine that the command finds."""
    host = request.param(tmp_path, monkeypatch)
    monkeypatch.setattr(setup, "output", host)
    return Machine(host)


def test_firewall(machine: Machine) -> None:
    """Printed first, then written with our own configuration; again it is nothing, and undo restores bytes and modes."""
    before = machine.host.content()
    printed = machine.setup()
    assert f'+backend = "{machine.host.name}"\n' in printed.stdout
    assert machine.host.content() == before

    applied = machine.setup("--apply")
    assert printed.stdout.rpartition("Nothing is written")[0] in applied.stdout
    assert applied.stdout.endswith(f"{restart_command()}\n")
    assert machine.backend() == (machine.host.name,)
    after = machine.host.content()
    assert before.keys() <= after.keys()

    assert machine.setup("--apply").stdout.endswith(": all is set up already\n")
    assert machine.host.content() == after

    assert "restart" in machine.setup("--undo").stdout
    assert machine.host.content() == before
    assert "nothing to undo" in machine.setup("--undo", status=1).stderr


def test_firewall_refuses(machine: Machine) -> None:
    """What the firewall's own tool refuses is taken back, our configuration with it."""
    before = machine.host.content()
    machine.host.refuses = lambda: machine.host.content() != before
    asks = machine.host.name not in ("nftables", "route")
    result = machine.setup("--apply", status=1 if asks else 0)
    if asks:
        assert "nothing is changed" in result.stderr
        assert machine.host.content() == before
        assert [*machine.host.folder.rglob("*.bak")] == []


def test_firewall_without_a_configuration(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where we have no configuration yet, the usual file is made, and undo takes it away."""
    machine.config_file.unlink()
    before = machine.host.content()
    for module in ("config.load", "cli.setup", "setup.nftables"):
        monkeypatch.setattr(f"filter_ban.{module}.DEFAULT_PATH", machine.config_file)
    arguments = ["setup", machine.host.name]
    assert CliRunner().invoke(group.filter_ban, [*arguments, "--apply"]).exit_code == 0
    assert machine.config_file.read_text() == f'[firewall]\nbackend = "{machine.host.name}"\n'
    assert CliRunner().invoke(group.filter_ban, [*arguments, "--undo"]).exit_code == 0
    assert machine.host.content() == before


def test_firewall_that_is_missing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the tool all lines are printed, ours among them; to write them is refused."""
    monkeypatch.setattr(machine.host, "ask", lambda *_: None)
    before = machine.host.content()
    result = machine.setup()
    assert result.stdout.startswith(
        f'# in {machine.config_file}\n[firewall]\nbackend = "{machine.host.name}"\n'
    )
    assert "not found in /sbin" in result.stderr
    assert "not found in /sbin" in machine.setup("--apply", status=1).stderr
    assert machine.host.content() == before


def test_every_firewall_has_a_set_up(tmp_path: Path) -> None:
    """All that the help text names can be asked for."""
    for name in FIREWALLS:
        assert make_target(name, tmp_path / "filter-ban.toml").by_hand(Config())
