# SPDX-License-Identifier: ISC
"""Hooks and the running daemon."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from filter_ban.client import parse_network
from filter_ban.config.schema import Hooks
from filter_ban.daemon import hooks
from filter_ban.daemon.hooks import MAX_WAITING
from filter_ban.model import Ban, Mode
from tests.filter_ban.daemon.process import Daemon, Smtpd, wait_for
from tests.filter_ban.hooks.programs import heard, keeper, script
from tests.filter_ban.hooks.receiver import receiving

FIELDS = {
    *("event", "by", "time", "host"),
    *("client", "start", "end", "rule", "reason", "offence", "strikes", "reference", "firewall"),
}
FLOOD = 20_000
PAGE = (Path(__file__).parents[3] / "docs" / "hooks.md").read_text()


def test_page() -> None:
    """The manual has an example with every key, and says what each means."""
    (example,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)

    assert set(json.loads(example)) == FIELDS
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} >= FIELDS


def start(daemon: Daemon, *, head: str = "", **settings: Any) -> Daemon:
    """Start the daemon with hooks."""
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    daemon.configure(f"{head}[hooks]\n{lines}")
    return daemon.start()


def status(daemon: Daemon) -> dict[str, Any]:
    """Return what ``status`` tells of the hooks."""
    document: dict[str, Any] = daemon.status()["hooks"]
    return document


def told(folder: Path, number: int) -> list[dict[str, Any]]:
    """Return what the keeper was told, as soon as it is *number* documents."""
    wait_for(lambda: len(heard(folder)) >= number, f"{number} are told")
    return sorted(heard(folder), key=lambda document: float(document["time"]))


def test_ban_and_lift(daemon: Daemon, tmp_path: Path) -> None:
    """Bans by hand and by the rules, and their ends, are told with all that does not change with the moment."""
    hook = str(keeper(tmp_path))
    start(daemon, on_ban=[hook, "ban"], on_lift=[hook, "lift"])
    daemon.ask("ban", clients=["192.0.2.7"], length=3600)
    told(tmp_path, 1)
    Smtpd(daemon).guess("192.0.2.9", 5)
    told(tmp_path, 2)
    daemon.ask("lift", clients=["192.0.2.7"])
    told(tmp_path, 3)
    daemon.ask("ban", clients=["192.0.2.8"], length=1)
    by_hand, by_rule, lift, _, over = told(tmp_path, 5)

    assert set(by_hand) == FIELDS
    assert (by_hand["event"], by_hand["by"], by_hand["client"]) == ("ban", "operator", "192.0.2.7")
    assert by_hand["end"] == by_hand["start"] + 3600
    assert by_hand["host"] == socket.gethostname()
    assert (by_rule["by"], by_rule["rule"], by_rule["client"]) == ("rules", "5 in 10m", "192.0.2.9")
    assert (lift["event"], lift["by"], lift["reference"]) == ("lift", "operator", by_hand["reference"])
    assert (over["event"], over["by"], over["client"]) == ("lift", "time", "192.0.2.8")
    assert set((tmp_path / "arguments").read_text().split()) == {"1:ban", "1:lift"}
    wait_for(lambda: status(daemon)["done"] == 5, "all are done")


def test_hostile_reason(daemon: Daemon, tmp_path: Path) -> None:
    """A hostile text arrives as JSON, escaped, and never as an argument."""
    start(daemon, on_ban=str(keeper(tmp_path)))
    daemon.ask("ban", clients=["192.0.2.7"], reason='"}\n$(touch /x) \x1b[31m; --help')
    (document,) = told(tmp_path, 1)

    assert document["reason"] == '"}\\n$(touch /x) \\x1b[31m; --help'
    assert (tmp_path / "arguments").read_text() == "0:\n"


def test_restored_bans(daemon: Daemon, tmp_path: Path) -> None:
    """Bans that are taken up at the start are no news."""
    start(daemon, on_ban=str(keeper(tmp_path)))
    daemon.ask("ban", clients=["192.0.2.7"])
    told(tmp_path, 1)
    wait_for(lambda: daemon.status()["ledger"]["pending_bans"] == 0, "it is committed")
    daemon.stop()
    daemon.start()
    daemon.ask("ban", clients=["192.0.2.8"])

    assert [document["client"] for document in told(tmp_path, 2)] == ["192.0.2.7", "192.0.2.8"]


def test_watch(daemon: Daemon, tmp_path: Path) -> None:
    """Where the rules only watch, nobody is told."""
    start(daemon, head='mode = "watch"\n', on_ban=str(keeper(tmp_path)))
    daemon.ask("ban", clients=["192.0.2.7"])

    assert status(daemon)["waiting"] == status(daemon)["running"] == 0
    assert heard(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo 'no\x1b[31m' >&2; exit 4", "(status 4): no\\x1b[31m"),
        ("exec sleep 60", "no end within 1 s"),
        (None, "no such program, or it may not be run"),
    ],
)
def test_failures(daemon: Daemon, tmp_path: Path, body: str | None, why: str) -> None:
    """A hook that fails, hangs or is missing is told in ``status`` and in the log, and is forgotten when one succeeds."""
    hook = tmp_path / "hook"
    if body is not None:
        script(hook, body)
    start(daemon, on_ban=[str(hook), "secret"], timeout="1s")
    daemon.ask("ban", clients=["192.0.2.7"])
    wait_for(lambda: status(daemon)["failed"] == 1, "it failed")

    assert status(daemon)["problem"] == f"{hook}: {why}"
    assert f"hook-failed hook={hook} client=192.0.2.7 why=" in daemon.log.read_text()
    assert "secret" not in daemon.log.read_text() + json.dumps(status(daemon))
    script(hook, "exit 0")
    daemon.ask("ban", clients=["192.0.2.8"])
    wait_for(lambda: status(daemon)["done"] == 1, "it was done")
    assert status(daemon)["problem"] == ""


def test_flood(daemon: Daemon, tmp_path: Path) -> None:
    """Very many bans at a hook that hangs: answers go on, the oldest are dropped, and memory stays bounded."""
    hook = script(tmp_path / "hook", f"echo $$ > {tmp_path}/pid.$$; exec sleep 60")
    start(daemon, on_ban=str(hook), at_once=2, timeout="1h")
    smtpd = Smtpd(daemon)
    clients = [f"10.{n >> 8}.{n & 255}.1" for n in range(FLOOD)]
    before_kb = daemon.resident_kb()
    for at in range(0, FLOOD, 2000):
        daemon.ask("ban", clients=clients[at : at + 2000])
        assert smtpd.connect("192.0.2.1")[1] == "proceed"
    now = status(daemon)

    assert (now["waiting"], now["running"]) == (MAX_WAITING, 2)
    assert now["dropped"] == FLOOD - MAX_WAITING - 2
    assert daemon.log.read_text().count("hooks-dropped") == 1
    assert daemon.resident_kb() - before_kb < 60_000
    assert smtpd.connect(clients[0])[1].startswith("disconnect|421")
    daemon.kill()  # the helper would wait for what it runs
    for path in tmp_path.glob("pid.*"):
        os.kill(int(path.read_text()), signal.SIGKILL)


def test_helper_that_dies(daemon: Daemon, tmp_path: Path) -> None:
    """It is started again; what it ran is lost and told, what waited is done."""
    go = tmp_path / "go"
    hook = script(tmp_path / "hook", f"[ -e {go} ] && exit; echo > {tmp_path}/begun; exec sleep 5")
    start(daemon, on_ban=str(hook), at_once=1)
    wait_for(lambda: status(daemon)["helper"], "it runs")
    first = status(daemon)["helper"]
    daemon.ask("ban", clients=["192.0.2.7", "192.0.2.8"])
    wait_for((tmp_path / "begun").exists, "the first hook runs")
    go.touch()
    os.kill(first, signal.SIGKILL)

    wait_for(lambda: status(daemon)["done"] == 1, "the second hook has run")
    assert status(daemon)["failed"] == 1
    assert status(daemon)["helper"] not in (None, first)
    assert "hook-helper-ended" in daemon.log.read_text()


def test_helper_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A helper that says nothing for too long is replaced."""
    monkeypatch.setattr(hooks, "GRACE_S", 0.2)
    monkeypatch.setattr(hooks, "FIRST_PAUSE_S", 0.1)

    async def scenario() -> None:
        settings = Hooks(on_ban=(str(keeper(tmp_path)),), timeout=0)
        observer = hooks.HookObserver(settings, lambda: Mode.ENFORCE)
        await eventually(lambda: observer._helper, "the helper runs")
        assert observer._helper is not None
        os.kill(observer._helper.pid, signal.SIGSTOP)
        observer.banned([ban("192.0.2.7")])
        await eventually(lambda: observer.failed, "it is found out")
        observer.reconfigure(attrs.evolve(settings, timeout=10))
        observer.banned([ban("192.0.2.8")])
        await eventually(lambda: observer.done, "another one runs")
        observer._keeper.cancel()
        await asyncio.wait([observer._keeper])
        observer._helper.end()

    asyncio.run(scenario())
    assert 'hook-helper-ended why="it hangs"' in caplog.text
    assert [document["client"] for document in heard(tmp_path)] == ["192.0.2.8"]


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition while the loop goes on."""
    await asyncio.to_thread(wait_for, condition, what)


def ban(client: str) -> Ban:
    """Return a ban."""
    return Ban(client=parse_network(client), start_s=1, end_s=None, rule="by hand", reason="x")


def test_webhook(daemon: Daemon, tmp_path: Path) -> None:
    """A URL gets the same document, and its path is not told."""
    with receiving() as receiver:
        start(daemon, on_ban=f"{receiver.url}/secret", on_lift=f"{receiver.url}/lift")
        daemon.ask("ban", clients=["192.0.2.7"], reason="é\x1b")
        wait_for(lambda: len(receiver.posted) == 1, "the ban is posted")
        daemon.ask("lift", clients=["192.0.2.7"])
        wait_for(lambda: len(receiver.posted) == 2, "the lift is posted")
    (path, _, ban), (_, _, lift) = receiver.posted

    assert (path, set(ban), ban["reason"]) == ("/secret", FIELDS, "é\\x1b")
    assert lift["event"] == "lift"
    daemon.ask("ban", clients=["192.0.2.8"])  # nobody is there now
    wait_for(lambda: status(daemon)["failed"] == 1, "it failed twice")
    assert "secret" not in daemon.log.read_text() + json.dumps(status(daemon))


def test_stop_is_not_held_up(daemon: Daemon, tmp_path: Path) -> None:
    """The daemon stops while a hook hangs; the hook is ended in its time."""
    hook = script(tmp_path / "hook", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    start(daemon, on_ban=str(hook), timeout="3s")
    daemon.ask("ban", clients=["192.0.2.7"])
    pid = int(wait_for((tmp_path / "pid").read_text, "the hook runs"))
    daemon.stop()

    assert Path(f"/proc/{pid}").exists()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the hook is gone")


def test_reload(daemon: Daemon, tmp_path: Path) -> None:
    """Without hooks there is no helper; a reload brings hooks, and takes them away."""
    daemon.start()
    assert daemon.status()["hooks"] is None
    daemon.configure(f'[hooks]\non_ban = "{keeper(tmp_path)}"\n')
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: daemon.status()["hooks"], "the hooks are known")
    daemon.ask("ban", clients=["192.0.2.7"])

    assert [document["client"] for document in told(tmp_path, 1)] == ["192.0.2.7"]
    daemon.configure("")
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: daemon.status()["hooks"] is None, "the hooks are gone")
