# SPDX-License-Identifier: ISC
"""``filter-ban opensmtpd``: the process that the relay runs in."""

import os
import resource
import signal
import time

from filter_ban.relay.log import Log
from filter_ban.relay.loop import Loop
from filter_ban.relay.settings import read_settings
from filter_ban.relay.spawn import IGNORED_SIGNALS

USAGE = """\
usage: filter-ban opensmtpd [--config FILE] [--log-json]

The relay between smtpd and the filter-ban daemon; smtpd itself starts it:

    filter "ban" proc-exec "filter-ban opensmtpd"

It speaks the filter protocol on standard input and output and leaves at end of input.
  --config FILE   settings (default: /etc/filter-ban.toml, if there is one)
  --log-json      a JSON object a line on standard error (default: log.form)
  --help          this text
"""


class Arguments:
    """What the command line says; *faults* name what it should not say."""

    def __init__(self, words: list[str]) -> None:
        self.help = False
        self.config: str | None = None
        self.log_json = False
        self.faults: list[str] = []
        rest = iter(words)
        for word in rest:
            name, equals, value = word.partition("=")
            if word in ("--help", "-h"):
                self.help = True
            elif word == "--log-json":
                self.log_json = True
            elif name == "--config":
                self._set_config(value if equals else next(rest, ""))
            else:
                self.faults.append(f"{word[:100]!r}: unknown argument, ignored")

    def _set_config(self, path: str) -> None:
        if path:
            self.config = os.path.abspath(path)  # noqa: PTH100 - pathlib costs 1 MB
        else:
            self.faults.append("--config: needs a file, ignored")


def main(argv: list[str]) -> None:
    """Run the relay for the arguments after ``argv[1]``; a wrong one is told and ignored, since leaving would stop smtpd."""
    arguments = Arguments(argv[2:])
    if arguments.help:
        os.write(1, USAGE.encode())
        return
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # credentials pass through
    input_fd, output_fd = take_streams()
    settings = read_settings(arguments.config)
    log = Log(level=settings.log_level, as_json=arguments.log_json or settings.log_json)
    for fault in arguments.faults + settings.faults:
        log.say(time.monotonic(), "warning: wrong setting", fault, each=True)
    Loop(input_fd, output_fd, settings, log, arguments.config).run()


def take_streams() -> tuple[int, int]:
    """
    Return descriptors of our own for smtpd's side, non-blocking.

    What was standard input is then empty and what was standard output is the log, so that no stray print reaches smtpd.
    """
    streams = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    for fd in streams:
        os.set_blocking(fd, False)
    return streams
