# SPDX-License-Identifier: ISC
"""Tests for the one place that starts processes, with small tools made for the purpose."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from filter_ban.firewall import Command, Fault, FirewallError, Runner

MakeTool = Callable[[str], Runner]


@pytest.fixture
def tool(tmp_path: Path) -> MakeTool:
    """Return a function that makes the shell script ``tool`` and a runner that finds it."""

    def make(body: str) -> Runner:
        path = tmp_path / "tool"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(stat.S_IRWXU)
        return Runner(search_path=(str(tmp_path), "/usr/bin", "/bin"))

    return make


def test_output_is_returned(tool: MakeTool) -> None:
    """Arguments and input arrive unchanged, output comes back whole."""
    run = tool('printf "%s|" "$@"; cat')
    data = os.urandom(3_000_000)

    assert b"a b|$HOME|;|" + data == run(Command(("tool", "a b", "$HOME", ";"), data))


def test_environment_is_ours(tool: MakeTool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool sees the C locale and the fixed search path, and nothing of our environment."""
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")

    output = tool('echo "$LC_ALL $SECRET"; pwd')(Command(("tool",)))

    assert output == b"C \n/\n"


def test_status_is_an_error_with_the_message(tool: MakeTool) -> None:
    """A status other than 0 is an error that quotes stderr, escaped and bounded."""
    run = tool('echo "Table does not exist." >&2; printf "\\033[1m" >&2; exit 3')

    with pytest.raises(FirewallError, match=r"^tool \(status 3\): Table does not exist\.\\n\\x1b") as caught:
        run(Command(("tool",)))
    assert caught.value.status == 3
    assert caught.value.fault is Fault.GONE


def test_killed_tool_is_an_error(tool: MakeTool) -> None:
    """A tool ended by a signal shows it in the status."""
    with pytest.raises(FirewallError, match=r"^tool \(status -9\): no message"):
        tool("kill -9 $$")(Command(("tool",)))


def test_missing_tool_is_told(tool: MakeTool) -> None:
    """The environment's PATH is not searched, and the error says where we looked."""
    with pytest.raises(FirewallError, match=r"^pfctl: not found in /usr/sbin:") as caught:
        Runner()(Command(("pfctl", "-s", "info")))
    assert caught.value.fault is Fault.MISSING_TOOL


def test_tool_that_cannot_start_is_told(tmp_path: Path) -> None:
    """A file that is executable and no program is a missing tool."""
    (tmp_path / "tool").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "tool").chmod(stat.S_IRWXU)

    with pytest.raises(FirewallError, match=r"^tool: cannot be started") as caught:
        Runner(search_path=(str(tmp_path),))(Command(("tool",)))
    assert caught.value.fault is Fault.MISSING_TOOL


@pytest.mark.parametrize(
    "body",
    [
        "exec sleep 20",
        "echo x; exec sleep 20",
        "exec >&- 2>&- <&-; exec sleep 20",
        "sleep 20 & wait",
        "sleep 20 &",
    ],
)
def test_hanging_tool_is_ended(tool: MakeTool, tmp_path: Path, body: str) -> None:
    """When its time is over a tool is killed and reaped, with all that it started."""
    run = tool(f"echo $$ > {tmp_path}/pid; {body}")

    with pytest.raises(FirewallError, match=r"^tool: no end within 0\.3 s") as caught:
        run(Command(("tool",), b"x" * 1_000_000, timeout_s=0.3))

    assert caught.value.fault is Fault.HUNG
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_input_may_be_ignored(tool: MakeTool) -> None:
    """A tool that ends without reading is judged by its status."""
    assert tool("echo done")(Command(("tool",), b"x" * 1_000_000)) == b"done\n"


def test_output_is_bounded(tool: MakeTool, tmp_path: Path) -> None:
    """A tool that prints without end is ended."""
    run = Runner(search_path=tool("exec yes").search_path, max_output_bytes=100_000)

    with pytest.raises(FirewallError, match="printed more than 100000 bytes"):
        run(Command(("tool",), timeout_s=20))


def test_errors_are_bounded(tool: MakeTool) -> None:
    """Any amount of stderr is read, and its start kept."""
    with pytest.raises(FirewallError) as caught:
        tool("yes | head -c 5000000 >&2; exit 1")(Command(("tool",)))

    assert len(str(caught.value)) < 400


def test_prefix_goes_first(tool: MakeTool) -> None:
    """The prefix makes another program start the tool."""
    run = tool('echo "$1"')

    assert Runner(prefix=("env",), search_path=run.search_path)(Command(("tool", "x"))) == b"x\n"


def test_no_descriptor_is_left_open(tool: MakeTool) -> None:
    """Runs that end well and runs that do not leave no descriptor behind."""
    run = tool("exec $1")
    before = len(list(Path("/proc/self/fd").iterdir()))

    run(Command(("tool", "true")))
    with pytest.raises(FirewallError):
        run(Command(("tool", "false")))
    with pytest.raises(FirewallError):
        run(Command(("tool", "sleep 20"), timeout_s=0.05))

    assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_an_optional_tool_may_be_missing() -> None:
    """It prints nothing, where any other tool that is missing is an error."""
    assert Runner()(Command(("no-such-tool",), optional=True)) == b""
    with pytest.raises(FirewallError, match="not found in"):
        Runner()(Command(("no-such-tool",), may_fail=True))


def test_an_exit_status_may_mean_nothing() -> None:
    """A tool that may fail is heard to its end, whatever its status."""
    assert Runner()(Command(("sh", "-c", "echo hello; exit 3"), may_fail=True)) == b"hello\n"
