"""Finding the engine, and the parts of its calls that need none."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit._docker import Candidate, Engine, candidates, find, find_engine, split_options
from tcunit.errors import DeclarationError, EngineNotFound
from tcunit.settings import Settings

from .in_memory import free_port


class EngineCase(unittest.TestCase):
    """With a folder for the files of a user, and no environment but the one that is given."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.properties = self.folder / ".testcontainers.properties"
        home = mock.patch.object(Path, "home", return_value=self.folder / "home")
        self.enterContext(home)

    def settings(self, **environ: str) -> Settings:
        """Settings of a user with these variables."""
        return Settings(environ, self.properties)

    def only(self, settings: Settings) -> Candidate:
        """The one place that is tried."""
        found = candidates(settings)
        self.assertEqual(1, len(found))
        return found[0]


class NamedEngineTest(EngineCase):
    """An engine that somebody named is the only one tried."""

    def test_docker_host(self) -> None:
        """The variable, whatever the kind of its URL."""
        for url in ("unix:///run/x.sock", "tcp://host:2375", "ssh://me@host", "npipe:////./pipe/x"):
            with self.subTest(url=url):
                expected = Candidate("DOCKER_HOST", url)
                self.assertEqual(expected, self.only(self.settings(DOCKER_HOST=url)))

    def test_properties(self) -> None:
        """``docker.host`` before ``tc.host``, each with its file as the source."""
        for text, key, url in [
            ("docker.host=tcp\\://a:1", "docker.host", "tcp://a:1"),
            ("tc.host=tcp://b:2", "tc.host", "tcp://b:2"),
            ("tc.host=tcp://b:2\ndocker.host=tcp://a:1", "docker.host", "tcp://a:1"),
        ]:
            with self.subTest(text=text):
                self.properties.write_text(text)
                expected = Candidate(f"property {key} in {self.properties}", url)
                self.assertEqual(expected, self.only(self.settings()))

    def test_the_variable_wins(self) -> None:
        """It hides properties and contexts."""
        self.properties.write_text("docker.host=tcp://a:1")
        settings = self.settings(DOCKER_HOST="tcp://c:3", DOCKER_CONTEXT="there")
        self.assertEqual("tcp://c:3", self.only(settings).url)

    def test_a_property_wins_over_a_context(self) -> None:
        """What tcunit's own file names comes before the context."""
        self.properties.write_text("docker.host=tcp://a:1")
        self.assertEqual("tcp://a:1", self.only(self.settings(DOCKER_CONTEXT="there")).url)

    def test_no_url(self) -> None:
        """A path or a host alone is a problem, in words."""
        for text in ("/var/run/docker.sock", "localhost:2375", "docker"):
            with self.subTest(text=text):
                found = self.only(self.settings(DOCKER_HOST=text))
                self.assertEqual("no URL: write unix:///path or tcp://host:port", found.problem)

    def test_tls_files_that_are_missing(self) -> None:
        """Where TLS is asked for, missing files are a problem that names the folder."""
        for environ, folder in [
            ({"DOCKER_CERT_PATH": str(self.folder / "certs")}, self.folder / "certs"),
            ({}, self.folder / "home/.docker"),
        ]:
            with self.subTest(folder=folder):
                settings = self.settings(
                    DOCKER_HOST="tcp://host:2376", DOCKER_TLS_VERIFY="1", **environ
                )
                self.assertIn(f"TLS files in {folder}: ", self.only(settings).problem)

    def test_tls(self) -> None:
        """With its files, TLS is used for TCP, and for TCP only."""
        for name in ("cert.pem", "key.pem", "ca.pem"):
            (self.folder / name).touch()
        for url, uses_tls in [("tcp://host:2376", True), ("unix:///x", False)]:
            settings = self.settings(
                DOCKER_HOST=url, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(self.folder)
            )
            found = self.only(settings)
            self.assertEqual((uses_tls, ""), (found.tls is not None, found.problem))
        settings = self.settings(DOCKER_HOST="tcp://h:1", DOCKER_CERT_PATH=str(self.folder))
        self.assertIsNone(self.only(settings).tls)


class ContextTest(EngineCase):
    """The context of the Docker command line."""

    def setUp(self) -> None:
        super().setUp()
        # The SDK reads the contexts' files by the process's own variable.
        environ = {"DOCKER_CONFIG": str(self.folder)}
        self.enterContext(mock.patch.dict(os.environ, environ))

    def configure(self, config: str, **hosts: str) -> None:
        """Write ``config.json`` and contexts with these hosts."""
        (self.folder / "config.json").write_text(config)
        for name, host in hosts.items():
            folder = self.folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
            folder.mkdir(parents=True)
            endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
            meta = {"Name": name, "Metadata": {}, "Endpoints": endpoints}
            (folder / "meta.json").write_text(json.dumps(meta))

    def settings(self, **environ: str) -> Settings:
        """Settings of a user whose Docker files are in the folder."""
        return super().settings(DOCKER_CONFIG=str(self.folder), **environ)

    def test_current_context(self) -> None:
        """``currentContext`` of ``config.json``."""
        self.configure('{"currentContext": "away"}', away="tcp://away:2375")
        found = self.only(self.settings())
        source = f"context in {self.folder / 'config.json'} (away)"
        self.assertEqual((source, ""), (found.source, found.problem))
        self.assertRegex(found.url, r"^(tcp|http)://away:2375$")

    def test_docker_context(self) -> None:
        """The variable wins over ``currentContext``."""
        self.configure('{"currentContext": "away"}', away="tcp://away:1", near="unix:///near.sock")
        found = self.only(self.settings(DOCKER_CONTEXT="near"))
        self.assertEqual(("DOCKER_CONTEXT (near)", ""), (found.source, found.problem))
        self.assertRegex(found.url, r"^(http\+)?unix://(/near\.sock)$")

    def test_the_default_context(self) -> None:
        """It means the usual sockets; and ``DOCKER_CONTEXT=default`` hides another current one."""
        self.configure('{"currentContext": "away"}', away="tcp://away:1")
        found = candidates(self.settings(DOCKER_CONTEXT="default"))
        self.assertEqual({"usual socket"}, {each.source for each in found})
        (self.folder / "config.json").write_text('{"currentContext": "default"}')
        found = candidates(self.settings())
        self.assertEqual({"usual socket"}, {each.source for each in found})

    def test_no_current_context(self) -> None:
        """A file that names none, or that is none, leaves the usual sockets."""
        for config in ("{}", '{"currentContext": ""}', '{"currentContext": null}', "[]", "null",
                       "{", "", '"away"'):  # fmt: skip
            with self.subTest(config=config):
                self.configure(config)
                found = candidates(self.settings())
                self.assertEqual({"usual socket"}, {each.source for each in found})

    def test_no_such_context(self) -> None:
        """A context that does not exist is a problem, and nothing else is tried."""
        self.configure("{}")
        found = self.only(self.settings(DOCKER_CONTEXT="gone"))
        expected = Candidate(
            "DOCKER_CONTEXT (gone)", "",
            problem="there is no such context; see 'docker context ls'",
        )  # fmt: skip
        self.assertEqual(expected, found)

    def test_a_context_that_cannot_be_read(self) -> None:
        """Its broken file is a problem, in words."""
        self.configure("{}", broken="tcp://x:1")
        (meta,) = self.folder.glob("contexts/meta/*/meta.json")
        meta.write_text("{")
        found = self.only(self.settings(DOCKER_CONTEXT="broken"))
        self.assertIn("the context cannot be read: ", found.problem)


class UsualSocketsTest(EngineCase):
    """Where nothing is named."""

    def test_each_place(self) -> None:
        """A usual installation, a rootless engine, Docker Desktop; each once."""
        with mock.patch("os.getuid", return_value=1234):
            found = find.usual_sockets(self.settings(XDG_RUNTIME_DIR="/run/user/1234"))
        home = self.folder / "home/.docker"
        expected = [
            "unix:///var/run/docker.sock",
            "unix:///run/user/1234/docker.sock",
            f"unix://{home}/run/docker.sock",
            f"unix://{home}/desktop/docker.sock",
        ]
        self.assertEqual(expected, found)

    def test_which_of_them_exist(self) -> None:
        """A socket that does not exist is a problem, in words; one that does is none."""
        runtime = self.folder / "runtime"
        runtime.mkdir()
        (runtime / "docker.sock").touch()
        found = {each.url: each for each in candidates(self.settings(XDG_RUNTIME_DIR=str(runtime)))}
        self.assertEqual("", found[f"unix://{runtime}/docker.sock"].problem)
        gone = found[f"unix://{self.folder}/home/.docker/run/docker.sock"]
        self.assertEqual("not there", gone.problem)

    def test_windows(self) -> None:
        """There it is a named pipe."""
        with mock.patch("sys.platform", "win32"):
            expected = ["npipe:////./pipe/docker_engine"]
            self.assertEqual(expected, find.usual_sockets(self.settings()))

    def test_nobody_needs_a_home_directory(self) -> None:
        """A user without one still has the other places."""
        with mock.patch.object(Path, "home", side_effect=RuntimeError("no home directory")):
            urls = [each.url for each in candidates(self.settings())]
        self.assertIn("unix:///var/run/docker.sock", urls)


class Version(BaseHTTPRequestHandler):
    """Answers the one question that finding an engine asks."""

    answer: Any = {"ApiVersion": "1.41", "Version": "20.10"}

    def do_GET(self) -> None:
        """The version."""
        body = json.dumps(self.answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


class FindEngineTest(EngineCase):
    """Which engine is taken, and what is said where none is."""

    def test_one_that_was_named(self) -> None:
        """The error has its source, its URL, why it failed, and what to do."""
        port = free_port()
        with self.assertRaises(EngineNotFound) as caught:
            find_engine(self.settings(DOCKER_HOST=f"tcp://127.0.0.1:{port}"))
        head, tried, *advice = str(caught.exception).splitlines()
        self.assertEqual("no Docker engine answered. Tried:", head)
        self.assertRegex(tried, rf"^  DOCKER_HOST: tcp://127\.0\.0\.1:{port}: .*Connection refused")
        for words in ("Start Docker", "DOCKER_HOST", "TCUNIT_WITHOUT_ENGINE=skip"):
            self.assertIn(words, " ".join(advice))

    def test_everything_tried_is_listed(self) -> None:
        """Each place with its own reason, in its order."""
        port = free_port()
        places = [
            Candidate("usual socket", "unix:///nowhere.sock", problem="not there"),
            Candidate("a", f"tcp://127.0.0.1:{port}"),
            Candidate("b", "foo://x"),
            Candidate("c", "", problem="there is no such context"),
        ]
        with (
            mock.patch.object(find, "candidates", return_value=places),
            self.assertRaises(EngineNotFound) as caught,
        ):
            find_engine(self.settings())
        _, *tried = str(caught.exception).splitlines()[:5]
        for line, expected in zip(
            tried,
            [
                r"^  usual socket: unix:///nowhere\.sock: not there$",
                rf"^  a: tcp://127\.0\.0\.1:{port}: .*Connection refused",
                r"^  b: foo://x: .*Invalid bind address",
                r"^  c: \(no address\): there is no such context$",
            ],
            strict=True,
        ):
            self.assertRegex(line, expected)

    def test_the_first_that_answers(self) -> None:
        """It is taken, with its source, and the same again for who asks again."""
        server = self.enterContext(HTTPServer(("127.0.0.1", 0), Version))
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        url = f"tcp://127.0.0.1:{server.server_address[1]}"
        places = [Candidate("a", "unix:///x", problem="not there"), Candidate("b", url)]
        self.enterContext(mock.patch.dict(find._engines, clear=True))
        with mock.patch.object(find, "candidates", return_value=places):
            engine = find_engine(self.settings())
            self.assertEqual(("b", url, "tcp"), (engine.source, engine.url, engine.kind))
            self.assertIs(engine, find_engine(self.settings()))
        engine.client.close()

    def test_no_engine_at_all(self) -> None:
        """Whatever else answers there is none, and the error says so."""
        server = self.enterContext(HTTPServer(("127.0.0.1", 0), Version))
        self.enterContext(mock.patch.object(Version, "answer", {"status": "fine"}))
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        places = [Candidate("a", f"tcp://127.0.0.1:{server.server_address[1]}")]
        with mock.patch.object(find, "candidates", return_value=places):
            with self.assertRaisesRegex(EngineNotFound, "what answers there is no Docker engine"):
                find_engine(self.settings())

    def test_version_of_the_api(self) -> None:
        """A newer engine speaks what was tried, while it still does; an older one its own."""
        for newest, oldest, expected in [
            ("1.41", None, "1.41"),
            ("1.45", "1.24", "1.45"),
            ("1.52", "1.44", "1.45"),
            ("1.60", "1.50", "1.50"),
        ]:
            with self.subTest(newest=newest):
                said = {"ApiVersion": newest, "MinAPIVersion": oldest}
                self.assertEqual(expected, find.spoken_version(said))


class EngineFactsTest(unittest.TestCase):
    """What an engine's URL and version say."""

    def test_kind_and_host(self) -> None:
        """Local sockets have no host; every other scheme but SSH is TCP."""
        for url, expected in [
            ("unix:///var/run/docker.sock", ("unix", "")),
            ("http+unix:///var/run/docker.sock", ("unix", "")),
            ("npipe:////./pipe/docker_engine", ("npipe", "")),
            ("tcp://10.0.0.5:2375", ("tcp", "10.0.0.5")),
            ("https://docker.example:2376", ("tcp", "docker.example")),
            ("tcp://[::1]:2375", ("tcp", "::1")),
            ("ssh://me@box:22", ("ssh", "box")),
        ]:
            with self.subTest(url=url):
                engine = Engine(url, "x", mock.sentinel.client, {})
                self.assertEqual(expected, (engine.kind, engine.hostname))

    def test_desktop_and_rootless(self) -> None:
        """The version says it, or what the engine says of itself."""
        for version, info, expected in [
            ({}, {}, (False, False)),
            ({"Platform": {"Name": "Docker Engine - Community"}}, {}, (False, False)),
            ({"Platform": {"Name": "Docker Desktop 4.30 (1)"}}, {}, (True, False)),
            ({"Components": [{"Name": "Engine"}, {"Name": "rootlesskit"}]}, {}, (False, True)),
            ({"Components": None}, {"SecurityOptions": None}, (False, False)),
            ({}, {"SecurityOptions": ["name=seccomp,profile=default"]}, (False, False)),
            ({}, {"SecurityOptions": ["name=seccomp", "name=rootless"]}, (False, True)),
            ({"Components": [{"Name": "Podman Engine"}]}, {"Rootless": True}, (False, True)),
        ]:
            with self.subTest(version=version, info=info):
                engine = Engine("unix:///x", "x", mock.sentinel.client, version)
                engine._info = info
                self.assertEqual(expected, (engine.is_desktop, engine.is_rootless))


class OptionsTest(unittest.TestCase):
    """Options for the SDK."""

    def test_split(self) -> None:
        """Those of the host's configuration on one side, those of the container on the other."""
        host, create = split_options(
            {"mem_limit": "64m", "binds": ["/a:/b"], "tty": True, "labels": {}, "runtime": "runc"}
        )
        self.assertEqual({"mem_limit": "64m", "binds": ["/a:/b"], "runtime": "runc"}, host)
        self.assertEqual({"tty": True, "labels": {}}, create)

    def test_nothing(self) -> None:
        """No options are none on both sides."""
        self.assertEqual(({}, {}), split_options({}))

    def test_a_typo(self) -> None:
        """An unknown option is refused, with the nearest that the SDK knows."""
        for name, hint in [
            ("mem_limt", " (did you mean 'mem_limit'?)"),
            ("cap_ad", " (did you mean 'cap_add'?)"),
            ("enviroment", " (did you mean 'environment'?)"),
            ("xyzxyz", ""),
        ]:
            with self.subTest(name=name):
                with self.assertRaises(DeclarationError) as caught:
                    split_options({"tty": True, name: 1})
                expected = f"the Docker SDK has no container option {name!r}{hint}"
                self.assertEqual(expected, str(caught.exception))
