# SPDX-License-Identifier: ISC
"""The only place that starts processes for the firewall: no shell, a fixed search path, bounds on time and output."""

import os
import selectors
import shutil
import signal
import subprocess
import time
from typing import Final

import attrs

from filter_ban.firewall.base import Command, Fault, FirewallError

SEARCH_PATH: Final = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin")
MAX_OUTPUT_BYTES: Final = 256 << 20  # nft prints 40 bytes for an element
_MAX_STDERR_BYTES: Final = 4096
_PIECE_BYTES: Final = 1 << 16
# nft prints an element in six writes; to wake up for each of them would double the time of a listing.
_GATHER_BYTES: Final = 1 << 12
_GATHER_S: Final = 0.002


@attrs.frozen
class Runner:
    """
    Runs commands, one at a time; may be used from several threads.

    Args:
        prefix: Arguments that go before every command, such as ``("ip", "netns", "exec", NAME)``.
        search_path: Folders where tools are looked for; the environment's PATH is not asked.
        max_output_bytes: A tool that prints more is ended.

    """

    prefix: tuple[str, ...] = ()
    search_path: tuple[str, ...] = SEARCH_PATH
    max_output_bytes: int = MAX_OUTPUT_BYTES

    def __call__(self, command: Command) -> bytes:
        """
        Return what *command* prints.

        Raises:
            FirewallError: it is missing, took too long, printed too much, or ended with a status other than 0 and may not.

        """
        if command.optional and not self.has(command.argv[0]):
            return b""
        argv = (*self.prefix, *command.argv)
        deadline_s = time.monotonic() + command.timeout_s
        try:
            process = subprocess.Popen(
                argv,
                executable=self._find(argv[0]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd="/",
                start_new_session=True,  # so that what it starts ends with it
                env={"LC_ALL": "C", "PATH": ":".join(self.search_path)},
            )
        except OSError as error:
            raise FirewallError(
                argv, None, f"cannot be started: {error.strerror}", Fault.MISSING_TOOL
            ) from None
        with process:
            try:
                output, errors = _converse(process, command.stdin, deadline_s, self.max_output_bytes)
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired):
                why = f"no end within {command.timeout_s:g} s"
                raise FirewallError(argv, None, why, Fault.HUNG) from None
            except OverflowError as error:
                raise FirewallError(argv, None, str(error)) from None
            finally:
                if process.returncode is None:  # not reaped, so the number is still its own
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode < 0 or (process.returncode > 0 and not command.may_fail):
            raise FirewallError(argv, process.returncode, errors.decode(errors="backslashreplace"))
        return output

    def has(self, tool: str) -> bool:
        """Return whether *tool* is where tools are looked for."""
        return shutil.which(tool, path=":".join(self.search_path)) is not None

    def _find(self, tool: str) -> str:
        found = shutil.which(tool, path=":".join(self.search_path))
        if found is None:
            where = ":".join(self.search_path)
            raise FirewallError((tool,), None, f"not found in {where}", Fault.MISSING_TOOL)
        return found


def _converse(
    process: subprocess.Popen[bytes], stdin: bytes, deadline_s: float, max_output_bytes: int
) -> tuple[bytes, bytes]:
    """
    Write and read until the process has closed its ends; return its output and the start of its errors.

    Raises:
        TimeoutError: the deadline has passed.
        OverflowError: there is too much output.

    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    unwritten = memoryview(stdin)
    output, errors = bytearray(), bytearray()
    sinks = {process.stdout.fileno(): output, process.stderr.fileno(): errors}
    streams = {stream.fileno(): stream for stream in (process.stdin, process.stdout, process.stderr)}
    with selectors.DefaultSelector() as selector:
        for descriptor in streams:
            os.set_blocking(descriptor, False)
            selector.register(
                descriptor, selectors.EVENT_READ if descriptor in sinks else selectors.EVENT_WRITE
            )
        while streams:
            ready = selector.select(max(0.0, deadline_s - time.monotonic()))
            if not ready:
                raise TimeoutError
            for descriptor in (key.fd for key, _ in ready):
                if descriptor in sinks:
                    piece = os.read(descriptor, _PIECE_BYTES)
                    sinks[descriptor] += piece
                    ended = not piece
                    if 0 < len(piece) < _GATHER_BYTES:
                        time.sleep(_GATHER_S)
                else:
                    unwritten = unwritten[_write(descriptor, unwritten) :]
                    ended = not unwritten
                if ended:
                    selector.unregister(descriptor)
                    streams.pop(descriptor).close()
            del errors[_MAX_STDERR_BYTES:]
            if len(output) > max_output_bytes:
                raise OverflowError(f"printed more than {max_output_bytes} bytes")
    return bytes(output), bytes(errors)


def _write(descriptor: int, data: memoryview) -> int:
    """Return how many bytes are done with: all, if the reader has gone."""
    try:
        return os.write(descriptor, data[:_PIECE_BYTES])
    except BrokenPipeError:
        return len(data)
