# SPDX-License-Identifier: ISC
"""``filter-ban doctor``: is the configuration of the mail servers as it must be."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document
from filter_ban.cli.failures import Exit, Failure, Unavailable
from filter_ban.cli.options import Command, config_option, json_option
from filter_ban.cli.reading import load, print_json
from filter_ban.cli.wording import printable
from filter_ban.config import Config
from filter_ban.doctor import daemon
from filter_ban.doctor.examination import SERVERS, Examination, installed_servers
from filter_ban.doctor.finding import Finding, Severity


@click.command("doctor", cls=Command, example="filter-ban doctor postfix")
@click.argument("servers", metavar="[postfix|dovecot|opensmtpd]", nargs=-1, type=click.Choice(SERVERS))
@click.option("--smtpd-conf", type=click.Path(path_type=Path), help="OpenSMTPD's configuration.")
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, *, servers: Sequence[str], smtpd_conf: Path | None, as_json: bool) -> None:
    """
    Find what is wrong in the mail servers' configuration.

    Looks at the configuration in use of every server that is installed here, or of those named, and at the daemon.
    Changes nothing. One line for each finding, with the line to add.

    Exit status: 0 all is well, 1 there are findings.
    """
    config, _ = load(ctx.obj)
    examined = [server for server in SERVERS if server in (servers or installed_servers(smtpd_conf))]
    unavailable, problems = _daemon(config)
    examination = Examination(config, smtpd_conf, problems)
    findings = [finding for server in examined for finding in examination.examine(server)]
    if not examined:
        text = "neither Postfix nor Dovecot nor OpenSMTPD is installed here"
        findings.append(
            Finding(daemon.SERVER, Severity.MISSING, "no-server", text, "filter-ban doctor --help")
        )
    if not servers and not any(finding.name == "endpoint-down" for finding in findings):
        findings += daemon.findings(unavailable, problems, examination.told)
    if as_json:
        print_json({"ok": not findings, "servers": examined, "findings": [*map(attrs.asdict, findings)]})
    else:
        for finding in findings:
            click.echo(printable(str(finding)))
        if not findings:
            click.echo(f"{', '.join(examined)}: all is well")
    ctx.exit(Exit.REFUSED if findings else Exit.DONE)


def _daemon(config: Config) -> tuple[str, dict[str, str]]:
    """Return why no daemon answers, and what it says of its listeners."""
    try:
        with DaemonClient.find(config) as client:
            status: Document = client.ask_one("status")
    except Unavailable as error:
        return error.message, {}
    except Failure:
        return "", {}  # it answers, and that is all that is asked here
    return "", daemon.listener_problems(status)
