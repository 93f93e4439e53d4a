"""The pure parts of a failure's evidence: masking, names, lines, limits, and the result's proxy."""

from __future__ import annotations

import json
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tcunit import DockerContainer, FailureLogsMixin, using_connection_mode
from tcunit.connection import mode_in_use
from tcunit.errors import EngineError
from tcunit.evidence import (
    LONGEST_LINE,
    LONGEST_NAME,
    clock_ahead,
    distinct,
    new_folder,
    printable,
    safe_name,
    side_by_side,
)
from tcunit.lifecycle.kept import announcement, way_out, ways_in
from tcunit.lifecycle.ledger import CONTAINER, NETWORK, Entry
from tcunit.masking import MASK, Secrets, is_secret
from tcunit.mixins.failure_logs import NotingResult

SECRET = "hunter2hunter2"
INFO = {
    "Args": ["--requirepass", SECRET],
    "Config": {
        "Env": ["DB_PASSWORD=opensesame", "DB_USER=ada", "ADMIN_PASSWORD=ada", "NOTHING", "X=a=b"],
        "Cmd": ["redis-server", "--requirepass", SECRET],
        "Entrypoint": ["sh", "-c", "serve --token=t0k3n --port 80"],
        "Image": "tcunit.local/redis:alpine",
        "Labels": {"login": f"redis://:{SECRET}@cache:6379", "api-key": "k1", "user": "ada"},
    },
    "State": {"Health": {"Log": [{"Output": "opensesame is wrong"}]}},
    "RestartCount": 2,
}  # fmt: skip


class MaskingTest(unittest.TestCase):
    """Secrets are kept out of what is written down."""

    def test_names_of_secrets(self) -> None:
        """The usual names of secrets are known, and those of other things are not taken for one."""
        for name in ("POSTGRES_PASSWORD", "PGPASSWORD", "DB_PASS", "DB_PWD", "API_KEY", "apiKey",
                     "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "Authorization", "BASIC_AUTH",
                     "ENCRYPTION_KEY", "--requirepass", "CREDENTIALS"):  # fmt: skip
            with self.subTest(name=name):
                self.assertTrue(is_secret(name))
        for name in ("PWD", "PATH", "POSTGRES_USER", "AUTHOR", "KEYBOARD", "MONKEY", "SandboxKey"):
            with self.subTest(name=name):
                self.assertFalse(is_secret(name))

    def test_what_the_engine_says(self) -> None:
        """In the engine's answer, each value of the environment and each secret is stars."""
        masked = Secrets.of(INFO).mask_info(INFO)
        expected = ["DB_PASSWORD=***", "DB_USER=***", "ADMIN_PASSWORD=***", "NOTHING", "X=***"]
        self.assertEqual(expected, masked["Config"]["Env"])
        text = json.dumps(masked)
        for secret in (SECRET, "opensesame", "t0k3n", "k1"):
            self.assertNotIn(secret, text)
        self.assertEqual(["redis-server", "--requirepass", MASK], masked["Config"]["Cmd"])
        self.assertEqual("redis://:***@cache:6379", masked["Config"]["Labels"]["login"])
        self.assertEqual("*** is wrong", masked["State"]["Health"]["Log"][0]["Output"])
        self.assertEqual(2, masked["RestartCount"])

    def test_it_leaves_the_answer_alone(self) -> None:
        """What is masked is a copy."""
        before = json.dumps(INFO)
        Secrets.of(INFO).mask_info(INFO)
        self.assertEqual(before, json.dumps(INFO))

    def test_logs(self) -> None:
        """In a log, secrets of the container are stars, and what stands where secrets stand."""
        secrets = Secrets.of(INFO)
        for text, expected in [
            (f"login with {SECRET}", "login with ***"),
            (f"x{SECRET}x", "x***x"),
            ("t0k3n, and not t0k3nized", "***, and not t0k3nized"),
            ("user ada came", "user ada came"),
            ("postgresql://u:p%40ss@db/x", "postgresql://u:***@db/x"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ('{"password": "abc", "n": 1}', '{"password": "***", "n": 1}'),
            ("GENERATED ROOT PASSWORD: abc", "GENERATED ROOT PASSWORD: ***"),
            ("password authentication failed", "password authentication failed"),
        ]:
            with self.subTest(text=text):
                self.assertEqual(expected, secrets.mask(text))

    def test_the_image_stays_readable(self) -> None:
        """A password that is in the image's name, or is given as a user too, is no secret."""
        config = {"Env": ["P_PASSWORD=postgres"], "Image": "postgres:16"}
        self.assertEqual("postgres:16", Secrets.of({"Config": config}).mask("postgres:16"))

    def test_a_secret_of_several_lines(self) -> None:
        """Each long line of a secret is one, because a log shows it line by line."""
        config = {"Env": ["TLS_KEY=-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----"]}
        masked = Secrets.of({"Config": config}).mask("got\nMIIEvQIBADAN\n")
        self.assertEqual("got\n***\n", masked)

    @given(st.text(min_size=8), st.text())
    def test_a_long_secret_never_shows(self, secret: str, around: str) -> None:
        """Whatever a long secret is made of, and whatever is around it, it is not to be read."""
        config = {"Env": [f"A_TOKEN={secret}"]}
        masked = Secrets.of({"Config": config}).mask(f"{around} {secret} {around}")
        self.assertNotIn(secret, masked.replace(MASK, ""))

    def test_an_answer_of_nothing(self) -> None:
        """An answer without anything in it has no secrets and stays as it is."""
        for info in ({}, {"Config": None}, {"Config": {"Env": None, "Cmd": None}, "Args": []}):
            with self.subTest(info=info):
                self.assertEqual(info, Secrets.of(info).mask_info(info))


class NamesTest(unittest.TestCase):
    """Names of files and folders."""

    @given(st.text(max_size=300))
    def test_safe_names(self, text: str) -> None:
        """Any text becomes a name without folders, not hidden, and not long."""
        name = safe_name(text)
        self.assertRegex(name, r"\A[A-Za-z0-9_=][A-Za-z0-9_.=-]*\Z")
        self.assertLessEqual(len(name), LONGEST_NAME)

    def test_a_test_is_recognised(self) -> None:
        """A test's name stays readable; one that is too long keeps its beginning and its end."""
        self.assertEqual("a.ShopTest.test_x-i=1", safe_name("a.ShopTest.test_x (i=1)"))
        long = safe_name(f"begin.{'x' * 200}.end")
        self.assertTrue(long.startswith("begin.x") and long.endswith("x.end"), long)

    def test_distinct(self) -> None:
        """No two names are the same, also for file systems that do not tell upper from lower."""
        self.assertEqual(["a", "A-2", "a-2-2", "b"], distinct(["a", "A", "a-2", "b"]))

    def test_folders(self) -> None:
        """Each test gets a folder of its own, also where two names become the same."""
        with tempfile.TemporaryDirectory() as parent:
            made = [new_folder(Path(parent, "new"), name) for name in ("t (a)", "t [a]", "../t")]
            self.assertEqual(["t-a", "t-a-2", "t"], [each.name for each in made])
            self.assertEqual({Path(parent, "new")}, {each.parent for each in made})


class LinesTest(unittest.TestCase):
    """Lines of logs, as they are shown."""

    def test_printable(self) -> None:
        """Colours and control characters do not get through, and long lines are cut."""
        self.assertEqual("red line", printable("\x1b[31mred\x1b[0m line"))
        self.assertEqual("a    b�", printable("a\tb\x07".replace("\t", "    ")))
        self.assertEqual(LONGEST_LINE + 1, len(printable("x" * 1000)))


class LimitsTest(unittest.TestCase):
    """Asking side by side."""

    def test_one_that_hangs(self) -> None:
        """What does not answer in time is left behind; the others' answers are there."""
        ending = threading.Event()
        self.addCleanup(ending.set)
        began = time.monotonic()
        answers = side_by_side([lambda: "one", lambda: str(ending.wait(30)), lambda: "two"], 0.2)
        self.assertEqual(["one", None, "two"], answers)
        self.assertLess(time.monotonic() - began, 10)

    def test_one_that_fails(self) -> None:
        """An error becomes a text, and the others answer."""
        answers = side_by_side([lambda: "one", lambda: str(1 // 0)], 5)
        self.assertEqual("one", answers[0])
        self.assertIn("ZeroDivisionError", answers[1] or "")

    def test_the_connection_mode(self) -> None:
        """The connection mode in use is the one in which it is asked."""
        with using_connection_mode("docker_host"):
            self.assertEqual(["docker_host"], side_by_side([lambda: str(mode_in_use())], 5))

    def test_clocks(self) -> None:
        """A clock that is ahead is allowed for; a small difference, or no answer, is none."""

        def refuse() -> float:
            raise EngineError("no")

        def slow() -> float:
            began = time.time()
            time.sleep(0.7)
            return began

        for said, low, high in [
            (lambda: time.time() + 100, 99, 101), (lambda: time.time() - 100, -101, -99),
            (lambda: time.time() + 0.01, 0, 0), (refuse, 0, 0), (slow, 0, 0),
        ]:  # fmt: skip
            engine: Any = SimpleNamespace(time=said)
            self.assertTrue(low <= clock_ahead(engine) <= high)


class ProxyTest(unittest.TestCase):
    """The proxy of a result."""

    def setUp(self) -> None:
        self.seen: list[tuple[str, BaseException]] = []

    def proxy(self, result: Any) -> Any:
        return NotingResult(result, lambda test, error: self.seen.append((test, error)))

    def test_it_has_what_the_result_has(self) -> None:
        """Attributes are the result's, to read and to set; what it lacks, the proxy lacks."""
        result = unittest.TestResult()
        proxy = self.proxy(result)
        proxy.shouldStop = True
        self.assertTrue(result.shouldStop)
        self.assertIs(result.errors, proxy.errors)
        self.assertFalse(hasattr(self.proxy(SimpleNamespace(addError=print)), "addSubTest"))

    def test_failures_are_seen_first(self) -> None:
        """What is reported as failed is seen, with the test's id, and then reported."""
        error = ValueError("x")
        info = (ValueError, error, None)
        for name, given_ in [
            ("addError", (self, info)), ("addFailure", (self, info)),
            ("addSubTest", (self, self, info)),
        ]:  # fmt: skip
            with self.subTest(name=name):
                result = unittest.TestResult()
                self.seen.clear()
                getattr(self.proxy(result), name)(*given_)
                self.assertEqual([(self.id(), error)], self.seen)
                self.assertEqual(1, len(result.errors + result.failures))

    def test_success_is_not_seen(self) -> None:
        """A subtest that passed, a skip, and an expected failure are passed on and no more."""
        result = unittest.TestResult()
        proxy = self.proxy(result)
        proxy.addSubTest(self, self, None)
        proxy.addSkip(self, "why")
        proxy.addExpectedFailure(self, (ValueError, ValueError("x"), None))
        self.assertEqual([], self.seen)
        self.assertEqual((1, 1), (len(result.skipped), len(result.expectedFailures)))

    def test_the_result_hears_of_it_whatever_happens(self) -> None:
        """A failure is reported even if looking for its evidence is interrupted."""

        def interrupt(test: str, error: BaseException) -> None:
            raise KeyboardInterrupt

        result = unittest.TestResult()
        proxy: Any = NotingResult(result, interrupt)
        with self.assertRaises(KeyboardInterrupt):
            proxy.addError(self, (ValueError, ValueError("x"), None))
        self.assertEqual(1, len(result.errors))


class WithoutContainersTest(unittest.TestCase):
    """A class that has started no containers."""

    def test_no_note(self) -> None:
        """A failure of a class without a fixture is as it was, alone and run without a result."""

        class PlainTest(FailureLogsMixin):
            def test_it(self) -> None:
                self.fail("so")

        result = PlainTest("test_it").run()
        assert result is not None
        self.assertIs(unittest.TestResult, type(result))
        self.assertIn("AssertionError: so", result.failures[0][1])
        self.assertNotIn("tcunit", result.failures[0][1].partition("AssertionError")[2])

    def test_a_forgotten_super_is_still_named(self) -> None:
        """The class whose setUpClass forgot super() is named, not one that only passes on."""
        from tcunit import ContainerTestCase

        class Mixin:
            @classmethod
            def setUpClass(cls) -> None:
                pass

        class ForgetfulTest(Mixin, ContainerTestCase):
            box = DockerContainer("alpine")

            def test_it(self) -> None:
                self.box.get_container_id()

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(ForgetfulTest).run(result)
        self.assertRegex(result.errors[0][1], r"Mixin\.setUpClass does not call super")


class KeptTest(unittest.TestCase):
    """What is printed of what stays up."""

    def entries(self, source: str, url: str) -> list[Entry]:
        engine: Any = SimpleNamespace(source=source, url=url)
        kinds = [(NETWORK, "net"), (CONTAINER, "one"), (CONTAINER, "two")]
        return [Entry(engine, kind, name) for kind, name in kinds]

    def test_commands(self) -> None:
        """There is a command for a shell and the log of each container, and one that cleans up."""
        entries = self.entries("DOCKER_HOST", "tcp://h:1")
        self.assertEqual(
            ["docker exec -it one sh", "docker logs one",
             "docker exec -it two sh", "docker logs two"], ways_in(entries),
        )  # fmt: skip
        self.assertEqual("docker rm -fv one two; docker network rm net", way_out(entries))
        self.assertEqual("docker network rm net", way_out(entries[:1]))
        text = announcement("ShopTest", entries)
        self.assertIn("ShopTest failed", text)
        self.assertEqual(way_out(entries), text.splitlines()[-1].strip())

    def test_an_engine_that_the_client_does_not_know(self) -> None:
        """The engine is named where the command would not find it by itself."""
        entries = self.entries("property docker.host in x", "tcp://h:1")
        self.assertEqual("docker -H tcp://h:1 logs one", ways_in(entries)[1])
