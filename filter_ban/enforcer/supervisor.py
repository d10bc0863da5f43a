# SPDX-License-Identifier: ISC
"""
The parent's loop: keep an engine running, pass its wishes to the firewall, and say what became of them.

An engine that dies is started again at once, one that shows no sign of life for two seconds is ended first; only one
that dies before its first sign of life is given growing pauses. The listening sockets stay open all the while.
"""

import contextlib
import logging
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from filter_ban.channel import SILENCE_S
from filter_ban.client import key_text
from filter_ban.enforcer.engine_process import EngineProcess
from filter_ban.enforcer.firewall import Firewall
from filter_ban.logline import fact

_log = logging.getLogger(__name__)
STARTUP_SILENCE_S: Final = 10.0  # imports and ledger come before the first heartbeat
FIRST_PAUSE_S: Final = 0.05
MAX_PAUSE_S: Final = 30.0
STOP_S: Final = 6.0
_TICK_MS: Final = 250


class Supervisor:
    """
    Runs until a signal says stop.

    Args:
        start: What each engine is told first (see :mod:`filter_ban.channel`), without the surroundings.
        spawn: Starts an engine.
        firewall: Runs the firewall's commands, in threads of its own.
        reload: Reads the configuration again and applies it here; returns what the engine is told of it.

    """

    def __init__(
        self,
        start: dict[str, Any],
        spawn: Callable[[], EngineProcess],
        firewall: Firewall,
        reload: Callable[[], dict[str, Any]],
    ) -> None:
        self._start = start
        self._spawn = spawn
        self._firewall = firewall
        self._reload = reload
        self._reload_due = False
        self._engine: EngineProcess | None = None
        self._started_s = self._alive_s = 0.0
        self._heard = False
        self._pause_s = 0.0
        self._start_at_s = 0.0
        self._stopping = False
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)

    def wake(self) -> None:
        """Make the loop look around now; may be called from any thread."""
        with contextlib.suppress(BlockingIOError):  # it is awake already
            self._wake.send(b"\0")

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP has the configuration read again."""
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, self._stop)
        signal.signal(signal.SIGHUP, self._ask_for_reload)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to be woken
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        while not self._stopping:
            self._keep_engine()
            self._look()
            if self._reload_due:
                self._reload_due = False
                self._load_again(0)
        self._end()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _ask_for_reload(self, *_: object) -> None:
        self._reload_due = True

    def _load_again(self, asked: int) -> None:
        """Read the configuration again; an engine that is started later begins with what is in force then."""
        outcome = self._reload()
        if not outcome["problem"]:
            self._start |= {"file": outcome["file"], "config": outcome["config"]}
        if self._engine is not None:
            self._engine.tell("reload", {**outcome, "asked": asked})

    # --- the engine's life

    def _keep_engine(self) -> None:
        now_s = time.monotonic()
        if self._engine is None:
            if now_s >= self._start_at_s:
                self._begin(now_s)
            return
        status = self._engine.poll()
        if status is not None:
            self._bury(f"ended with status {status}")
        elif now_s - self._alive_s > (SILENCE_S if self._heard else STARTUP_SILENCE_S):
            self._bury("no sign of life")

    def _begin(self, now_s: float) -> None:
        self._started_s = self._alive_s = now_s
        self._heard = False
        engine = self._engine = self._spawn()
        surroundings = [key_text(key) for key in self._firewall.surroundings]
        engine.tell("start", {**self._start, "surroundings": surroundings})
        _log.info(fact("engine-started", pid=engine.pid))

    def _bury(self, why: str) -> None:
        assert self._engine is not None
        self._engine.kill()
        self._engine = None
        self._pause_s = 0.0 if self._heard else min(MAX_PAUSE_S, self._pause_s * 2 or FIRST_PAUSE_S)
        now_s = time.monotonic()
        self._start_at_s = now_s + self._pause_s
        _log.error(
            fact("engine-lost", why=why, lived_s=round(now_s - self._started_s, 1), again_in_s=self._pause_s)
        )

    # --- the loop

    def _look(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        engine = self._engine
        if engine is not None:
            poll.register(engine.channel, select.POLLIN | (select.POLLOUT if engine.wants_to_write else 0))
        poll.poll(_TICK_MS if self._pause_s == 0 else min(_TICK_MS, max(1, self._pause_s * 1000)))
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        if engine is not None:
            self._exchange(engine)

    def _exchange(self, engine: EngineProcess) -> None:
        engine.flush()
        try:
            for verb, argument in engine.hear():
                self._heed(verb, argument)
        except EOFError:
            engine.wait(SILENCE_S)
            self._bury(f"left with status {engine.poll()}")
            return
        except Exception as error:  # noqa: BLE001 - the seam: nothing that an engine says may end its parent
            self._bury(f"sent nonsense: {error!r}")
            return
        for verb, argument in self._firewall.take_news():
            engine.tell(verb, argument)

    def _heed(self, verb: str, argument: Any) -> None:
        self._alive_s = time.monotonic()
        self._heard = True
        if verb == "replace":
            self._firewall.replace(argument["entries"], more=argument["more"])
        elif verb == "change":
            self._firewall.change(argument["add"], argument["remove"], by_rule=argument["by_rule"])
        elif verb == "sync" and type(argument) is int:
            self._firewall.ask_for_sync(argument)
        elif verb == "spare":
            self._firewall.spare(argument)
        elif verb == "reload" and type(argument) is int:
            self._load_again(argument)
        elif verb != "alive":
            raise ValueError(f"unknown verb {verb!r}")

    def _end(self) -> None:
        engine = self._engine
        if engine is not None:
            engine.tell("stop")
            engine.wait(STOP_S)
            engine.kill()
        self._firewall.stop()
        _log.info(fact("stopped", firewall="left as it is"))
