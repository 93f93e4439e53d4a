"""Wait strategies: each says ready as soon as it is, and why not where it never is."""

from __future__ import annotations

import time
import unittest
from typing import ClassVar

from tcunit import DockerContainer, wait
from tcunit.errors import ContainerDied, DeclarationError, NotReady
from tcunit.modules import RedisContainer
from tcunit.wait import WaitStrategy, wait_until_ready
from tcunit.wait.base import ProbeAddress
from tcunit.wait.port import why_not_listening

from .helpers import EngineTest, environment, left_over, page, shell, sleeper, web_server

NEVER = wait.for_log("never")
LONG = 30.0  # seconds: half of what a wait without an end would take


class WaitTest(EngineTest):
    """What these tests share."""

    def assert_ready(self, container: DockerContainer, strategy: WaitStrategy) -> None:
        """Fail unless a container that runs is ready by a strategy."""
        try:
            wait_until_ready(container.running, strategy, 20)
        finally:
            container.running.stop_following()

    def assert_never(self, container: DockerContainer, strategy: WaitStrategy, reason: str) -> None:
        """Fail unless a container is not ready by a strategy, for a reason."""
        with self.assertRaisesRegex(NotReady, reason):
            try:
                wait_until_ready(container.running, strategy, 0.2)
            finally:
                container.running.stop_following()


class WebTest(WaitTest):
    """Strategies that ask a port."""

    web: ClassVar[DockerContainer]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.web = DockerContainer("nginx:alpine").with_exposed_ports(80, 443)
        cls.addClassCleanup(cls.web.stop)
        began = time.monotonic()
        cls.web.start()
        cls.took = time.monotonic() - began

    took: ClassVar[float]

    def test_default_of_what_the_image_declares(self) -> None:
        """Exposing 80 and 443 of an nginx that listens on 80 alone waits for 80 only."""
        self.assertLess(self.took, LONG)
        self.assert_ready(self.web, wait.for_port(80))

    def test_port(self) -> None:
        """A port is ready where the service listens, and refused where none does."""
        self.assert_ready(self.web, wait.for_port(80))
        self.assert_ready(self.web, wait.for_port("80/tcp"))
        self.assert_never(self.web, wait.for_port(443), "waiting for port 443/tcp.*refused")

    def test_port_behind_the_proxy(self) -> None:
        """A published port that accepts before anything listens behind it is not ready."""
        for port, expected in ((80, None), (443, "nothing in the container listens yet")):
            address = ProbeAddress("127.0.0.1", self.web.mapped_port(port), direct=False)
            reason = why_not_listening(address)
            if expected is None:
                self.assertIsNone(reason)
            else:
                self.assertRegex(str(reason), f"{expected}|refused")

    def test_http(self) -> None:
        """A page is ready by its status; by default each from 200 to 399 will do."""
        self.assert_ready(self.web, wait.for_http("/", port=80))
        self.assert_ready(self.web, wait.for_http("/missing", port=80, status=404))
        self.assert_ready(self.web, wait.for_http("/missing", port=80, status=[200, 404]))
        self.assert_ready(self.web, wait.for_http("/", port=80, method="HEAD"))
        self.assert_never(self.web, wait.for_http("/missing", port=80), "answered with status 404")
        self.assert_never(self.web, wait.for_http("/", port=443), "refused")

    def test_http_predicate(self) -> None:
        """A predicate sees status, headers and body of the answer."""
        for predicate in (
            lambda answer: answer.status == 200,
            lambda answer: b"nginx" in answer.body,
            lambda answer: "nginx" in answer.headers["server"],
        ):
            self.assert_ready(self.web, wait.for_http("/", port=80, predicate=predicate))
        never = wait.for_http("/", port=80, predicate=lambda answer: False)
        self.assert_never(self.web, never, "the predicate is not true yet")

    def test_https(self) -> None:
        """HTTPS is not taken for ready where plain HTTP is spoken."""
        self.assert_never(self.web, wait.for_http("/", port=80, tls=True, verify=False), "SSL")

    def test_http_without_a_port(self) -> None:
        """Which port to ask must be said where there are several."""
        with self.assertRaisesRegex(DeclarationError, r"exposes 80/tcp, 443/tcp: say which port"):
            wait_until_ready(self.web.running, wait.for_http("/"), 1)

    def test_all_of(self) -> None:
        """All strategies must have been ready, each once; the error names what is missing."""
        once = iter([True])
        first = wait.for_http("/", port=80, predicate=lambda answer: next(once, False))
        self.assert_ready(self.web, wait.all_of(first, wait.for_port(80)))
        never = wait.all_of(wait.for_port(80), wait.for_port(443))
        self.assert_never(self.web, never, "the last time: port 443/tcp: ")

    def test_any_of(self) -> None:
        """One strategy is enough; the error names all."""
        self.assert_ready(self.web, wait.any_of(wait.for_port(443), wait.for_port(80)))
        never = wait.any_of(wait.for_port(443), wait.for_http("/missing", port=80))
        self.assert_never(self.web, never, "(?s)port 443/tcp: .*; HTTP GET /missing.*404")

    def test_limit_of_its_own(self) -> None:
        """A strategy's own limit ends it inside of others, too."""
        short = wait.for_port(443).with_startup_timeout(0.1)
        for strategy in (short, wait.all_of(wait.for_port(80), short), wait.any_of(short)):
            with self.subTest(strategy=str(strategy)):
                with self.assertRaisesRegex(NotReady, r"within 0\.1 s"):
                    wait_until_ready(self.web.running, strategy, 20)
        self.assert_ready(self.web, wait.any_of(short, wait.for_port(80)))


class InsideTest(WaitTest):
    """Strategies that ask the container itself."""

    box: ClassVar[DockerContainer]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.box = shell("echo one two; echo two; echo three >&2; sleep 300")
        cls.addClassCleanup(cls.box.stop)
        cls.box.start()

    def test_log(self) -> None:
        """A pattern is searched line by line, in one stream or in both, as often as asked."""
        for strategy in (
            wait.for_log("two"),
            wait.for_log("^two$"),
            wait.for_log("two", times=2),
            wait.for_log("three", stream="stderr"),
            wait.for_log(r"one \w+", stream="stdout"),
        ):
            with self.subTest(strategy=str(strategy)):
                self.assert_ready(self.box, strategy)

    def test_log_never(self) -> None:
        """A pattern that is not logged, or not often enough, or elsewhere, is not ready."""
        for strategy, reason in (
            (wait.for_log("four"), "/four/.*seen 0 times"),
            (wait.for_log("two", times=3), "/two/ 3 times.*seen 2 times"),
            (wait.for_log("three", stream="stdout"), "seen 0 times"),
        ):
            with self.subTest(strategy=str(strategy)):
                self.assert_never(self.box, strategy, reason)

    def test_exec(self) -> None:
        """A command is ready by its exit code; its arguments are not shown."""
        self.assert_ready(self.box, wait.for_exec("true"))
        self.assert_ready(self.box, wait.for_exec(["sh", "-c", "exit 3"], code=3))
        with self.assertRaisesRegex(NotReady, "command 'sh' to end with code 0.*code 3: why") as no:
            wait_until_ready(
                self.box.running, wait.for_exec(["sh", "-c", "echo why; exit 3 # secret"]), 0.2
            )
        self.assertNotIn("secret", str(no.exception))

    def test_running(self) -> None:
        """A container that runs is ready."""
        self.assert_ready(self.box, wait.for_running())

    def test_exit_never(self) -> None:
        """What goes on running is not at its end."""
        self.assert_never(self.box, wait.for_exit(), "still running")


class StartTest(WaitTest):
    """Waits as part of a start."""

    def test_log_that_comes_later(self) -> None:
        """A start returns when its line is logged, and not before."""
        box = shell("sleep 0.3; touch /done; echo now; sleep 300").waiting_for(wait.for_log("now"))
        self.running(box)
        self.assertEqual(0, box.exec("ls /done").exit_code)

    def test_http_later(self) -> None:
        """A start returns when the page is there."""
        server = web_server(8000).with_exposed_ports(8000).waiting_for(wait.for_http("/"))
        self.assertEqual(200, page(self.running(server).endpoint(8000)))

    def test_exit(self) -> None:
        """A job is ready when it has ended, and its log can be read."""
        job = self.running(shell("echo migrated").waiting_for(wait.for_exit()))
        self.assertEqual(("exited", b"migrated\n"), (job.status, job.get_logs()[0]))
        for code in (3, None):
            self.running(shell("exit 3").waiting_for(wait.for_exit(code))).stop()

    def test_exit_with_another_code(self) -> None:
        """A job with a wrong exit code is an error at once, with its log."""
        began = time.monotonic()
        with self.assertRaisesRegex(
            ContainerDied, r"(?s)another exit code than 0: exited, exit code 3.*\| no such table"
        ):
            shell("echo no such table; exit 3").waiting_for(wait.for_exit()).start()
        self.assertLess(time.monotonic() - began, LONG)
        self.assertEqual([], left_over())

    def test_no_secret_of_a_log_is_shown(self) -> None:
        """What a container logged last is in the error without the passwords that it has."""
        job = shell("echo no $TEA_PASSWORD at postgres://tea:earl%20grey@db; exit 3")
        job.with_env("TEA_PASSWORD", "s3cret-leaf")
        with self.assertRaises(ContainerDied) as caught, job.waiting_for(wait.for_exit()):
            pass
        self.assertIn("| no *** at postgres://tea:***@db", str(caught.exception))

    def test_timeout_setting(self) -> None:
        """The limit of a wait without its own is a setting."""
        with environment(TCUNIT_START_TIMEOUT="0.3"):
            with self.assertRaisesRegex(NotReady, r"within 0\.3 s"):
                sleeper().waiting_for(NEVER).start()
            box = sleeper().waiting_for(NEVER.with_startup_timeout(0.2))
            with self.assertRaisesRegex(NotReady, r"within 0\.2 s"):
                box.start()
        self.assertEqual([], left_over())

    def test_time_before_the_start_is_not_counted(self) -> None:
        """The limit counts from the container's start: what comes before does not use it up."""

        def slow() -> str:
            time.sleep(0.6)  # longer than the limit
            return "made"

        box = sleeper().with_env("A", slow)
        self.running(box.waiting_for(wait.for_running().with_startup_timeout(0.5)))
        self.assertEqual("running", box.status)


class HealthTest(WaitTest):
    """The health check is run at once."""

    def test_default(self) -> None:
        """An image with a HEALTHCHECK is ready by it, long before the engine's first probe."""
        began = time.monotonic()
        cache = self.running(DockerContainer("redis:healthcheck"))
        self.assertLess(time.monotonic() - began, 15)  # the engine's first probe comes after 30 s
        state = cache.get_wrapped_container().attrs["State"]
        self.assertEqual("starting", state["Health"]["Status"])
        self.assertIn(b"PONG", cache.exec("redis-cli ping").stdout)

    def test_declared(self) -> None:
        """A health check can be declared, as words or for a shell; it decides by default."""
        for test in (["CMD", "ls", "/ready"], ["CMD-SHELL", "test -e /ready"], "test -e /ready"):
            with self.subTest(test=test):
                box = shell("sleep 0.3; touch /ready; sleep 300")
                self.running(box.with_kwargs(healthcheck={"test": test}))
                self.assertEqual(0, box.exec("ls /ready").exit_code)
                box.stop()

    def test_never(self) -> None:
        """A health check that fails says how."""
        check = {"test": ["CMD-SHELL", "echo no luck; exit 4"]}
        box = sleeper().with_kwargs(healthcheck=check)
        strategy = wait.for_healthcheck().with_startup_timeout(0.3)
        with self.assertRaisesRegex(NotReady, "health check ended with code 4: no luck"):
            box.waiting_for(strategy).start()

    def test_switched_off(self) -> None:
        """A health check that was switched off does not count."""
        box = DockerContainer("redis:healthcheck").with_kwargs(healthcheck={"test": ["NONE"]})
        self.running(box)
        self.assertNotIn("Health", box.get_wrapped_container().attrs["State"])


class DefaultTest(WaitTest):
    """What ready means where nothing was said."""

    def test_unknown_port(self) -> None:
        """Of ports that the image does not declare, one that listens is enough."""
        server = web_server(8000).with_exposed_ports(8001, 8000)
        self.assertEqual(200, page(self.running(server).endpoint(8000)))

    def test_unknown_port_never(self) -> None:
        """It is not ready while none of them listens."""
        with environment(TCUNIT_START_TIMEOUT="0.3"):
            with self.assertRaisesRegex(NotReady, "port 8000/tcp: .*port 8001/tcp: "):
                sleeper().with_exposed_ports(8000, 8001).start()

    def test_declared_port_never(self) -> None:
        """A port that the image declares must listen, whatever else does."""
        with environment(TCUNIT_START_TIMEOUT="0.5"):
            with self.assertRaisesRegex(NotReady, "port 80/tcp"):
                sleeper("nginx:alpine").with_exposed_ports(80).start()

    def test_nothing(self) -> None:
        """Without ports and health check, it is ready when it runs."""
        self.assertEqual("running", self.running(sleeper()).status)

    def test_udp_only(self) -> None:
        """A UDP port cannot be seen to listen: it is ready when it runs."""
        self.assertEqual("running", self.running(sleeper().with_exposed_ports("53/udp")).status)

    def test_protocol(self) -> None:
        """A ready-made container answers its own protocol when its start returns."""
        cache = self.running(RedisContainer(password="secret"))
        self.assertIn(b"PONG", cache.exec("redis-cli -a secret ping").stdout)


class DeathTest(WaitTest):
    """A container that dies ends its wait at once."""

    def test_exit_code_and_log(self) -> None:
        """The error has the state, the exit code and the last log lines; it comes at once."""
        began = time.monotonic()
        script = "echo first; seq 1 30; echo last words; exit 42"
        with self.assertRaises(ContainerDied) as caught:
            shell(script).waiting_for(NEVER).start()
        self.assertLess(time.monotonic() - began, LONG)
        text = str(caught.exception)
        self.assertRegex(text, r"while waiting for the log line /never/: exited, exit code 42")
        self.assertIn("  | last words", text)
        self.assertIn("  | 30\n  | last words", text)
        self.assertNotIn("| first", text)  # the last 20 lines only
        self.assertEqual([], left_over())

    def test_every_strategy(self) -> None:
        """Whatever it waits for, a death ends the wait at once."""
        for strategy in (
            wait.for_port(80),
            wait.for_http("/", port=80),
            wait.for_exec("false"),
            wait.for_healthcheck(),
            wait.all_of(wait.for_port(80), NEVER),
            wait.any_of(wait.for_port(80), NEVER),
        ):
            with self.subTest(strategy=str(strategy)):
                began = time.monotonic()
                box = shell("sleep 0.2; exit 5").with_kwargs(healthcheck={"test": ["CMD", "false"]})
                with self.assertRaisesRegex(ContainerDied, "exit code 5"):
                    box.waiting_for(strategy).start()
                self.assertLess(time.monotonic() - began, LONG)

    def test_out_of_memory(self) -> None:
        """A container that was killed for want of memory says so."""
        box = DockerContainer("python:3.11-slim").with_command(
            ["python", "-c", "import time; time.sleep(0.1); b'x' * (1 << 28)"]
        )
        box.with_kwargs(mem_limit="16m", memswap_limit="16m").waiting_for(NEVER)
        with self.assertRaisesRegex(ContainerDied, r"exit code 137, .*want of memory \(OOM\)"):
            box.start()

    def test_restart_policy(self) -> None:
        """With a restart policy, a rising restart count ends the wait."""
        began = time.monotonic()
        box = shell("echo again; sleep 0.1; exit 1").with_kwargs(restart_policy={"Name": "always"})
        with self.assertRaisesRegex(ContainerDied, r"(?s)restarted by its policy|ended.*\| again"):
            box.waiting_for(NEVER).start()
        self.assertLess(time.monotonic() - began, LONG)
        self.assertEqual([], left_over())

    def test_removed(self) -> None:
        """A container that somebody removes during the wait ends it, too."""
        box = sleeper()

        class Remover(WaitStrategy):
            def begin(self, target: wait.WaitTarget) -> object:
                def probe() -> str:
                    if box._running is not None and target.state().status != "removed":
                        box.get_wrapped_container().remove(force=True)
                    return "not yet"

                return probe

            def __str__(self) -> str:
                return "nothing"

        with self.assertRaisesRegex(ContainerDied, "removed"):
            box.waiting_for(Remover()).start()


if __name__ == "__main__":
    unittest.main()
