# SPDX-License-Identifier: ISC
"""
Bans and lifts on their way to hooks: in a queue here, and as many as may be under way at once with the helper.

A hook is told once, or not at all: what waits when the engine ends, or is under way when the helper does, is not tried
again. Nothing here waits: the helper gets no more than it takes up at once, and a full queue drops its oldest.
"""

import asyncio
import itertools
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from filter_ban.client import key_text
from filter_ban.config.schema import Hooks
from filter_ban.daemon.observer import Observer
from filter_ban.explanation import BY_HAND
from filter_ban.hooks.process import HelperProcess
from filter_ban.hooks.wire import Outcome, Run, name_of
from filter_ban.logline import fact
from filter_ban.model import Ban, Mode
from filter_ban.views import ban_document

_log = logging.getLogger(__name__)
MAX_WAITING: Final = 10_000  # some 5 MB of bans that are over
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
TELL_EVERY_S: Final = 60.0
GRACE_S: Final = 60.0  # a helper that is silent for so long after all its runs should have ended is hung
_TRIES: Final = 2  # of a webhook
_UNTOLD: Final = (  # what `list` tells, and a hook would hear too early, or of this node's bans never
    *("enforcement", "problem", "dropped"),
    *("node", "here"),
)
_HELPER_ENDED: Final = "the helper ended while it ran"


@attrs.frozen
class _Event:
    """Something that a hook is to be told: ``name`` is ``ban`` or ``lift``."""

    name: str
    ban: Ban
    by: str
    time_s: float

    def document(self) -> dict[str, Any]:
        """Return what the hook gets."""
        facts = {key: fact for key, fact in ban_document(self.ban).items() if key not in _UNTOLD}
        return {"event": self.name, "by": self.by, "time": self.time_s, "host": socket.gethostname(), **facts}


class HookObserver(Observer):
    """
    Hands bans and lifts on to the helper, which it keeps running.

    Args:
        hooks: Whom to tell, and how much at once.
        mode: What the rules may do now: where they only watch, nothing is told.

    """

    def __init__(self, hooks: Hooks, mode: Callable[[], Mode]) -> None:
        self.done = 0
        self.failed = 0
        self.dropped = 0
        self._hooks = hooks
        self._mode = mode
        self._waiting: deque[_Event] = deque()
        self._running: dict[int, tuple[Run, _Event]] = {}
        self._numbers = itertools.count(1)
        self._helper: HelperProcess | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._patience = asyncio.timeout(None)
        self._problem = ""
        self._problem_s: float | None = None
        self._failures = _Seldom()
        self._drops = _Seldom()
        self._wanted = asyncio.Event()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())
        self.reconfigure(hooks)

    def reconfigure(self, hooks: Hooks) -> None:
        """Go by other settings from now on; a helper that is needed no more stays, idle, for when it is again."""
        self._hooks = hooks
        if hooks.on_ban or hooks.on_lift:
            self._wanted.set()
        self._hand_on()

    # --- what was decided

    def banned(self, bans: list[Ban]) -> None:
        """Have the hook told of *bans*."""
        if self._hooks.on_ban and self._mode() is not Mode.WATCH:
            now_s = time.time()
            self._add(
                _Event("ban", ban, "operator" if ban.rule == BY_HAND else "rules", now_s) for ban in bans
            )

    def ended(self, bans: list[Ban], by: str) -> None:
        """Have the hook told that *bans* are over."""
        if self._hooks.on_lift and self._mode() is not Mode.WATCH:
            now_s = time.time()
            self._add(_Event("lift", ban, by, now_s) for ban in bans)

    def _add(self, events: Iterable[_Event]) -> None:
        self._waiting.extend(events)
        excess = len(self._waiting) - MAX_WAITING
        if excess > 0:
            for _ in range(excess):
                self._waiting.popleft()
            self.dropped += excess
            total = self._drops.due(excess)
            if total:
                _log.warning(fact("hooks-dropped", events=total, why="the hooks are slower than the bans"))
        self._hand_on()

    def _hand_on(self) -> None:
        """Give the helper what it may take up now."""
        while self._writer is not None and self._waiting and len(self._running) < self._hooks.at_once:
            event = self._waiting.popleft()
            hook = self._hooks.on_ban if event.name == "ban" else self._hooks.on_lift
            if hook:
                run = Run(next(self._numbers), hook, self._hooks.timeout, event.document())
                self._running[run.number] = (run, event)
                self._writer.write(run.encode())
                self._be_patient()

    # --- the helper

    async def _keep(self) -> None:
        """Run the helper from when it is wanted, and start it again when it ends."""
        pause_s = FIRST_PAUSE_S
        await self._wanted.wait()
        while True:
            started_s = time.monotonic()
            try:
                why = await self._converse()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next helper may do better
                why = f"a fault in the engine: {error!r}"
            if time.monotonic() - started_s > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            _log.error(fact("hook-helper-ended", why=why, runs=len(self._running), again_in_s=pause_s))
            for run, event in self._running.values():
                self._fail(run, event, _HELPER_ENDED)
            self._running.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _converse(self) -> str:
        """Start a helper and listen to it until it has ended; return why it did."""
        try:
            helper = HelperProcess()
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        self._helper = helper
        reader, self._writer = await asyncio.open_unix_connection(sock=helper.connection)
        why = "its end of the connection was closed"
        try:
            async with asyncio.timeout(None) as self._patience:
                self._hand_on()
                while line := await reader.readline():
                    self._heed(Outcome.parse(line))
        except TimeoutError:
            why = "it hangs"
        except (OSError, ValueError) as error:
            why = f"it cannot be understood: {error}"
        finally:  # also when the engine stops: the helper finishes what it runs, and leaves
            self._writer.close()
            self._writer = None
        self._helper = None
        await asyncio.to_thread(helper.end)
        return why

    def _be_patient(self) -> None:
        """Wait for the next outcome no longer than it can take."""
        if self._patience.expired():
            return  # the helper is given up already
        longest_s = max((run.timeout_s for run, _ in self._running.values()), default=0.0)
        until_s = asyncio.get_running_loop().time() + _TRIES * longest_s + GRACE_S
        self._patience.reschedule(until_s if self._running else None)

    def _heed(self, outcome: Outcome) -> None:
        told = self._running.pop(outcome.number, None)
        if told is not None and outcome.problem:
            self._fail(*told, outcome.problem)
        elif told is not None:
            self.done += 1
            self._problem = ""
        self._be_patient()
        self._hand_on()

    def _fail(self, run: Run, event: _Event, why: str) -> None:
        name = name_of(run.hook)
        self.failed += 1
        self._problem, self._problem_s = f"{name}: {why}", time.time()
        total = self._failures.due(1)
        if total:
            client = key_text(event.ban.client)
            _log.error(fact("hook-failed", hook=name, client=client, why=why, more=total - 1 or None))

    # --- what is told

    def status(self) -> dict[str, Any] | None:
        """Return how the hooks are, for ``status``; None: there are none."""
        hooks = self._hooks
        if not (hooks.on_ban or hooks.on_lift):
            return None
        return {
            "on_ban": name_of(hooks.on_ban) if hooks.on_ban else None,
            "on_lift": name_of(hooks.on_lift) if hooks.on_lift else None,
            "helper": None if self._helper is None else self._helper.pid,
            "done": self.done,
            "failed": self.failed,
            "dropped": self.dropped,
            "waiting": len(self._waiting),
            "running": len(self._running),
            "problem": self._problem,
            "problem_time": self._problem_s,
        }


class _Seldom:
    """Counts what is told in the log at most once a minute."""

    def __init__(self) -> None:
        self._untold = 0
        self._told_s = -TELL_EVERY_S

    def due(self, number: int) -> int:
        """Count *number* more; return how many there were since they were last told, or 0 if it is too early for that."""
        self._untold += number
        if time.monotonic() - self._told_s < TELL_EVERY_S:
            return 0
        self._told_s, total, self._untold = time.monotonic(), self._untold, 0
        return total
