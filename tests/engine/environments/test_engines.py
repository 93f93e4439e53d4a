"""Tests that use an engine in a container: from outside, from beside it, and on its own socket."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path

from tcunit import ContainerTestCase, Network
from tcunit._docker import Engine, find_engine
from tcunit._session import SESSION_LABEL
from tcunit.settings import Settings
from tests.engine.environments.engines import engine_container, give_images, make_certificates
from tests.engine.environments.programs import (
    SEVERAL,
    local_socket,
    needs_local_engine,
    probe_here,
    probe_in,
    python_container,
    run_here,
    run_in,
)
from tests.engine.environments.report import EnvironmentTest
from tests.engine.helpers import EngineTest, engine

COMPOSED = "tests.engine.environments.composed"
ALL = "bridge_ip gateway_ip docker_host"
SOCKET = "/socket/docker.sock"
PKI = Path(tempfile.gettempdir()) / f"tcunit-engines-{os.getpid()}"
# No other authority may take the place of the one that was named for the engine.
STRANGER = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(PKI / "client/cert.pem"))
TLS = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(PKI / "client"), **STRANGER}


def setUpModule() -> None:
    """Make the certificates."""
    unittest.addModuleCleanup(shutil.rmtree, PKI, ignore_errors=True)
    PKI.mkdir(mode=0o700)
    (PKI / "socket").mkdir()
    make_certificates(PKI, "DNS:secured", "DNS:localhost")


def make_context(folder: Path, url: str) -> Path:
    """Docker's configuration in a folder, with a context for an engine as the current one."""
    place = hashlib.sha256(b"secured").hexdigest()
    about = folder / "contexts/meta" / place
    about.mkdir(parents=True)
    endpoint = {"Host": url, "SkipTLSVerify": False}
    text = {"Name": "secured", "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (about / "meta.json").write_text(json.dumps(text))
    (folder / "config.json").write_text('{"currentContext": "secured"}')
    certificates = folder / "contexts/tls" / place / "docker"
    certificates.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        shutil.copy(PKI / "client" / name, certificates)
    return folder


@needs_local_engine
class EngineInContainerTest(EngineTest, EnvironmentTest, ContainerTestCase):
    """Two engines in containers; each has a bridge with 172.17.0.1."""

    outer = Network()
    plain = engine_container().with_network(outer, "plain").with_exposed_ports(2375)
    secured = engine_container(PKI).with_network(outer, "secured").with_exposed_ports(2376)
    secured.with_command([f"--host=unix://{SOCKET}"])
    secured.with_volume_mapping(str(PKI / "socket"), "/socket", "rw")
    beside = python_container().with_network(outer)
    beside.with_volume_mapping(str(PKI / "client"), "/client")
    within = python_container().with_network_mode(secured)
    within.with_volume_mapping(str(PKI / "socket"), "/socket", "rw")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        by_name = f"tcp://localhost:{cls.secured.mapped_port(2376)}"
        secured = cls.engine(DOCKER_HOST=by_name, **TLS)
        give_images(secured, cls.engine(DOCKER_HOST=cls.url()))

    @classmethod
    def engine(cls, **environ: str) -> Engine:
        """An engine that is closed at the end."""
        found = find_engine(Settings(environ, PKI / "none"))
        cls.addClassCleanup(found.client.close)
        return found

    @classmethod
    def url(cls) -> str:
        """Where the engine without TLS is, from here."""
        return "tcp://{}:{}".format(*cls.plain.endpoint(2375))

    def test_from_outside(self) -> None:
        """The engine's host is its container; its bridges are not here."""
        self.assert_environment(
            "an engine in a container, by `tcp://`",
            probe_here(DOCKER_HOST=self.url()),
            default="docker_host",
            working="docker_host",
        )

    def test_from_beside(self) -> None:
        """From another container that shares a network with the engine's, with TLS."""
        environ = {"DOCKER_HOST": "tcp://secured:2376", "DOCKER_TLS_VERIFY": "1"}
        report = probe_in(self.beside, DOCKER_CERT_PATH="/client", **environ)
        self.assertEqual(self.beside.get_container_id(), report["ids"][0])
        self.assertEqual("", report["engine"]["own_container"])
        self.assert_environment(
            "the same, from another container, with TLS",
            report,
            default="docker_host",
            working="docker_host",
        )

    def test_without_a_certificate(self) -> None:
        """Who has no certificate is refused, and told."""
        with self.assertRaisesRegex(AssertionError, "EngineNotFound: (.|\n)*tcp://secured:2376"):
            probe_in(self.beside, DOCKER_HOST="tcp://secured:2376")

    def test_published_on_loopback(self) -> None:
        """The engine's address leads to the engine alone, so the host of its ports is named."""
        report = probe_here(
            DOCKER_HOST=f"tcp://localhost:{self.secured.mapped_port(2376)}",
            TESTCONTAINERS_HOST_OVERRIDE=self.secured.running.facts().ip,
            **TLS,
        )
        self.assertIn("because TESTCONTAINERS_HOST_OVERRIDE names the host", report["explained"])
        self.assert_environment(
            "the same, published on loopback, with TLS and `TESTCONTAINERS_HOST_OVERRIDE`",
            report,
            default="docker_host",
            working="docker_host",
        )

    def test_by_its_own_socket(self) -> None:
        """In the engine's own network namespace its bridges are here."""
        self.assert_environment(
            "the same, in its own network namespace, by its socket",
            probe_in(self.within, DOCKER_HOST=f"unix://{SOCKET}"),
            default="bridge_ip",
            working=ALL,
        )

    def test_compose_with_tls(self) -> None:
        """A stack comes up there, whether variables name engine and certificates or a context."""
        url = f"tcp://localhost:{self.secured.mapped_port(2376)}"
        for source, environ in (
            ("DOCKER_HOST", {"DOCKER_HOST": url, **TLS}),
            ("config.json (secured)", {"DOCKER_CONFIG": str(make_context(PKI / "config", url))}),
        ):
            with self.subTest(source=source):
                host = self.secured.running.facts().ip
                text = run_here(COMPOSED, TESTCONTAINERS_HOST_OVERRIDE=host, **environ)
                said = json.loads(text)
                self.assertIn(source, said["source"])
                self.assertIn("nginx", said["page"])
                made = ["-cache-1", "-cache-2", "-web-1", "_default", "_front"]
                self.assertEqual((made, []), (said["made"], said["left"]))
                here = engine().labelled(f"{SESSION_LABEL}={said['session']}")
                self.assertEqual([], here)

    def assert_told_apart(self, text: str) -> list[dict[str, str]]:
        """Fail unless each engine's own server answered, whatever was asked."""
        seen = json.loads(text)
        for number, server in enumerate(seen):
            self.assertEqual(f"page-{number}", server["page"])
            self.assertEqual({f"page-{number}"}, set(server["pages"].values()))
            self.assertIn("docker_host", server["pages"])
        return [{"ip": server["ip"], "default": server["default"]} for server in seen]

    def test_two_engines_with_the_same_addresses(self) -> None:
        """With a bridge here that has the remote engine's addresses, the right server answers."""
        text = run_in(self.within, SEVERAL, f"unix://{SOCKET}", "tcp://plain:2375")
        near, far = self.assert_told_apart(text)
        self.assertEqual(near["ip"], far["ip"])
        self.assertTrue(near["ip"].startswith("172.17.0."))
        self.assertEqual(("bridge_ip", "docker_host"), (near["default"], far["default"]))
        text = run_in(self.within, SEVERAL, "tcp://plain:2375", f"unix://{SOCKET}")
        self.assert_told_apart(text)

    def test_this_machines_engine_and_a_remote_one(self) -> None:
        """Two engines in one process of this machine."""
        near, far = self.assert_told_apart(
            run_here(SEVERAL, f"unix://{local_socket()}", self.url())
        )
        self.assertEqual(("bridge_ip", "docker_host"), (near["default"], far["default"]))
