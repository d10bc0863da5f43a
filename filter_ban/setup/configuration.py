# SPDX-License-Identifier: ISC
"""``firewall.backend`` set in the text of our own configuration, and not another byte of it touched."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from filter_ban.config import ConfigError, parse_config
from filter_ban.setup.files import SetupError

_HEADER: Final = re.compile(r"^[ \t]*\[[ \t]*firewall[ \t]*\][ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)", re.MULTILINE)
# A string on one line, or an array of them without a comment in it.
_VALUE: Final = re.compile(
    r"""^[ \t]*(?:firewall[ \t]*\.[ \t]*)?backend[ \t]*=[ \t]*(?P<value>"[^"\\\n]*"|'[^'\n]*'|\[[^\]#]*\])""",
    re.MULTILINE,
)


def with_backend(text: str, backend: str, file: str) -> str:
    """
    Return a configuration that pushes bans to *backend*.

    What names it already, alone or in an array, stays as it is; another value is replaced.

    Args:
        text: A configuration that can be used.
        backend: Name of it.
        file: Name of the file, for errors.

    Raises:
        SetupError: the text is written in a way that we do not change, or would contradict itself.

    """
    document = tomllib.loads(text)
    firewall = document.get("firewall", {})
    given = firewall.get("backend")
    if given == backend or (isinstance(given, list) and backend in given):
        return text
    wanted = document | {"firewall": firewall | {"backend": backend}}
    new = next((edited for edited in _edits(text, backend) if _document(edited) == wanted), None)
    if new is None:
        raise SetupError(
            f'{file}: firewall.backend is not set in a way we can change; write: backend = "{backend}"'
        )
    try:
        parse_config(new, file)
    except ConfigError as error:
        raise SetupError(f"{error}; nothing is changed") from None
    return new


def _edits(text: str, backend: str) -> Iterator[str]:
    """
    Yield the text with *backend* at each place that looks right.

    A place may be within a string of several lines: what each edit means has to be compared.
    """
    for found in _VALUE.finditer(text):
        yield f'{text[: found.start("value")]}"{backend}"{text[found.end("value") :]}'
    end = "\r\n" if "\r\n" in text else "\n"
    line = f'backend = "{backend}"{end}'
    for found in _HEADER.finditer(text):
        yield f"{text[: found.end()]}{_gap(text[: found.end()], end)}{line}{text[found.end() :]}"
    blank = end if text else ""
    yield f"{text}{_gap(text, end)}{blank}[firewall]{end}{line}"


def _gap(before: str, end: str) -> str:
    return end if before and not before.endswith("\n") else ""


def _document(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
