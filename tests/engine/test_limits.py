"""Limits, rights and the process: what was declared is what the container finds."""

from __future__ import annotations

from tcunit import ContainerTestCase, DockerContainer, wait
from tests.engine.helpers import EngineTest, engine, shell, sleeper, until


class FoundInsideTest(ContainerTestCase, EngineTest):
    """What processes in a container see of what was asked for."""

    limited = (
        sleeper()
        .with_memory_limit("64m")
        .with_cpu_limit(0.5)
        .with_pids_limit(50)
        .with_shm_size("32m")
        .with_ulimit("nofile", 100, 200)
        .with_cap_drop("ALL")
        .with_cap_add("CHOWN", "SYS_TIME")
        .with_device("/dev/null", "/dev/nothing", "rw")
        .with_sysctl("net.core.somaxconn", 99)
    )
    named = (
        DockerContainer("alpine")
        .with_entrypoint(["sh", "-c", "echo entry $0; exec sleep 300"])
        .with_command("words")
        .with_user("1234:5678")
        .with_working_directory("/var/tmp")
        .with_hostname("box.example")
        .with_extra_host("elsewhere", "10.11.12.13")
        .with_extra_host("above", "host-gateway")
        .with_dns("10.11.12.14", search=["example.org"])
        .with_read_only_root()
        .with_tmpfs_mount("/tmp")
        .with_init()
    )

    def said(self, container: DockerContainer, command: str) -> str:
        """What a command in a container prints."""
        return container.exec(["sh", "-c", command]).output.decode().strip()

    def test_limits(self) -> None:
        """The engine has the limits, and the processes find those that they can see."""
        host = engine().inspect(self.limited.get_container_id())["HostConfig"]
        self.assertEqual(
            (64 << 20, 64 << 20, 500_000_000, 50),
            (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]),
        )
        # Not of an exec: runc before 1.1.13 may give it the hard limit for the soft one.
        self.assertRegex(self.said(self.limited, "cat /proc/1/limits"), r"open files +100 +200 ")
        self.assertRegex(self.said(self.limited, "grep /dev/shm /proc/mounts"), "size=32768k")
        self.assertEqual("99", self.said(self.limited, "cat /proc/sys/net/core/somaxconn"))

    def test_rights(self) -> None:
        """It has the capabilities and devices that were given, and no others."""
        found = self.said(self.limited, "grep CapBnd /proc/self/status").split()[1]
        self.assertEqual((1 << 0) | (1 << 25), int(found, 16))  # CAP_CHOWN, CAP_SYS_TIME
        self.assertEqual("", self.said(self.limited, "echo x >/dev/nothing"))

    def test_process(self) -> None:
        """Entry point, user, directory, init and names are those that were asked for."""
        self.assertEqual(b"entry words\n", self.named.get_logs()[0])
        self.assertEqual("1234 5678", self.said(self.named, "echo $(id -u) $(id -g)"))
        self.assertEqual("/var/tmp", self.said(self.named, "pwd"))
        self.assertEqual("box.example", self.said(self.named, "cat /etc/hostname"))
        hosts = self.said(self.named, "cat /etc/hosts")
        self.assertRegex(hosts, r"10\.11\.12\.13\s+elsewhere")
        self.assertRegex(hosts, r"\d+\.\d+\.\d+\.\d+\s+above")
        resolver = self.said(self.named, "cat /etc/resolv.conf")
        self.assertIn("nameserver 10.11.12.14", resolver)
        self.assertIn("search example.org", resolver)
        self.assertIn("init", self.said(self.named, "cat /proc/1/cmdline"))

    def test_read_only_root(self) -> None:
        """Nothing but the mounts takes what it writes."""
        self.assertIn("Read-only", self.said(self.named, "touch /var/tmp/x"))
        self.assertEqual("", self.said(self.named, "touch /tmp/x"))


class ProcessTest(EngineTest):
    """How processes begin and end."""

    def test_memory(self) -> None:
        """A process that takes more memory than it may is killed, and the state says so."""
        greedy = DockerContainer("python:3.11-slim").with_memory_limit("16m")
        greedy.with_command(["python", "-c", "b'x' * (64 << 20)"])
        self.running(greedy.waiting_for(wait.for_exit(code=137)))
        self.assertTrue(greedy.running.state().oom_killed)
        greedy.stop()

    def test_empty_entrypoint(self) -> None:
        """It is taken away, so that the command runs itself."""
        box = DockerContainer("redis:alpine").with_entrypoint([]).with_command("echo hello")
        self.running(box.waiting_for(wait.for_exit()))
        self.assertEqual(b"hello\n", box.get_logs()[0])
        box.stop()

    def test_health_check(self) -> None:
        """It makes the container ready, and one that the image has can be taken away."""
        box = self.running(
            shell("sleep 0.3; touch /tmp/ready; sleep 300")
            .with_healthcheck(["test", "-f", "/tmp/ready"], interval=0.2, timeout=5, retries=50)
        )  # fmt: skip
        self.assertTrue(box.running.has_file("/tmp/ready"))
        without = sleeper("redis:healthcheck").with_healthcheck(None)
        self.assertEqual([], self.running(without).running.healthcheck)
        box.stop()
        without.stop()

    def test_stop_signal(self) -> None:
        """It is asked to end by the signal, and has its own time for it."""
        polite = shell("trap 'echo bye; exit 7' USR1; echo up; while :; do sleep 0.05; done")
        polite.with_stop_signal("SIGUSR1").with_stop_timeout(60).waiting_for(wait.for_log("up"))
        self.running(polite)
        with polite.stopped(60):
            self.assertEqual(7, polite.running.state().exit_code)
        deaf = self.running(sleeper().with_stop_timeout(0))
        deaf.stop(force=False)
        polite.stop()

    def test_restart_policy(self) -> None:
        """The engine starts it again as often as it may."""
        box = shell("while [ ! -f /go ]; do sleep 0.05; done; exit 3")
        self.running(box.with_restart_policy("on-failure", 2))
        box.copy_into_container(b"", "/go")
        ended = until(
            lambda: (state := box.running.state()) and not state.running and state,
            "the last restart",
        )
        self.assertEqual((2, 3), (ended.restarts, ended.exit_code))
        box.stop()
