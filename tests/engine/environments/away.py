"""Tests to be run where the engine's networks do not meet this machine: by a sidecar.

``tests/engine/test_sidecar.py`` runs them in processes of their own, with an engine elsewhere. The
sidecar stays until such a process ends.
"""

from __future__ import annotations

import gc
import os
import sys
import unittest
from hashlib import sha256

import paramiko

from tcunit import ContainerTestCase, Network, expose_host_port
from tcunit._docker import Engine, find_engine
from tcunit._session import NAME_LABEL, SESSION_LABEL, session_id
from tcunit.errors import HostPortError
from tcunit.host_ports import host_ports
from tcunit.sidecar import Sidecar, _sidecars
from tcunit.tunnel import LIBRARY_LOG, Keys, Tunnel
from tests.engine.helpers import sleeper, until
from tests.engine.host_ports import (
    HOST,
    EachKindOfNetwork,
    Page,
    fetch,
    serving,
    start_stranger,
)

LARGE = os.urandom(3_000_000)


class LargePage(Page):
    """A server that says much."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(LARGE)


def the_engine() -> Engine:
    return find_engine()


def sidecars() -> list[str]:
    """The ids of our sidecars."""
    found = the_engine().containers_labelled(f"{SESSION_LABEL}={session_id()}")
    return [each.id for each in found if each.name.startswith("tcunit-sidecar-")]


def the_sidecar() -> Sidecar:
    return next(iter(_sidecars.values()))


def the_tunnel() -> Tunnel:
    tunnel = the_sidecar()._tunnel
    assert tunnel is not None
    return tunnel


def address_of_host(container: object) -> str:
    """What the name means in a container."""
    lines = container.exec(["grep", HOST, "/etc/hosts"]).output.decode()  # type: ignore[attr-defined]
    return lines.split()[0]


class AwayTest(EachKindOfNetwork, ContainerTestCase):
    """What holds on this machine's engine holds there."""

    leak_check = True

    def test_one_for_all(self) -> None:
        """All of them have one sidecar, on the networks of those that asked for it."""
        (sidecar,) = sidecars()
        on = the_engine().inspect(sidecar)["NetworkSettings"]["Networks"]
        self.assertEqual({"bridge", self.backend.name, self.inner.name}, set(on))
        # Two networks more, and then not.
        with Network() as other, sleeper().with_network(other).with_host_port_access() as box:
            with expose_host_port(self.port):
                self.assertIn("hello", fetch(box, self.port))
                self.assertIn("hello", fetch(self.on_network, self.port))
        self.assertEqual([sidecar], sidecars())

    def test_published_elsewhere(self) -> None:
        """A network that would take the published port over has a sidecar of its own."""
        api, name = the_engine().client.api, f"a-{session_id()}"
        api.create_network(name)
        self.addCleanup(the_engine().remove_network, name)
        before = sidecars()
        with expose_host_port(self.port):
            with sleeper().with_network(name).with_host_port_access() as box:
                self.assertEqual(2, len(sidecars()))
                self.assertIn("hello", fetch(box, self.port))
                self.assertIn("hello", fetch(self.on_network, self.port))
            self.assertEqual(before, sidecars())
            self.assertIn("hello", fetch(self.on_network, self.port))

    def test_who_is_served(self) -> None:
        """Only containers of ours: not the engine's machine, nor containers of others."""
        address = address_of_host(self.on_network)
        stranger = start_stranger(the_engine(), self.backend.name)
        self.addCleanup(the_engine().remove_container, stranger)
        with expose_host_port(self.port), self.assertLogs("tcunit", "WARNING") as logged:
            for each in (stranger, self.on_host.get_container_id()):
                url = f"http://{address}:{self.port}/"
                code, output = the_engine().exec(each, ["wget", "-O-", url])
                self.assertNotEqual(0, code, output)
            self.assertIn("hello", fetch(self.without, self.port, address))
        self.assertEqual(2, len(logged.output), logged.output)

    def test_much_at_a_time(self) -> None:
        """What is large comes whole."""
        with serving(kind=LargePage) as port, expose_host_port(port):
            done = self.on_both.exec(["sh", "-c", f"wget -qO- http://{HOST}:{port}/ | sha256sum"])
        self.assertEqual(sha256(LARGE).hexdigest(), done.stdout.decode().split()[0])

    def test_nobody_listens(self) -> None:
        """Without a server here a connection ends, and others go on."""
        with serving() as gone:
            pass
        with expose_host_port(gone), expose_host_port(self.port):
            self.assertNotIn("hello", fetch(self.on_network, gone))
            self.assertIn("hello", fetch(self.on_network, self.port))

    def test_lost_connection(self) -> None:
        """It is made again, with all that was exposed, and without a word."""
        with expose_host_port(self.port), self.assertNoLogs("tcunit", "WARNING"):
            for _ in range(2):
                lost = the_tunnel()._transport
                lost.sock.shutdown(2)
                until(lambda lost=lost: the_tunnel()._transport is not lost, "another connection")
                self.assertIn("hello", until(lambda: self.fetched("hello"), "an answer"))
        self.assertIn("refused", fetch(self.on_network, self.port))

    def fetched(self, word: str) -> str:
        """What a container gets, if a word is in it."""
        said = fetch(self.on_network, self.port)
        return said if word in said else ""

    def test_forked_child(self) -> None:
        """A child has none of it, and its end does not disturb its parent."""
        with expose_host_port(self.port):
            transport = the_tunnel()._transport
            if not (child := os.fork()):
                gc.collect()
                os._exit(bool(_sidecars or host_ports._doors or transport.sock.fileno() != -1))
            self.assertEqual((child, 0), os.waitpid(child, 0))
            self.assertIn("hello", fetch(self.on_network, self.port))
            self.assertIs(transport, the_tunnel()._transport)


class SecuredTest(ContainerTestCase):
    """The server lets us in, and does nothing for us but listen."""

    box = sleeper().with_host_port_access()

    def test_reached(self) -> None:
        """It leads here."""
        with serving() as port, expose_host_port(port):
            self.assertIn("hello", fetch(self.box, port))

    def connected(self) -> paramiko.Transport:
        """Another connection to it, on which nobody has said who it is."""
        transport = paramiko.Transport(tuple(the_tunnel()._endpoint or ()))
        self.addCleanup(transport.close)
        transport.set_log_channel(LIBRARY_LOG)
        transport.start_client(timeout=20)
        return transport

    def test_others(self) -> None:
        """Nobody else gets in, by a password least of all."""
        with self.assertRaises(paramiko.BadAuthenticationType) as caught:
            self.connected().auth_password("root", "root")
        self.assertEqual(["publickey"], caught.exception.allowed_types)
        with self.assertRaises(paramiko.AuthenticationException):
            self.connected().auth_publickey("root", Keys().own)

    def test_another_server(self) -> None:
        """Who answers without the host key that was made for it is none of ours."""
        tunnel = Tunnel(Keys(), the_sidecar()._tunnel._where, "the sidecar", 20)
        with self.assertRaisesRegex(HostPortError, "is not the sidecar: its host key is another"):
            tunnel.open()

    def test_nothing_else(self) -> None:
        """No command, no shell, no way from here to there, not even with the key."""
        transport = self.connected()
        transport.auth_publickey("root", the_tunnel()._keys.own)
        address = self.box.running.facts().ip
        with self.assertRaises(paramiko.ChannelException):
            transport.open_session(timeout=20)
        with self.assertRaises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", (address, 22), ("127.0.0.1", 1), timeout=20)

    def test_no_secret_is_shown(self) -> None:
        """Neither key is in what the engine shows of the container."""
        (sidecar,) = sidecars()
        info = the_engine().inspect(sidecar)
        self.assertNotIn("PRIVATE", str(info))
        self.assertEqual(info["Name"].strip("/"), info["Config"]["Labels"][NAME_LABEL])


class LostTest(ContainerTestCase):
    """The sidecar itself is gone."""

    def test_gone(self) -> None:
        """Who was reached by it is told, and the next container has another one."""
        with serving() as port, sleeper().with_host_port_access() as box:
            with expose_host_port(port), self.assertLogs("tcunit", "WARNING") as logged:
                self.assertIn("hello", fetch(box, port))
                (gone,) = sidecars()
                the_engine().remove_container(gone)
                until(lambda: the_sidecar().is_lost, "the loss to be noticed")
            self.assertRegex(logged.output[0], "the sidecar .* was lost: ")
            with self.assertRaisesRegex(HostPortError, f"port {port} cannot be exposed.* was lost"):
                expose_host_port(port)
        with serving() as port, sleeper().with_host_port_access() as box, expose_host_port(port):
            self.assertIn("hello", fetch(box, port))
        self.assertNotEqual([gone], sidecars())


if __name__ == "__main__":
    unittest.main(testRunner=unittest.TextTestRunner(sys.stdout))
