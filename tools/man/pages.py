# SPDX-License-Identifier: ISC
"""The pages by the names of their files."""

from collections.abc import Callable
from typing import Final

from tools.man.command_page import command_page
from tools.man.configuration_page import configuration_page
from tools.man.firewall_page import firewall_page
from tools.man.relay_page import relay_page

PAGES: Final[dict[str, Callable[[], str]]] = {
    "filter-ban.1": command_page,
    "filter-ban.toml.5": configuration_page,
    "filter-ban-firewall.7": firewall_page,
    "filter-ban-opensmtpd.8": relay_page,
}
