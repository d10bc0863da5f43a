# SPDX-License-Identifier: ISC
"""A courier that fails is ended, and another one started."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from filter_ban.cluster.wire import Frame
from filter_ban.daemon import couriers as module
from filter_ban.daemon.couriers import Couriers
from tests.filter_ban.daemon.nodes import FakeCourier, FakeCouriers, is_alive
from tests.filter_ban.daemon.process import WAIT_S
from tests.filter_ban.daemon.test_service import until


class Engine:
    """Whoever has couriers: keeps what they say, and why they were gone."""

    def __init__(self) -> None:
        self.opened = 0
        self.frames: list[Frame] = []
        self.reasons: list[str] = []
        self.fault: Exception | None = None
        self.couriers = Couriers(opened=self._opened, heed=self._heed, closed=self.reasons.append)

    def _opened(self) -> None:
        self.opened += 1
        self.couriers.send("start", {"number": self.opened})

    async def _heed(self, frame: Frame) -> None:
        self.frames.append(frame)
        if self.fault is not None:
            raise self.fault


@pytest.fixture(autouse=True)
def _haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pause for moments."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.004)


def use(monkeypatch: pytest.MonkeyPatch, *first: bytes) -> FakeCouriers:
    """Have couriers that are none, and send these bytes at once."""
    fakes = FakeCouriers(*first)
    monkeypatch.setattr(module, "CourierProcess", fakes)
    return fakes


def run(test: Callable[[Engine], Coroutine[Any, Any, None]]) -> None:
    """Run *test* with couriers, and end them."""

    async def started() -> None:
        engine = Engine()
        task = asyncio.create_task(engine.couriers.run())
        try:
            await test(engine)
        finally:
            task.cancel()
            _, hung = await asyncio.wait([task], timeout=WAIT_S)
        assert not hung
        assert not engine.couriers.is_there

    asyncio.run(started())


def test_frames_go_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the courier come in their order; it ends with the engine."""
    fakes = use(monkeypatch)

    async def test(engine: Engine) -> None:
        await until(lambda: engine.couriers.is_there)
        assert engine.couriers.pid == fakes.last.pid
        fakes.last.say("heard", b"x\ny", shard=1)
        fakes.last.say("peers", peers={})
        engine.couriers.send("tell", {"bans": 1}, b"z")
        await until(lambda: len(engine.frames) == 2)
        assert engine.frames == [("heard", {"shard": 1}, b"x\ny"), ("peers", {"peers": {}}, b"")]
        await until(lambda: bool(fakes.last.told("tell")))
        assert fakes.last.frames == [("start", {"number": 1}, b""), ("tell", {"bans": 1}, b"z")]

    run(test)
    assert [one.is_ended for one in fakes.made] == [True]


@pytest.mark.parametrize(
    "garbage",
    [
        b"nonsense\n",
        b"\xff\n",
        b'["heard"]\n',
        b'["heard",{},-1]\n',
        b'["heard",[],0]\n',
        b'["heard",{},99999999]\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_no_frame_ends_the_courier(garbage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and the next one begins anew."""
    fakes = use(monkeypatch, garbage)

    async def test(engine: Engine) -> None:
        await until(lambda: engine.opened == 2)
        assert len(engine.reasons) == 1
        fakes.last.say("compose")
        await until(lambda: bool(engine.frames))
        assert engine.frames == [("compose", {}, b"")]

    run(test)
    assert [one.is_ended for one in fakes.made] == [True, True]


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """From one courier that fails to the next, up to a bound; each is told of in the log."""
    use(monkeypatch, *[b"nonsense\n"] * 5)

    async def test(engine: Engine) -> None:
        await until(lambda: engine.opened == 6)

    run(test)
    pauses = [line.rpartition("again_in_s=")[2] for line in caplog.messages]
    assert pauses == ["0.001", "0.002", "0.004", "0.004", "0.004"]
    assert all(line.startswith("courier-ended ") for line in caplog.messages)


def test_a_courier_that_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it said before is heeded."""
    fakes = use(monkeypatch)

    async def test(engine: Engine) -> None:
        await until(lambda: engine.opened == 1)
        fakes.last.say("stored")
        fakes.last.close()
        await until(lambda: engine.opened == 2)
        assert engine.frames == [("stored", {}, b"")]
        assert engine.reasons == ["its end of the connection was closed"]

    run(test)


def test_a_courier_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing for long is ended."""
    monkeypatch.setattr(module, "SILENCE_S", 0.001)
    use(monkeypatch)

    async def test(engine: Engine) -> None:
        await until(lambda: engine.opened == 3)
        assert set(engine.reasons) == {"it hangs"}

    run(test)


def test_a_fault_in_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a frame makes of the engine ends neither it nor the link."""
    fakes = use(monkeypatch)

    async def test(engine: Engine) -> None:
        engine.fault = KeyError("shard")
        await until(lambda: engine.opened == 1)
        fakes.last.say("join")
        await until(lambda: engine.opened == 2)
        assert engine.reasons == ["a fault in the engine: KeyError('shard')"]

    run(test)


def test_no_courier_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again; what is sent meanwhile goes nowhere."""
    fakes = FakeCouriers()

    def fail_twice() -> Any:
        if len(reasons) < 2:
            raise OSError(11, "Resource temporarily unavailable")
        return fakes()

    reasons: list[str] = []
    monkeypatch.setattr(module, "CourierProcess", fail_twice)

    async def test(engine: Engine) -> None:
        nonlocal reasons
        reasons = engine.reasons
        engine.couriers.send("tell")
        await until(lambda: engine.opened == 1)
        assert reasons == ["cannot be started: Resource temporarily unavailable"] * 2

    run(test)


@pytest.mark.parametrize("turns", range(6))
def test_a_courier_that_speaks_while_it_is_ended(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes in the same moment, or in one of the next turns of the loop, the end is the end."""
    fakes = use(monkeypatch)

    async def test(engine: Engine) -> None:
        await until(lambda: engine.opened == 1)
        fakes.last.say("peers")
        for _ in range(turns):
            await asyncio.sleep(0)

    run(test)
    assert len(fakes.made) == 1


def test_the_end_while_a_courier_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other one is started."""
    fakes = use(monkeypatch)
    is_ending, may_end = threading.Event(), threading.Event()

    def end() -> None:
        is_ending.set()
        may_end.wait(WAIT_S)
        FakeCourier.end(fakes.last)

    async def test(engine: Engine) -> None:
        await until(lambda: engine.opened == 1)
        monkeypatch.setattr(fakes.last, "end", end)
        fakes.last.close()
        await until(is_ending.is_set)
        asyncio.get_running_loop().call_soon(may_end.set)

    run(test)
    assert len(fakes.made) == 1


def test_a_real_courier_ends_with_the_engine() -> None:
    """No process stays behind."""
    pids = []

    async def test(engine: Engine) -> None:
        await until(lambda: engine.opened == 1)
        assert engine.couriers.pid is not None
        pids.append(engine.couriers.pid)
        assert is_alive(pids[0])

    run(test)
    assert not is_alive(pids[0])
