# SPDX-License-Identifier: ISC
"""A report in a real browser: nothing is asked for or complained of, every chart is seen, no text is cut."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban.report.model import Report
from filter_ban.report.page import render
from tests.filter_ban.report.making import held, report, sums, week
from tests.real.chromium import Chromium, find_chromium

LONG = "xn--" + "a" * 50 + "." + "b" * 40  # no place to break

# of every chart and card: what is too small, out of the window, or has text that is cut
FAULTS = """
(() => {
  const faults = [], wide = document.documentElement.clientWidth;
  const seen = (e) => { const box = e.getBoundingClientRect(); return [box, box.width, box.height]; };
  const charts = document.querySelectorAll('svg[role=img], svg.bar');
  for (const svg of charts) {
    const [box, width, height] = seen(svg);
    if (width < 40 || height < 4 || box.left < 0 || box.right > wide + 1) faults.push(['svg', width, height, box.right]);
    const columns = [...svg.querySelectorAll('rect')].map((e) => e.getBoundingClientRect());
    if (!columns.length || columns.some((c) => !(c.width > 0.2 && c.height > 0.2))) faults.push(['column', columns.length]);
  }
  for (const e of document.querySelectorAll('h1, h2, h3, p, dt, dd, th, td, li, span, small, b, caption')) {
    const style = getComputedStyle(e);
    if (!e.textContent || style.display === 'none' || e.closest('details')) continue;
    const [box] = seen(e);
    if (box.left < -1 || box.right > wide + 1) faults.push(['out', e.tagName, e.textContent.slice(0, 30), box.right]);
    if (style.display !== 'inline' && e.scrollWidth > e.clientWidth + 1) faults.push(['cut', e.tagName, e.textContent.slice(0, 30)]);
  }
  for (const ticks of document.querySelectorAll('.ticks')) {
    const boxes = [...ticks.children].map((e) => e.getBoundingClientRect()).filter((box) => box.width);
    if (boxes.some((box, at) => at && box.left < boxes[at - 1].right + 2)) faults.push(['ticks', ticks.textContent]);
  }
  if (document.documentElement.scrollWidth > wide) faults.push(['overflow', document.documentElement.scrollWidth]);
  return {faults, charts: charts.length};
})()
"""

# the lowest contrast of a text with what is behind it, by WCAG 2.2, 1.4.3
CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let lowest = 21;
  for (const e of document.querySelectorAll('h1, h1 span, h2, h3, p, dt, b, small, th, td, li, summary, .scale span')) {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    lowest = Math.min(lowest, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return lowest;
})()
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """Return a browser."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium is installed (Debian package chromium)")
    with Chromium(program) as browser:
        yield browser


def strange() -> Report:
    """Return a report of long names and great numbers."""
    names = {LONG: 2**40, "2001:db8:ffff::/48": 1, "w" * 64: 5, "": 2**41}
    return report(
        held(sums=sums(user=names, network=names, service=names, failure=names, ban=names, drop=names)),
        host=LONG,
        news=[LONG],
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return pages by their name."""
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    for name, made in (("week", week(folder)), ("strange", strange()), ("nothing", report(held()))):
        files[name] = folder / f"{name}.html"
        files[name].write_text(render(made))
    return files


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 700, 1200])
@pytest.mark.parametrize(("name", "charts"), [("week", 35), ("strange", 15), ("nothing", 0)])
def test_page(
    chromium: Chromium, pages: dict[str, Path], name: str, charts: int, width: int, *, dark: bool
) -> None:
    """At every width, dark and light: no console message, no request, charts visible, texts whole and legible."""
    chromium.troubles.clear()
    chromium.show(pages[name], width=width, dark=dark)
    found = chromium.evaluate(FAULTS)
    assert found["faults"] == []
    assert found["charts"] >= charts
    assert chromium.evaluate(CONTRAST) >= 4.5
    paper = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(21, 25, 28)") is dark
    assert chromium.troubles == []


def test_numbers_are_there(chromium: Chromium, pages: dict[str, Path]) -> None:
    """The tables behind the charts open, and do not make the page wider than a phone."""
    chromium.show(pages["week"], width=360)
    chromium.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert chromium.evaluate("document.querySelectorAll('.numbers')[0].rows.length") > 28
    assert chromium.evaluate("document.documentElement.scrollWidth") == 360


def test_on_paper(chromium: Chromium, pages: dict[str, Path]) -> None:
    """Paper is white, also where the screen is dark."""
    chromium.show(pages["week"], width=760, dark=True, print_=True)
    assert chromium.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.evaluate(FAULTS)["faults"] == []
