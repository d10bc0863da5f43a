# SPDX-License-Identifier: ISC
"""Honest users at work while something is wrong with the daemon."""

import threading
import time

from tests.real.client import Clients
from tests.real.doors import login
from tests.real.network import SUBMISSION


class HonestLoad(threading.Thread):
    """An honest user who logs in all the time; remembers the longest login and every one that failed."""

    def __init__(self, clients: Clients, source: str, port: int = SUBMISSION) -> None:
        super().__init__(daemon=True)
        self.served = 0
        self.longest_s = 0.0
        self.failures: list[str] = []
        self._clients = clients
        self._source = source
        self._port = port
        self._enough = threading.Event()

    def run(self) -> None:
        """Log in until told to stop."""
        while not self._enough.is_set():
            begun_s = time.monotonic()
            answer = login(self._clients, self._source, self._port)
            self.longest_s = max(self.longest_s, time.monotonic() - begun_s)
            self.served += 1
            if not answer.accepted:
                self.failures.append(answer.text)

    def stop(self) -> None:
        """Stop and check that all went well."""
        self._enough.set()
        self.join(30)
        assert self.failures == []
        assert self.served
        print(
            f"port {self._port}: longest login of {self.served} from {self._source}: {self.longest_s:.2f} s"
        )
