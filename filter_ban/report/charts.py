# SPDX-License-Identifier: ISC
"""
Charts of columns as inline SVG.

The drawing is stretched to the width that there is; all text stands beside it as HTML, so that it keeps its size and
wraps on a phone. Each column has a title, which browsers show as a tooltip.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

import attrs

from filter_ban.report import words

HEIGHT: Final = 100
_GAP: Final = 0.2  # of a column
_LEAST: Final = 1.5  # what is not nothing is seen
_FEW: Final = 4
_STEPS: Final = (2, 3, 4, 5, 6, 8, 10)
_TICKS_APART: Final = 0.24  # of the width: labels must not touch
_LAST_TICK: Final = 0.82  # of the width: nor stand out


@attrs.frozen
class Column:
    """One column: what it stands for, in a few words, and how high it is."""

    label: str
    value: int


def ceiling(highest: int) -> int:
    """Return a number, not below *highest*, that makes a good scale, and its half too."""
    if highest <= _FEW:
        return _FEW
    power = 1
    while 10 * power < highest:
        power *= 10
    steps = (power * step for step in _STEPS)
    return next(step for step in steps if step >= highest and not step % 2)


def drawing(name: str, columns: Sequence[Column], *, title: str, description: str) -> str:
    """Return the drawing of *columns* with its scale; it has no labels below. No other in the page has its *name*."""
    top = ceiling(max(column.value for column in columns))
    bars = "".join(_bar(at, column, top) for at, column in enumerate(columns) if column.value)
    width = len(columns)
    grid = (
        f'<path class="grid" vector-effect="non-scaling-stroke" d="M0 0H{width}M0 50H{width}M0 100H{width}"/>'
    )
    return (
        f'<div class="scale" aria-hidden="true"><span>{words.number(top)}</span><span>{words.number(top // 2)}</span>'
        f"<span>0</span></div>"
        f'<svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(description)}</desc>{grid}{bars}</svg>'
    )


def _bar(at: int, column: Column, top: int) -> str:
    height = max(_LEAST, HEIGHT * column.value / top)
    return (
        f'<rect x="{at + _GAP / 2:g}" y="{HEIGHT - height:.4g}" width="{1 - _GAP:g}" height="{height:.4g}">'
        f"<title>{escape(column.label)}: {words.number(column.value)}</title></rect>"
    )


def ticks(labels: Sequence[str]) -> str:
    """Return some of *labels*, of which there is one for each column, where their columns begin; each only once."""
    places: list[int] = []
    for at, label in enumerate(labels):
        is_new = not at or label != labels[at - 1]
        apart = at - places[-1] if places else len(labels)
        if is_new and apart >= _TICKS_APART * len(labels) and at <= _LAST_TICK * len(labels):
            places.append(at)
    spans = "".join(
        f'<span style="left:{100 * at / len(labels):.4g}%">{escape(labels[at])}</span>' for at in places
    )
    return f'<div class="ticks" aria-hidden="true">{spans}</div>'


def bar(value: int, highest: int) -> str:
    """Return a line as long as *value* beside *highest*."""
    length = max(1.0, HEIGHT * value / highest) if highest else 0.0
    return (
        f'<svg class="bar" viewBox="0 0 {HEIGHT} 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{length:.4g}" height="1"/></svg>'
    )
