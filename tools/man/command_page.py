# SPDX-License-Identifier: ISC
"""filter-ban(1): all commands, from click."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Final

import click

from filter_ban.cli.failures import Exit
from filter_ban.cli.group import COMMANDS, filter_ban
from tools.man.mdoc import display, escaped, literal, page, paragraphs, prose, tags

_EXIT: Final = {
    Exit.DONE: "Done.",
    Exit.REFUSED: "Not found, or refused; a message says why.",
    Exit.USAGE: "The command line is wrong.",
    Exit.UNAVAILABLE: "No daemon answers, or the machine does not let one start.",
    Exit.CONFIGURATION: "The configuration cannot be used; every fault is named.",
}
_DESCRIPTION: Final = """
filter-ban stops password guessing over SMTP and IMAP. It is a filter of OpenSMTPD, a policy service of Postfix and the
auth policy server of Dovecot; it sees each failed login as it happens, refuses whoever guesses in the dialogue, and puts
the ban into the firewall.

One command does all that an operator needs. Those that only look work without a daemon too: they read the ledger then,
and say so. With `--json` they print one JSON document. The control socket is for root and for the daemon's own user.

To let a client in that was banned by mistake: `filter-ban lift CLIENT`.

These options may stand behind a command too, all but `--version`:
"""
_FILES: Final = {
    "/etc/filter-ban.toml": "The configuration, filter-ban.toml(5).",
    "/var/lib/filter-ban/ledger.sqlite3": "The ledger: bans, offences, strikes and logins. On the BSDs in `/var/db/filter-ban`.",
    "/run/filter-ban/control.sock": "For the operator's commands. On the BSDs in `/var/run/filter-ban`.",
    "/run/filter-ban/relay.sock": "For the relays of OpenSMTPD, see filter-ban-opensmtpd(8).",
}


def command_page() -> str:
    """Return the page."""
    context = click.Context(filter_ban, info_name="filter-ban", **filter_ban.context_settings)
    return page(
        "filter-ban",
        1,
        "stop password guessing over SMTP and IMAP",
        ("SYNOPSIS", [".Nm", ".Op Fl c Ar FILE", ".Ar command", ".Op Ar argument ..."]),
        ("DESCRIPTION", [*paragraphs(_DESCRIPTION), *_options(filter_ban.get_params(context))]),
        ("COMMANDS", _commands(context)),
        ("FILES", tags((f"Pa {file}", prose(about)) for file, about in _FILES.items())),
        ("EXIT STATUS", tags((f"{int(status)}", prose(about)) for status, about in _EXIT.items())),
        (
            "SEE ALSO",
            [".Xr filter-ban.toml 5 ,", ".Xr filter-ban-firewall 7 ,", ".Xr filter-ban-opensmtpd 8"],
        ),
    )


def _commands(context: click.Context) -> Iterator[str]:
    for name in COMMANDS:
        command = filter_ban.get_command(context, name)
        assert command is not None
        yield f".Ss {name}"
        yield ".Nm"
        yield f".Cm {name}"
        yield from _usage(command)
        yield ".Pp"
        yield from paragraphs(inspect.cleandoc(command.help or "").replace("\b", ""))
        yield from _options(_own(command))
        example = getattr(command, "_example", None)
        if example:
            yield ".Pp"
            yield "Example:"
            yield from display(example)


def _own(command: click.Command) -> list[click.Parameter]:
    """Return the parameters of *command* but the one that all have."""
    return [parameter for parameter in command.params if "--config" not in parameter.opts]


def _usage(command: click.Command) -> Iterator[str]:
    """Yield the options and arguments of a command, in the form of a synopsis."""
    for parameter in sorted(_own(command), key=lambda parameter: isinstance(parameter, click.Argument)):
        if isinstance(parameter, click.Option):
            yield f".Op {_flag(parameter.opts[-1])}{_value(parameter)}"
        else:
            argument = f"Ar {literal(_name(parameter))}"
            yield f".{argument}" if parameter.required else f".Op {argument}"


def _options(parameters: Iterable[click.Parameter]) -> Iterator[str]:
    options = [parameter for parameter in parameters if isinstance(parameter, click.Option)]
    if options:
        yield from tags((_tag(option), prose(_help(option))) for option in options)


def _tag(option: click.Option) -> str:
    value = _value(option)
    return " , ".join(f"{_flag(opt)}{value}" for opt in option.opts)


def _flag(opt: str) -> str:
    return f"Fl Fl {escaped(opt[2:])}" if opt.startswith("--") else f"Fl {escaped(opt[1:])}"


def _value(option: click.Option) -> str:
    return (
        ""
        if option.is_flag or option.count or option.opts[-1] == "--version"
        else f" Ar {literal(_name(option))}"
    )


def _name(parameter: click.Parameter) -> str:
    """Return what stands for the value of *parameter*."""
    if parameter.metavar:
        return parameter.metavar.strip("[]")
    if isinstance(parameter.type, click.Choice):
        return "|".join(parameter.type.choices)
    kinds = {click.Path: "FILE", click.IntRange: "NUMBER"}
    return kinds.get(type(parameter.type), (parameter.name or "").upper())


def _help(option: click.Option) -> str:
    default = f" The default is `{option.default}`." if option.show_default is True else ""
    return (option.help or "") + default
