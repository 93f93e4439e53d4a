"""What is made of the timings: runs, the critical path, advice, sums, and each way to draw them."""

from __future__ import annotations

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from rich.console import Console

from tcunit import cli, timings
from tcunit.cli.timings.advice import advice_for, critical, length, starts_of
from tcunit.cli.timings.page import page, ticks
from tcunit.cli.timings.phases import PHASES, seconds
from tcunit.cli.timings.plain import lines
from tcunit.cli.timings.recorded import NoTimings, Run, read
from tcunit.cli.timings.summary import contents, parts_of_run, rows_of
from tcunit.cli.timings.terminal import draw

from .recordings import Spans, flush, one_start, shop, thing, written


class ReportTest(unittest.TestCase):
    """Each test has a folder."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = self.folder / "timings.json"

    def runs(self, *flushes: str) -> list[Run]:
        """What is read from a file of these lines."""
        return read(written(self.path, *flushes))

    def only(self, *flushes: str) -> Run:
        """The one run in a file of these lines."""
        (run,) = self.runs(*flushes)
        return run

    def advice(self, *flushes: str) -> list[tuple[float, str]]:
        """What is advised, rounded."""
        return [(round(each.saves, 2), each.text) for each in advice_for(self.only(*flushes))]

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """What ``python -m tcunit timings`` returns and prints."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(["timings", *arguments])
        return code, out.getvalue(), err.getvalue()


class ReadingTest(ReportTest):
    """From lines to runs."""

    def test_lanes(self) -> None:
        """A class has its own lane and one for each thing, in the order of their beginning."""
        run = self.only(flush(*shop()))
        (case,) = run.cases
        self.assertEqual("ShopTest", case.title)
        self.assertEqual(["", "net", "db", "cache", "web"], [lane.thing for lane in case.lanes])
        self.assertEqual((10.0, 2, 1), (round(run.seconds, 3), case.tests, run.processes))
        db = case.things[1]
        self.assertEqual([(1.0, 5.0)], [
            (start.began - run.began, start.ready - run.began) for start in db.starts
        ])  # fmt: skip
        self.assertEqual([(5.0, 8.5)], [(a - run.began, b - run.began) for a, b in db.up])

    def test_processes_of_one_command(self) -> None:
        """Are one run, each with its own classes, also of the same name."""
        run = self.only(
            flush(*shop(), pid=1, worker="gw0"), flush(*shop(at=1), pid=2), flush([], [], pid=3)
        )
        self.assertEqual(["gw0", "process 2"], [case.process for case in run.cases])
        self.assertAlmostEqual(11, run.seconds)

    def test_commands_one_after_the_other(self) -> None:
        """Are runs of their own, the first one first."""
        runs = self.runs(flush(*shop(at=100), group=2), flush(*shop(), group=1))
        self.assertEqual([100], [round(runs[1].began - runs[0].began)])

    def test_several_flushes(self) -> None:
        """What one process wrote bit by bit belongs together."""
        spans, things = shop()
        whole, parts = flush(spans, things), [flush([], things), *(flush([s], []) for s in spans)]
        self.assertEqual(self.only(whole), self.only(*parts))

    def test_a_wait_of_a_fault_is_no_start(self) -> None:
        """Only what was created was started."""
        run = self.only(flush([("wait", "Shop", "db", 1, 1, "")], []))
        self.assertEqual([], run.cases[0].things[0].starts)

    def test_what_is_no_such_file(self) -> None:
        """One line says which file, what is wrong, and what to do; the exit code is 2."""
        for text, said in [
            (None, "cannot be read"), ("", "holds no timings"), ("{", "holds no timings of tcunit"),
            ('{"spans": []}', "holds no timings of tcunit"), ("[1]", "holds no timings of tcunit"),
        ]:  # fmt: skip
            with self.subTest(text=text):
                self.path.unlink(missing_ok=True)
                if text is not None:
                    self.path.write_text(text)
                code, out, err = self.command(str(self.path))
                self.assertEqual((2, ""), (code, out))
                self.assertIn(f"{self.path} {said}", err)
                self.assertIn("TCUNIT_TIMINGS", err)
                self.assertEqual(1, err.count("\n"))

    def test_every_phase_has_a_look(self) -> None:
        """What can be recorded can be drawn."""
        self.assertEqual(set(timings.Phase.__args__), set(PHASES))  # type: ignore[attr-defined]


class CriticalPathTest(ReportTest):
    """What decided how long a class waited."""

    def test_through_needs(self) -> None:
        """It goes back from what was ready last, by what that needed."""
        (case,) = self.only(flush(*shop())).cases
        self.assertEqual(["net", "db", "web"], [start.lane.thing for start in critical(case)])

    def test_shared_ones_start_first(self) -> None:
        """What a class shares with others is waited for before its own begins."""
        spans: Spans = [
            ("start-up", "Shop", "", 0, 4, ""),
            *one_start("Shop", "shared", 0, 1, 1, 1), *one_start("Shop", "own", 3, 0.5, 0.25, 0.25),
        ]  # fmt: skip
        things = [thing("Shop", "shared", scope="run"), thing("Shop", "own")]
        (case,) = self.only(flush(spans, things)).cases
        self.assertEqual(["shared", "own"], [start.lane.thing for start in critical(case)])

    def test_nothing_started(self) -> None:
        """A class that found everything started has none."""
        (case,) = self.only(flush([("tests", "Shop", "", 0, 1, "test_it")], [])).cases
        self.assertEqual([], critical(case))

    def test_laid_out_anew(self) -> None:
        """Without a thing, or without one edge, the others follow as they would."""
        (case,) = self.only(flush(*shop())).cases
        starts = starts_of(case)
        for wanted, ready, without in [
            (5.5, (), ("", "")), (2.5, ("db",), ("", "")), (1.0, ("net", "db", "cache"), ("", "")),
            (4.5, (), ("web", "db")), (0.0, ("net", "db", "cache", "web"), ("", "")),
        ]:  # fmt: skip
            with self.subTest(ready=ready, without=without):
                self.assertAlmostEqual(wanted, length(starts, ready, without), places=3)


class AdviceTest(ReportTest):
    """What to do about it."""

    def test_share(self) -> None:
        """What three classes start alike could be started once: twice its start is saved."""
        flushes = [flush(*shop(f"shop.Test{number}", 10 * number)) for number in range(3)]
        self.assertEqual(
            (11.0, 'net, db, cache and web are started anew by each of 3 classes: declare once, in '
             'a base class, with_scope("run"), and with_reset() where tests change the state'),
            self.advice(*flushes)[0],
        )  # fmt: skip

    def test_share_a_part(self) -> None:
        """What only one of them has is not saved, and what differs is not the same."""
        own = "shop.Other"
        spans = [
            ("start-up", own, "", 10, 5, ""), *one_start(own, "db", 10, 0.5, 0.5, 3.0),
            *one_start(own, "cache", 10, 1.0, 1.0, 1.0),
        ]  # fmt: skip
        things = [thing(own, "db", image="postgres"), thing(own, "cache", image="another")]
        first, *_ = self.advice(flush(*shop()), flush(spans, things))
        self.assertEqual((1.0, "db is started anew by each of 2 classes"),
                         (first[0], first[1].partition(":")[0]))  # fmt: skip

    def test_share_among_processes(self) -> None:
        """Processes do not share what lives for the run."""
        told = self.advice(flush(*shop(), pid=1), flush(*shop(), pid=2))
        self.assertNotIn("started anew by each", str(told))

    def test_test_scope(self) -> None:
        """What is started anew for each test costs all starts and ends but one."""
        spans: Spans = []
        for at in (0, 3, 6):
            test = f"test_{at}"
            spans += [
                ("start-up", "Shop", "", at, 1.0, test), *one_start("Shop", "job", at, 0.5, 0.5, 0),
                ("tests", "Shop", "", at + 1, 1.0, test),
                ("tear-down", "Shop", "", at + 2, 0.5, test),
            ]  # fmt: skip
        self.assertEqual(
            [(3.0, 'Shop starts job anew for each of 3 tests: leave with_scope("test") away, and '
                   "let with_reset() bring the state back")],
            self.advice(flush(spans, [thing("Shop", "job", scope="test")])),
        )  # fmt: skip

    def test_by_choice(self) -> None:
        """A dependency that is not insisted on could be left out; a network could not."""
        self.assertEqual(
            [(1.0, "ShopTest starts web only when db is ready: if web can wait for db by itself, "
                   "leave depends_on(db) away")],
            self.advice(flush(*shop())),
        )  # fmt: skip

    def test_pull(self) -> None:
        """An image that was pulled is told once."""
        spans: Spans = [
            ("start-up", "Shop", "", 0, 9, ""), ("pull", "Shop", "a", 0, 8, ""),
            ("create", "Shop", "a", 8, 1, ""), ("pull", "Shop", "b", 0, 7.5, ""),
        ]  # fmt: skip
        things = [thing("Shop", name, image="postgres") for name in "ab"]
        (found,) = self.advice(flush(spans, things))
        self.assertEqual(8.0, found[0])
        self.assertIn("waited for postgres to be pulled", found[1])

    def test_width(self) -> None:
        """A start whose turn had come long before it began asks for more threads."""
        spans = [("start-up", "Shop", "", 0.0, 4.0, "")]
        for number in range(4):
            spans += one_start("Shop", f"n{number}", number // 2 * 2, 1, 0.5, 0.5)
        found = self.advice(flush(spans, [thing("Shop", f"n{number}") for number in range(4)]))
        self.assertEqual(
            [(2.0, "2 things of Shop waited for their turn: try a larger TCUNIT_START_WIDTH")],
            found,
        )

    def test_little(self) -> None:
        """What would save next to nothing is not worth a word."""
        spans = [("start-up", "Shop", "", 0.0, 0.2, ""), *one_start("Shop", "a", 0, 0.1, 0.05, 0)]
        things = [thing("Shop", "a"), thing("Shop", "b", "a")]
        spans += one_start("Shop", "b", 0.15, 0.02, 0.03, 0)
        self.assertEqual([], self.advice(flush(spans, things)))


class DrawingTest(ReportTest):
    """Each way in which it is shown."""

    def test_sums(self) -> None:
        """The parts of a run are all of it, and the costly things come first."""
        run = self.only(flush(*shop()))
        parts = {name: round(spent, 3) for name, spent in parts_of_run(run).items()}
        self.assertEqual({"start-up": 6, "tests": 2, "tear-down": 2, "other": 0}, parts)
        self.assertEqual(
            [("db", 5.0), ("cache", 1.5), ("web", 1.5), ("net", 1.0)],
            [(row.lane.thing, round(row.total, 3)) for row in rows_of(run)],
        )
        self.assertTrue(
            contents(run).startswith("2 tests, 1 class, 3 containers, 1 network, 1 process; began ")
        )

    def test_plain(self) -> None:
        """Where no terminal is, each line has tabs and says first what it is about."""
        written(self.path, flush(*shop()))
        code, out, err = self.command(str(self.path))
        self.assertEqual((0, ""), (code, err))
        rows = [line.split("\t") for line in out.splitlines()]
        self.assertIn(["run", "10.000", "6.000", "2.000", "2.000", "0.000"], rows)
        self.assertIn(
            ["thing", "5.000", "0.000", "0.500", "0.500", "3.000", "0.000", "1.000", "0.000",
             "critical", "class", "db", "shop.ShopTest", ""], rows,
        )  # fmt: skip
        self.assertIn(
            ["class", "10.000", "6.000", "2.000", "2.000", "2", "shop.ShopTest", ""], rows
        )
        self.assertNotIn("\x1b", out)

    def drawn(self, run: Run, **options: bool) -> str:
        """What a terminal of 100 columns shows."""
        out = io.StringIO()
        console = Console(file=out, width=100, highlight=False, force_terminal=True, **options)
        draw(run, console)
        return out.getvalue()

    def test_terminal_without_colours(self) -> None:
        """Phases are letters there, in proportion; the critical path is marked."""
        lines = self.drawn(self.only(flush(*shop())), no_color=True).splitlines()
        plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in lines]
        (db,) = [line for line in plain if line.startswith("▸ db")]
        bar = db[27:91]
        for letter, cells in (("c", 3), ("s", 3), ("w", 19), ("─", 22), ("d", 6)):
            self.assertAlmostEqual(cells, bar.count(letter), delta=1, msg=db)
        self.assertEqual(
            sorted(bar.replace(" ", ""), key="csw─d".index), list(bar.replace(" ", ""))
        )
        self.assertTrue(any(line.startswith("  cache") for line in plain))
        self.assertLessEqual(max(map(len, plain)), 100)

    def test_terminal_with_colours(self) -> None:
        """The same in colours, the advice with it."""
        shown = self.drawn(self.only(flush(*shop())))
        self.assertIn("█", shown)
        self.assertIn("saves about 1.00 s", shown)

    def test_terminal_of_many_classes(self) -> None:
        """Draws those that took longest, and says that there are more."""
        flushes = [flush(*shop(f"shop.Test{number}", 10 * number)) for number in range(12)]
        shown = self.drawn(self.only(*flushes))
        self.assertIn("… and 4 more; --all shows them", shown)

    def test_page(self) -> None:
        """It is whole, names are escaped, and nothing in it leads elsewhere."""
        spans, things = shop("te.<b>&Test")
        text = page(self.only(flush(spans, things)))
        self.assertTrue(text.startswith("<!doctype html>") and text.endswith("</html>\n"))
        self.assertIn("&lt;b&gt;&amp;Test", text)
        self.assertNotIn("<b>&Test", text)
        for elsewhere in ("http:", "https:", "//", "@import", "url("):
            self.assertNotIn(elsewhere, text.replace("  // ", ""), elsewhere)

    def test_html(self) -> None:
        """The page goes to the file that is named, or to standard output."""
        written(self.path, flush(*shop()))
        target = self.folder / "page.html"
        self.assertEqual(
            (0, f"wrote {target}\n", ""), self.command(str(self.path), "--html", str(target))
        )
        _, out, _ = self.command(str(self.path), "--html", "-")
        self.assertEqual(target.read_text(), out.removesuffix("\n"))
        code, _, err = self.command(str(self.path), "--html", str(self.folder / "no" / "page.html"))
        self.assertEqual(2, code)
        self.assertIn("the page cannot be written", err)

    def test_run(self) -> None:
        """One of several runs is chosen by its number; one that is not there is refused."""
        written(self.path, flush(*shop(), group=1), flush(*shop("shop.New", 50), group=2))
        _, out, err = self.command(str(self.path))
        self.assertIn("shop.New", out)
        self.assertIn("the last of 2 runs", err)
        _, out, err = self.command(str(self.path), "--run", "1")
        self.assertEqual((True, ""), ("shop.ShopTest" in out, err))
        code, _, err = self.command(str(self.path), "--run", "3")
        self.assertEqual((2, True), (code, "a number from 1 to 2" in err))

    def test_nothing_but_instants(self) -> None:
        """A run in which nothing took time can be drawn all the same."""
        run = self.only(flush([("tests", "Shop", "", 0, 0, "test_it")], []))
        self.assertIn("</html>", page(run))
        self.assertIn("Shop", self.drawn(run))
        self.assertGreater(len(list(lines(run))), 3)

    def test_words(self) -> None:
        """Times are given as precisely as matters, and axes have round numbers."""
        told = {0.0004: "0 ms", 0.0853: "85 ms", 0.9996: "1.00 s", 9.994: "9.99 s", 71.23: "71.2 s"}
        self.assertEqual(list(told.values()), [seconds(each) for each in told])
        self.assertEqual([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5], ticks(3.9))
        self.assertEqual([0], ticks(0))

    def test_error_of_its_own(self) -> None:
        """Survives what errors go through between processes."""
        import pickle

        self.assertEqual("x", str(pickle.loads(pickle.dumps(NoTimings("x")))))
