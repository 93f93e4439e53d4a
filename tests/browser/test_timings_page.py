"""The page of ``python -m tcunit timings --html``, as a real browser shows it."""

from __future__ import annotations

import base64
import json
import tempfile
import unittest
from itertools import combinations
from pathlib import Path
from typing import Any

from tcunit.cli.timings.page import page as page_of
from tcunit.cli.timings.recorded import read
from tests.stand_ins.browser import NoBrowser, Page, opened
from tests.unit.recordings import flush, one_start, shop, thing, written

EVIL = 'te.<script>alert("1")</script>&Test'

BARS = """
[...document.querySelectorAll(".lane")].flatMap(lane => {
  const track = lane.querySelector(".track").getBoundingClientRect();
  return [...lane.querySelectorAll(".bar, .critical")].map(bar => {
    const box = bar.getBoundingClientRect();
    return {
      lane: lane.querySelector(".label").textContent,
      kind: bar.className, left: (box.left - track.left) / track.width,
      width: box.width / track.width, height: box.height, track: track.width,
      colour: getComputedStyle(bar).backgroundColor,
    };
  });
})
"""

# Each piece of text that can be seen, with the box that its letters fill.
TEXTS = """
(() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const found = [];
  let number = 0;
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (!text.data.trim() || !text.parentElement.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    number += 1;
    let clip = text.parentElement;
    while (clip !== document.body && getComputedStyle(clip).overflowX === "visible") {
      clip = clip.parentElement;
    }
    const limit = clip.getBoundingClientRect();
    for (const box of range.getClientRects()) {
      const right = Math.min(box.right, limit.right), bottom = Math.min(box.bottom, limit.bottom);
      if (right - box.left < 1 || bottom - box.top < 1) continue;
      const size = parseFloat(getComputedStyle(text.parentElement).fontSize);
      const height = Math.min(bottom - box.top, size);
      const middle = (box.top + bottom) / 2;
      const [top, below] = [middle - height / 2, middle + height / 2];
      found.push([number, text.data.trim(), box.left, top, right, below]);
    }
  }
  return found;
})()
"""

# How well text stands out from its ground, by the formula of the WCAG.
CONTRASTS = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (grounds) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const ground of grounds) { canvas.fillStyle = ground; canvas.fillRect(0, 0, 1, 1); }
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => c / 255).map(
      c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  return [...document.querySelectorAll("h1, h2, p, dt, dd, small, li, li b, code, .label, em, "
      + ".time, th, td, button")].filter(each => each.checkVisibility()).map(each => {
    const grounds = [];
    for (let at = each; at; at = at.parentElement) {
      grounds.unshift(getComputedStyle(at).backgroundColor);
    }
    const ground = light(over(grounds));
    const ink = light(over([...grounds, getComputedStyle(each).color]));
    const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
    return [each.tagName + "." + each.className + " " + each.textContent.slice(0, 20), ratio];
  });
})()
"""

# The share of a picture's pixels that have its most frequent colour, and how many colours it has.
COLOURS = """
(async () => {
  const blob = await (await fetch("data:image/png;base64,PICTURE")).blob();
  const picture = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  canvas.drawImage(picture, 0, 0);
  const pixels = new Uint32Array(
    canvas.getImageData(0, 0, picture.width, picture.height).data.buffer);
  const count = new Map();
  for (const pixel of pixels) count.set(pixel, (count.get(pixel) || 0) + 1);
  const most = [...count.entries()].reduce((a, b) => a[1] > b[1] ? a : b);
  return { colours: count.size, share: most[1] / pixels.length, ground: most[0] & 0xff };
})()
"""


def recording(folder: Path) -> Path:
    """Two workers; names that are long, or that would be code if they were not escaped."""
    spans, things = shop()
    long = "a_name_that_is_a_good_deal_longer_than_its_column_is_wide"
    odd = [
        ("start-up", EVIL, "", 1.0, 2.0, ""),
        *one_start(EVIL, long, 1.0, 0.5, 0.5, 1.0),
        ("tests", EVIL, "", 3.0, 1.0, "test_it"),
        ("tear-down", EVIL, long, 4.0, 1.0, ""),
        ("tear-down", EVIL, "", 4.0, 1.0, ""),
    ]
    return written(
        folder / "timings.json",
        flush(spans, things, pid=7, worker="gw0"),
        flush(odd, [thing(EVIL, long)], pid=8, worker="gw1"),
    )


class TimingsPageTest(unittest.TestCase):
    """One browser shows one page to all tests."""

    page: Page

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.file = folder / "page.html"
        cls.file.write_text(page_of(read(recording(folder))[0]), "utf-8")
        try:
            cls.page = cls.enterClassContext(opened())
        except NoBrowser as error:
            raise unittest.SkipTest(str(error)) from error

    def setUp(self) -> None:
        self.page.resize(1300, 1600)
        self.page.prefer("light")
        self.page.go(self.file.as_uri())

    def bars(self, lane: str, kind: str) -> list[Any]:
        """The bars of one lane that have a class."""
        found = self.page.evaluate(BARS)
        return [each for each in found if each["lane"] == lane and kind in each["kind"].split()]

    def test_bars_are_in_proportion(self) -> None:
        """A second is everywhere a tenth of the track's width, and begins where it began."""
        for lane, kind, began, seconds in [
            ("ShopTest", "p-connect", 0.0, 0.5), ("ShopTest", "p-start-up", 0.5, 5.5),
            ("ShopTest", "p-tear-down", 8.0, 2.0), ("net", "p-create", 0.5, 0.5),
            ("db", "p-create", 1.0, 0.5), ("db", "p-start", 1.5, 0.5), ("db", "p-wait", 2.0, 3.0),
            ("db", "p-up", 5.0, 3.5), ("db", "critical", 1.0, 4.0), ("web", "critical", 5.0, 1.0),
            ("cache", "p-up", 2.0, 6.5),
        ]:  # fmt: skip
            with self.subTest(lane=lane, kind=kind):
                (bar,) = self.bars(lane, kind)
                self.assertAlmostEqual(began / 10, bar["left"], delta=2 / bar["track"])
                self.assertAlmostEqual(seconds / 10, bar["width"], delta=2 / bar["track"])
                self.assertGreaterEqual(bar["height"], 2)
        self.assertEqual(2, len(self.bars("ShopTest", "p-tests")))
        self.assertEqual([], self.bars("cache", "critical"))

    def test_phases_have_colours_of_their_own(self) -> None:
        """In both schemes, and none is the ground's."""
        for scheme in ("light", "dark"):
            self.page.prefer(scheme)
            colours = {each["kind"]: each["colour"] for each in self.page.evaluate(BARS)}
            colours.pop("critical")
            colours["ground"] = self.page.evaluate(
                "getComputedStyle(document.body).backgroundColor"
            )
            self.assertEqual(len(colours), len(set(colours.values())), colours)

    def test_no_complaints_and_no_requests(self) -> None:
        """The page needs nothing but itself, and nothing in it goes wrong; names are no code."""
        for _ in range(3):
            self.page.evaluate("document.querySelector('.zoom button:last-child').click()")
        self.assertEqual([], self.page.complaints)
        self.assertEqual([self.file.as_uri()], [u for u in self.page.requests if u != "data:,"])
        labels = self.page.evaluate("[...document.querySelectorAll('.own .label')]"
                                    ".map(each => each.textContent)")  # fmt: skip
        self.assertEqual(["ShopTest", EVIL.removeprefix("te.")], labels)

    def test_text_does_not_overlap(self) -> None:
        """On a wide screen and on a telephone's; and nothing is wider than the window."""
        for width in (1300, 800, 390):
            with self.subTest(width=width):
                self.page.resize(width, 1600)
                texts = self.page.evaluate(TEXTS)
                self.assertGreater(len(texts), 60)
                for (number, one, *a), (other, two, *b) in combinations(texts, 2):
                    apart = number == other or (
                        a[0] >= b[2] - 1 or b[0] >= a[2] - 1 or a[1] >= b[3] or b[1] >= a[3]
                    )
                    self.assertTrue(apart, f"{one!r} {a} overlaps {two!r} {b}")
                self.assertLessEqual(self.page.evaluate("document.body.scrollWidth"), width)

    def test_text_can_be_read(self) -> None:
        """Each text has a contrast of 4.5 or more, in both schemes."""
        for scheme in ("light", "dark"):
            self.page.prefer(scheme)
            found = self.page.evaluate(CONTRASTS)
            self.assertGreater(len(found), 60)
            self.assertEqual([], [each for each in found if each[1] < 4.5], scheme)

    def test_pictures(self) -> None:
        """Neither scheme's picture is blank, and their grounds are light and dark."""
        for scheme, is_light in (("light", True), ("dark", False)):
            self.page.prefer(scheme)
            picture = base64.b64encode(self.page.screenshot()).decode()
            seen = self.page.evaluate(COLOURS.replace("PICTURE", picture))
            self.assertGreater(seen["colours"], 50, seen)
            self.assertLess(seen["share"], 0.95, seen)
            self.assertEqual(is_light, seen["ground"] > 128, seen)

    def test_details_under_the_pointer(self) -> None:
        """A bar tells its name, its time and its meaning; leaving the chart hides that."""
        where = self.page.evaluate(
            "(box => [box.left + box.width / 2, box.top + box.height / 2])(document"
            ".querySelector('.on-path .bar.p-wait').getBoundingClientRect())"
        )
        self.page.point_at(*where)
        details = json.loads(self.page.evaluate(
            "(details => JSON.stringify([details.hidden, details.innerText]))"
            "(document.getElementById('details'))"
        ))  # fmt: skip
        wanted = "db: wait 3.00 s\nfrom 2.00 s on\nit runs and is not ready yet"
        self.assertEqual([False, wanted], details)
        self.page.point_at(5, 5)
        self.assertTrue(self.page.evaluate("document.getElementById('details').hidden"))

    def test_zoom(self) -> None:
        """Twice as near, bars are twice as wide; "fit" goes back; the axis has the same seconds."""

        def width() -> float:
            (bar,) = self.bars("db", "p-wait")
            return float(bar["width"] * bar["track"])

        before = width()
        click = "document.querySelector('.zoom button[data-by=\"{}\"]').click()"
        self.page.evaluate(click.format(2))
        self.assertAlmostEqual(2 * before, width(), delta=20)
        ticks = self.page.evaluate(
            "[...document.querySelectorAll('.axis .track span')].map(tick => "
            "[tick.textContent, parseFloat(tick.style.left)])"
        )
        seconds = {text: left / 10 for text, left in ticks}
        self.assertAlmostEqual(2, seconds["2 s"])
        self.page.evaluate(click.format(0))
        self.assertAlmostEqual(before, width(), delta=1)

    def test_spoken(self) -> None:
        """Who does not see the chart is told each lane's phases; the keyboard reaches it."""
        label = self.page.evaluate(
            "document.querySelector('.on-path [role=img][aria-label^=\"db\"]').ariaLabel"
        )
        self.assertEqual("db: create 500 ms, start 500 ms, wait 3.00 s, tear-down 1.00 s", label)
        self.assertEqual(0, self.page.evaluate("document.querySelector('.chart').tabIndex"))
