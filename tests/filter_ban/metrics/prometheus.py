# SPDX-License-Identifier: ISC
"""Prometheus's own parsers of both forms; one of them has no types."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from filter_ban.metrics import Form

PARSERS: Final[dict[Form, Callable[[str], Iterable[Any]]]] = {
    Form.TEXT: parse_text,
    Form.OPENMETRICS: parse_openmetrics,
}
