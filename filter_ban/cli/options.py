# SPDX-License-Identifier: ISC
"""Options and arguments that several commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from filter_ban.config.values import parse_length

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])

CONFIG_FILE: Final = click.Path(path_type=Path)


class Command(click.Command):
    """A command whose help text ends with an example, written as it is typed."""

    def __init__(self, name: str | None, example: str, **attributes: Any) -> None:
        super().__init__(name, **attributes)
        self._example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the example."""
        with formatter.section("Example"):
            formatter.write(f"  {self._example}\n")


def config_option(command: Function) -> Function:
    """Let ``--config`` stand after the command too; either way it is the context's ``obj``."""

    def remember(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
        if value is not None:
            ctx.obj = value

    return click.option(
        "-c",
        "--config",
        type=CONFIG_FILE,
        callback=remember,
        expose_value=False,
        help="Configuration (default: /etc/filter-ban.toml).",
    )(command)


def json_option(command: Function) -> Function:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def everywhere_option(command: Function) -> Function:
    """Add ``--everywhere`` and ``--here``; None, where neither is given, leaves it to the daemon."""
    return click.option(
        "--everywhere/--here",
        "everywhere",
        default=None,
        help="On all nodes of the cluster (the default where there is one), or on this one alone.",
    )(command)


class Length(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.2
    """The length of a ban: seconds, a duration such as ``2h``, or ``forever``."""

    name = "length"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return seconds; None is for ever."""
        try:
            return parse_length(int(value) if isinstance(value, str) and value.isdecimal() else value)
        except ValueError as error:
            self.fail(f'{value!r}: {error}, or "forever"', param, ctx)


class BannedClient(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.2
    """A text that a shell completes to a client that is banned now."""

    name = "client"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> "list[CompletionItem]":
        """Return what it may become."""
        from filter_ban.cli.completion import banned_clients  # noqa: PLC0415 - for this alone

        return banned_clients(ctx.obj or ctx.find_root().params.get("config"), incomplete)
