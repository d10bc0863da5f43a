# SPDX-License-Identifier: ISC
"""The real daemon in a temporary folder, and those that feed it: an smtpd's stream, a Dovecot, a guesser at the decoy."""

import base64
import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAIT_S = 20.0
TOKEN = "c224c6d1157eb2aa"


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true result of *condition*; fail after a bounded time."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError, KeyError, ValueError):
            result = condition()
            if result:
                return result
        time.sleep(0.01)
    raise AssertionError(f"did not happen within {WAIT_S:g} s: {what}")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Daemon:
    """
    ``filter-ban serve`` as a process, with everything it owns below one folder.

    Args:
        folder: The folder.
        settings: See :meth:`configure`.
        prefix: What the command line is put behind.
        fast: Whether it finds the extra "fast"; else it does not even where that is installed, so that tests and figures
            are the same everywhere.

    """

    def __init__(
        self, folder: Path, settings: str = "", *, prefix: tuple[str, ...] = (), fast: bool = False
    ) -> None:
        self.folder = folder
        self.config = folder / "filter-ban.toml"
        self.ledger = folder / "ledger" / "ledger.sqlite3"
        self.log = folder / "log"
        self.prefix = prefix
        self.fast = fast
        self.process: subprocess.Popen[bytes] | None = None
        self.peers = contextlib.ExitStack()  # closed when the test is over
        self.configure(settings)

    def configure(self, settings: str) -> None:
        """Write the configuration: *settings* may begin with top-level keys, but not repeat the tables here."""
        self.config.write_text(
            f'{settings}\n[daemon]\nsocket_dir = "{self.folder}/sockets"\nuser = ""\n'
            f'[ledger]\npath = "{self.ledger}"\n[never]\nown_addresses = false\n'
        )

    def start(self) -> "Daemon":
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "filter_ban", "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
            )
        wait_for(self.status, "the daemon answers")
        return self

    def without(self, module: str) -> None:
        """Keep it from finding *module*."""
        hidden = self.folder / "hidden"
        hidden.mkdir(exist_ok=True)
        (hidden / f"{module}.py").write_text(f"raise ImportError('without {module}')\n")

    def _environment(self) -> dict[str, str]:
        if not self.fast:
            self.without("uvloop")
        path = [str(self.folder / "hidden"), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}

    def stop(self) -> None:
        """Stop it in the orderly way."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(WAIT_S) == 0
            self.process = None

    def kill(self) -> None:
        """End both processes at once, whatever they do."""
        if self.process is not None:
            engines = self._engine_pids()
            self.process.kill()
            self.process.wait()
            self.process = None
            for engine in engines:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(engine, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Process id of the enforcer."""
        assert self.process is not None
        return self.process.pid

    def engine_pid(self) -> int:
        """Return the process id of the present engine."""
        return self._engine_pids()[0]

    def _engine_pids(self) -> list[int]:
        """Return the process id of the present engine; nothing between two engines."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def resident_kb(self) -> int:
        """Return the resident memory of the engine."""
        status = Path(f"/proc/{self.engine_pid()}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def kill_enforcer(self) -> None:
        """Kill the enforcer alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def connect(self, name: str) -> socket.socket:
        """Return a connection to one of its sockets."""
        connection = self.peers.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connection.settimeout(WAIT_S)
        connection.connect(str(self.folder / "sockets" / name))
        return connection

    def ask(self, command: str, **arguments: Any) -> list[dict[str, Any]]:
        """Return the documents that answer a control command, without the last line."""
        with self.connect("control.sock") as connection, connection.makefile("rwb") as stream:
            stream.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            stream.flush()
            answers = []
            for line in stream:
                answer = json.loads(line)
                answers.append(answer)
                if "done" in answer or "error" in answer:
                    return answers[:-1] if "done" in answer else answers
        raise ConnectionError("the daemon hung up")

    def status(self) -> dict[str, Any]:
        """Return the status document."""
        return self.ask("status")[0]

    def bans(self) -> dict[str, dict[str, Any]]:
        """Return the active bans by client."""
        return {ban["client"]: ban for part in self.ask("list") for ban in part["bans"]}


class Smtpd:
    """The stream of an smtpd: sessions that log in, and the answers they get."""

    def __init__(self, daemon: Daemon) -> None:
        self.connection = daemon.connect("relay.sock")
        self._stream = daemon.peers.enter_context(self.connection.makefile("rwb"))
        self._ids = itertools.count(1)
        self.say("config|protocol|0.7", "config|ready")
        while self._stream.readline() != b"register|ready\n":
            pass

    def say(self, *lines: str) -> None:
        """Send lines."""
        self._stream.write("".join(f"{line}\n" for line in lines).encode())
        self._stream.flush()

    def report(self, event: str, session: str, *fields: str) -> None:
        """Send a report, stamped now."""
        self.say("|".join((f"report|0.7|{time.time():.6f}|smtp-in|{event}|{session}", *fields)))

    def ask(self, phase: str, session: str, *fields: str) -> str:
        """Send a request and return the decision with its parameter."""
        self.say("|".join((f"filter|0.7|{time.time():.6f}|smtp-in|{phase}|{session}|{TOKEN}", *fields)))
        answer = self._stream.readline().decode()
        head = f"filter-result|{session}|{TOKEN}|"
        assert answer.startswith(head), answer
        return answer.removeprefix(head).rstrip("\n")

    def connect(self, client: str, port: int = 587) -> tuple[str, str]:
        """Open a session; return it and the decision at connect."""
        session = f"{next(self._ids):016x}"
        host = f"[{client}]" if ":" in client else client
        self.report("link-connect", session, "<unknown>", "fail", f"{host}:40000", f"192.0.2.1:{port}")
        return session, self.ask("connect", session, "<unknown>", client)

    def login(
        self, session: str, secret: str = "AGEAYg==", user: str = "alice@example.org", result: str = "fail"
    ) -> str:
        """Try to log in; return the decision at auth. What proceeds ends with *result*."""
        decision = self.ask("auth", session, f"PLAIN {secret}")
        if decision == "proceed":
            self.report("link-auth", session, result, user)
        return decision

    def guess(self, client: str, times: int, user: str = "alice@example.org") -> str:
        """Fail *times* logins with different secrets in one session; return the last decision."""
        session, decision = self.connect(client)
        for _ in range(times):
            if decision != "proceed":
                break
            decision = self.login(session, f"AGEA{next(self._ids)}", user)
        self.report("link-disconnect", session)
        return decision


class Dovecot:
    """A Dovecot that reports logins and asks whether to check a password."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._hashes = itertools.count(1)

    def report(self, client: str, user: str = "alice@example.org", *, success: bool = False) -> None:
        """Report a login; each with another password."""
        attributes = {"success": success, "policy_reject": False, "pwhash": f"{next(self._hashes):04x}"}
        self._post("report", {"login": user, "remote": client, "protocol": "imap", **attributes})

    def allows(self, client: str, user: str = "alice@example.org") -> bool:
        """Return whether the password of *client* is to be checked."""
        return bool(self._post("allow", {"login": user, "remote": client})["status"] == 0)

    def _post(self, command: str, attributes: dict[str, object]) -> dict[str, Any]:
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self._port, timeout=WAIT_S)
        ) as connection:
            connection.request("POST", f"/?command={command}", json.dumps(attributes))
            response = connection.getresponse()
            assert response.status == 200
            answer: dict[str, Any] = json.load(response)
        return answer


class DecoyGuest:
    """A session at the decoy; up to its greeting when it is made."""

    def __init__(self, port: int, client: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), WAIT_S, source_address=(client, 0))
        self._replies = self.connection.makefile("rb")
        self.greeting = self.reply()

    def reply(self) -> str:
        """Return the next reply, its last line; "" at the end of the connection."""
        while (line := self._replies.readline().decode())[3:4] == "-":
            pass
        return line.rstrip()

    def command(self, line: str) -> str:
        """Send a line; return the reply."""
        self.connection.sendall(f"{line}\r\n".encode())
        return self.reply()

    def guess(self, user: str = "alice", password: str = "a-guess") -> str:
        """Try to log in; return the reply."""
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.command(f"AUTH PLAIN {secret}")

    def close(self) -> None:
        """Hang up."""
        self._replies.close()
        self.connection.close()
