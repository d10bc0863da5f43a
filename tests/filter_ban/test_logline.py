# SPDX-License-Identifier: ISC
"""The log of a process, as whoever reads its stderr gets it."""

import json
import logging
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.logline import MAX_TRACE, MAX_VALUE, fact

LOG = """
import logging, sys
from filter_ban.logline import fact, set_up
set_up()
log = logging.getLogger("test")
for number in range({lines}):
    log.info(fact("line", number=number, padding="x" * {width}))
print("done", flush=True)
sys.stdin.readline()
log.info(fact("after"))
"""
WAIT_S = 20


@pytest.mark.parametrize("width", [100, 200])
def test_a_log_that_nobody_reads_stops_nothing(width: int) -> None:
    """Lines are lost and counted, in their place; what is read is whole lines, but for the last before the loss."""
    argv = [sys.executable, "-c", LOG.format(lines=20_000, width=width)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"done\n"  # though nobody has read the other pipe
        read = b""
        while read.count(b"\n") < 10:
            read += os.read(process.stderr.fileno(), 1 << 16)
        output, rest = process.communicate(b"\n", timeout=WAIT_S)

    lines = (read + rest).decode().splitlines()
    kept = [line for line in lines if "padding" in line]
    assert (output, process.returncode) == (b"", 0)
    assert lines[-2:] == [
        f'filter-ban: log-lines-lost lines={20_000 - len(kept)} why="nobody reads the log"',
        "filter-ban: after",
    ]
    assert [line.split()[2] for line in kept] == [f"number={number}" for number in range(len(kept))]


def test_a_log_that_is_gone_stops_nothing() -> None:
    """Where nobody can read stderr any more the program goes on."""
    argv = [sys.executable, "-c", LOG.format(lines=10, width=100)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        output, _ = process.communicate(b"\n", timeout=WAIT_S)

    assert (output, process.returncode) == (b"done\n", 0)


def test_a_long_line_is_whole() -> None:
    """A traceback of many kilobytes is one line."""
    script = "import logging\nfrom filter_ban.logline import set_up\nset_up()\nlogging.getLogger('x').info('y' * 50_000)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=WAIT_S, check=True)

    assert done.stderr == b"filter-ban: " + b"y" * 50_000 + b"\n"


def lines_of(script: str, **environment: str) -> list[str]:
    """Return what a program that sets up its log writes to it."""
    head = "import logging\nfrom filter_ban.logline import fact, set_level, set_up\nlog = logging.getLogger('a.b')\n"
    done = subprocess.run(
        [sys.executable, "-c", head + script],
        capture_output=True,
        timeout=WAIT_S,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )
    return done.stderr.decode().splitlines()


FACTS = {
    "plain": (fact("ban", client="192.0.2.7", until=1763690000), "ban client=192.0.2.7 until=1763690000"),
    "blanks and quotes": (fact("x", why='a "b"', rule="5 in 10m"), 'x why="a \'b\'" rule="5 in 10m"'),
    "nothing to say": (fact("x", why=None), "x"),
    "empty": (fact("x", why=""), 'x why=""'),
    "numbers": (
        fact("x", strikes=5.0, weight=0.2, at=1763690000.25),
        "x strikes=5 weight=0.2 at=1763690000.25",
    ),
    "control characters": (fact("x", why="a\n\x1b[31m"), "x why=a\\n\\x1b[31m"),
}


@pytest.mark.parametrize(("said", "text"), FACTS.values(), ids=FACTS.keys())
def test_text(said: object, text: str) -> None:
    """A fact is an event and its values, on one line."""
    assert str(said) == text


def test_json() -> None:
    """In JSON each line is an object: numbers are numbers, and texts are what they are in text."""
    before = datetime.now().astimezone()
    script = """
set_up(form="json", process="engine")
log.info(fact("ban", client="192.0.2.7", until=1763690000, strikes=5.2, firewall=True, rule="5 in 10m"))
log.warning(fact("x", why=OSError(2, "a\\n\\x1b"), nan=float("nan"), huge=10**30))
log.error("a library says %s", "this")
"""
    ban, strange, library = map(json.loads, lines_of(script))
    assert list(ban) == [
        *("time", "level", "process", "process_id", "event"),
        *("client", "until", "strikes", "firewall", "rule"),
    ]
    assert (
        timedelta()
        <= datetime.fromisoformat(ban["time"]) - before + timedelta(seconds=1)
        < timedelta(hours=1)
    )
    assert (ban["level"], ban["process"], ban["event"]) == ("info", "engine", "ban")
    assert (ban["until"], ban["strikes"], ban["firewall"], ban["rule"]) == (1763690000, 5.2, True, "5 in 10m")
    assert (strange["why"], strange["nan"], strange["huge"]) == ("[Errno 2] a\\n\\x1b", "nan", str(10**30))
    assert (library["event"], library["logger"], library["text"]) == ("message", "a.b", "a library says this")


def test_json_is_bounded() -> None:
    """Neither a value nor a traceback makes a line long; of the latter the end is kept."""
    script = """
set_up(form="json")
try:
    raise ValueError("x" * 50_000 + "end")
except ValueError:
    log.exception(fact("failed", why="y" * 50_000))
"""
    (line,) = lines_of(script)
    document = json.loads(line)
    assert len(document["why"]) == MAX_VALUE
    assert len(document["trace"]) == MAX_TRACE
    assert document["trace"].endswith("xend")


@given(st.text())
def test_json_of_any_text(text: str) -> None:
    """Any text is one line of JSON that can be read again."""
    from filter_ban.logline import _JsonFormatter  # noqa: PLC0415 - what set_up gives to the handler

    record = logging.makeLogRecord({"levelno": logging.INFO, "msg": fact("x", why=text)})
    line = _JsonFormatter("engine").format(record).encode()
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line)["event"] == "x"


@pytest.mark.parametrize(("form", "line"), [("text", "<4>x a=1"), ("json", "<4>{")])
def test_journal(form: str, line: str) -> None:
    """Where the journal reads, each line has its severity in front; see sd-daemon(3)."""
    script = f"set_up(form={form!r})\nlog.warning(fact('x', a=1))"
    (written,) = lines_of(script, JOURNAL_STREAM="9:1")
    assert written.startswith(line)


def test_level() -> None:
    """What is less severe than the level is not logged; it can be changed while the program runs."""
    script = """
set_up("warning")
log.info(fact("a"))
log.warning(fact("b"))
set_level("info")
log.info(fact("c"))
log.debug(fact("d"))
"""
    assert lines_of(script) == ["filter-ban: b", "filter-ban: c"]
