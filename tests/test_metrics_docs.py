# SPDX-License-Identifier: ISC
"""The manual's page on metrics, the dashboard and the alert rules: they know just the metrics that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from filter_ban.cli.group import filter_ban
from filter_ban.metrics.families import FAMILIES, Family, Type

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "metrics.md").read_text()
RULES = DOCS / "alerts" / "filter-ban.rules.yml"
DASHBOARD: dict[str, Any] = json.loads((DOCS / "grafana" / "filter-ban.json").read_text())
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]

# what is in an expression beside names of metrics: PromQL's words and functions, and Prometheus's own labels and metric
WORDS = {
    *("and", "or", "unless", "by", "without", "offset"),
    *("sum", "min", "max", "count", "rate", "increase", "changes", "time", "vector", "histogram_quantile"),
}
OF_PROMETHEUS = {"job", "instance", "le"}
UP = "up"


def sample_names(family: Family) -> set[str]:
    """Return the names of the samples of *family*."""
    if family.type is Type.HISTOGRAM:
        return {f"{family.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")}
    return {family.name}


SAMPLES = {name: family for family in FAMILIES for name in sample_names(family)}
LABELS = {label for family in FAMILIES for label in family.labels}


def dashboard_expressions() -> Iterator[str]:
    """Yield every expression of the dashboard."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"label_values\((.*), \w+\)", r"\1", variable["query"]["query"])


EXPRESSIONS = [*dashboard_expressions(), *(alert["expr"] for alert in ALERTS)]


def words(expression: str) -> set[str]:
    """Return the names in *expression* that are neither labels, values, times nor variables."""
    bare = re.sub(
        r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"|\b(?:by|without|on) \([^)]*\)|\boffset \w+", "", expression
    )
    return set(re.findall(r"[a-z_]\w*", bare))


# --- the page


def row(family: Family) -> str:
    """Return the line of *family* in the page's tables."""
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"| `{family.name}` | {family.type} | {labels} | {family.doc} |"


def test_the_page_has_every_metric() -> None:
    """Each with the documentation of the code, in its order, and no other."""
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `(?:filter_ban|process)_", line)]

    assert rows == [row(family) for family in FAMILIES]


def test_the_page_has_every_alert() -> None:
    """In the order of the rules."""
    named = re.findall(r"^\| `(FilterBan\w+)`", PAGE, re.MULTILINE)

    assert named == [alert["alert"] for alert in ALERTS]


# --- the dashboard, and the rules


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_use_what_there_is(expression: str) -> None:
    """Every name is a sample's, and selects and groups by labels that it has."""
    names = words(expression) - WORDS

    assert names
    assert names <= SAMPLES.keys() | {UP}
    for name, selectors in re.findall(r"(\w+)\{([^}]*)\}", expression):
        labels = OF_PROMETHEUS | (set() if name == UP else set(SAMPLES[name].labels))
        assert set(re.findall(r"(\w+)=", selectors)) <= labels
    for grouped in re.findall(r"\b(?:by|without|on) \(([^)]*)\)", expression):
        assert set(grouped.split(", ")) <= LABELS | OF_PROMETHEUS


def test_the_dashboard_shows_every_metric() -> None:
    """Each family is in some panel."""
    shown = set().union(*map(words, dashboard_expressions())) & SAMPLES.keys()

    assert {SAMPLES[name].name for name in shown} == {family.name for family in FAMILIES}


def test_the_dashboard_is_whole() -> None:
    """Panels have numbers of their own, a text each, and no place twice; the data source is the reader's."""
    panels = DASHBOARD["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels if panel["type"] != "row")
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
    sources = {json.dumps(panel["datasource"]) for panel in panels if panel["type"] != "row"}
    assert sources == {'{"type": "prometheus", "uid": "${datasource}"}'}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """What, why and what to do; that has a command of filter-ban, and all commands exist."""
    texts = alert["annotations"]
    commands = re.findall(
        r"filter-ban ([a-z]+)", " ".join(re.findall(r'"(filter-ban[^"]*)"', texts["runbook"]))
    )

    assert list(texts) == ["summary", "description", "runbook"]
    assert alert["labels"]["severity"] in ("info", "warning", "critical")
    assert commands
    context = click.Context(filter_ban)
    assert all(filter_ban.get_command(context, command) is not None for command in commands)


def test_promtool_accepts_the_rules() -> None:
    """Prometheus's own check."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; it is in Debian's package prometheus, 96 MB")
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, timeout=60)
