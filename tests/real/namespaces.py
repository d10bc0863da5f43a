# SPDX-License-Identifier: ISC
"""
Linux namespaces without names: they live in a process that ends when its standard input closes.

Nothing can stay behind. When the test process ends, however it ends, the pipe closes, the holder leaves, and the kernel
ends every process of its process namespace and drops its network and its mounts.
"""

import ctypes
import os
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

START_TIMEOUT_S: Final = 20
RUN_TIMEOUT_S: Final = 60
SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOLD: Final = "trap '' CHLD; echo ready; exec cat"  # CHLD ignored: the kernel reaps orphans

_NEW_NETWORK: Final = 0x40000000  # linux/sched.h: CLONE_NEWNET, and so on
_NEW_MOUNTS: Final = 0x00020000
_NEW_PROCESSES: Final = 0x20000000
_NEW_HOST_NAME: Final = 0x04000000

_libc: Final = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12


def _setns(descriptor: int, kind: int) -> None:
    if _libc.setns(descriptor, kind):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Holder:
    """A process that keeps namespaces alive, and what is needed to enter them."""

    def __init__(self, argv: Sequence[str]) -> None:
        """
        Start *argv*, which prints ``ready`` when its namespaces are furnished, and leaves at end of input.

        Raises:
            RuntimeError: it did not; the text has its standard error.

        """
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            self.pid = self._await_ready()
        except BaseException:
            self.close()
            raise

    def _await_ready(self) -> int:
        """Return the pid of the process inside: the one child of unshare --fork, or the holder itself."""
        assert self._process.stdout is not None
        seen: list[str] = []
        while select.select([self._process.stdout], [], [], START_TIMEOUT_S)[0]:
            line = self._process.stdout.readline()
            if line == "ready\n":
                return next(iter(children_of(self._process.pid)), self._process.pid)
            if not line:
                break
            seen.append(line)
        raise RuntimeError(f"the namespaces did not come up: {''.join(seen)}")

    def close(self) -> None:
        """End every process inside and drop the namespaces; calling it again does no harm."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class NetworkNamespace(Holder):
    """A network of its own; all else is shared with the host."""

    def __init__(self) -> None:
        super().__init__(["unshare", "--net", "sh", "-c", HOLD])

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the calling thread, and it alone, make sockets and start programs in this network; they stay there."""
        with _opened("/proc/thread-self/ns/net", f"/proc/{self.pid}/ns/net") as (here, there):
            _setns(there, _NEW_NETWORK)
            try:
                yield
            finally:
                _setns(here, _NEW_NETWORK)


class SystemNamespace(Holder):
    """Network, mounts, processes and host name of its own, with another root folder."""

    def __init__(self, script: str, *arguments: str) -> None:
        """Run the shell *script* inside; it ends with a chroot to the new root folder that does what HOLD does."""
        flags = ("--net", "--mount", "--uts", "--pid", "--fork", "--propagation", "private")
        super().__init__(["unshare", *flags, "sh", "-euc", script, "sh", *arguments])
        self._started: list[subprocess.Popen[bytes]] = []

    def popen(
        self,
        argv: Sequence[str],
        *,
        stdin: IO[bytes] | int | None = subprocess.DEVNULL,
        stdout: IO[bytes] | int | None = None,
        stderr: IO[bytes] | int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program inside, as root and in a session of its own; its ``pid`` is the host's number for it."""
        inside = f"/proc/{self.pid}"
        names = ("ns/net", "ns/uts", "ns/mnt", "root", "ns/pid")
        with _opened("/proc/thread-self/ns/pid", *(f"{inside}/{name}" for name in names)) as (
            host,
            *there,
            processes,
        ):

            def enter() -> None:
                network, host_name, mounts, root = there
                _setns(network, _NEW_NETWORK)
                _setns(host_name, _NEW_HOST_NAME)
                _setns(mounts, _NEW_MOUNTS)
                os.fchdir(root)
                os.chroot(".")

            _setns(processes, _NEW_PROCESSES)  # for children of this thread, not for itself
            try:
                process = subprocess.Popen(
                    argv,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    env={"PATH": SEARCH_PATH, "LANG": "C.UTF-8", **(env or {})},
                    start_new_session=True,
                    preexec_fn=enter,  # noqa: PLW1509 - setns and chroot only; there is no other way in
                )
            finally:
                _setns(host, _NEW_PROCESSES)
        self._started.append(process)
        return process

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = RUN_TIMEOUT_S, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """
        Run a program inside to its end.

        Raises:
            RuntimeError: it failed (unless *check* is false); the text has its standard error.
            subprocess.TimeoutExpired: it took too long, and was killed.

        """
        with self.popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                out, err = process.communicate(stdin, timeout_s)
            except BaseException:
                process.kill()
                raise
        if check and process.returncode:
            raise RuntimeError(
                f"{' '.join(argv)}: status {process.returncode}: {err.decode(errors='replace')[-2000:]}"
            )
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def path(self, inside: str) -> Path:
        """
        Return the host's path of a file inside.

        An absolute symbolic link on the way (``/var/run``) would lead to the host: name the real folder (``/run``).
        """
        return Path(f"/proc/{self.pid}/root/{inside.lstrip('/')}")

    def processes(self) -> dict[int, list[str]]:
        """Return the argument lists of all processes inside but the holder's, by the host's pid, smallest first."""
        namespace = Path(f"/proc/{self.pid}/ns/pid").readlink()
        found: dict[int, list[str]] = {}
        for pid in _all_pids():
            try:
                inside = Path(f"/proc/{pid}/ns/pid").readlink() == namespace
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:  # it has left
                continue
            if inside and pid != self.pid and arguments:  # a zombie has no arguments
                found[pid] = [os.fsdecode(part) for part in arguments.rstrip(b"\0").split(b"\0")]
        return found

    def pid_of(self, word: str) -> int:
        """Return the pid of the one process inside that has *word* among its arguments."""
        (pid,) = (pid for pid, argv in self.processes().items() if any(word in argument for argument in argv))
        return pid

    def close(self) -> None:
        """End every process inside, then drop network and mounts."""
        for process in getattr(self, "_started", ()):  # the holder can leave only after they are reaped
            process.kill()
            process.wait()
        super().close()


@contextmanager
def _opened(*paths: str) -> Iterator[list[int]]:
    with ExitStack() as stack:
        descriptors = []
        for path in paths:
            descriptors.append(os.open(path, os.O_RDONLY))
            stack.callback(os.close, descriptors[-1])
        yield descriptors


def _all_pids() -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def children_of(pid: int) -> list[int]:
    """Return the pids of the children of *pid*, smallest first; none when it has left."""
    children = []
    for candidate in _all_pids():
        try:
            status = Path(f"/proc/{candidate}/stat").read_text("ascii", "replace")
        except OSError:  # it has left
            continue
        if int(status.rpartition(")")[2].split()[1]) == pid:  # proc_pid_stat(5): the name may hold blanks
            children.append(candidate)
    return children
