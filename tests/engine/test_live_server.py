"""Django's LiveServerTestCase, reached from inside a container."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.http import HttpResponse
from django.test import LiveServerTestCase
from django.test.utils import override_settings
from django.urls import path

from tcunit import ContainersMixin, Network, expose_host_port
from tests.engine.helpers import EngineTest, needs_bridge, sleeper

if not settings.configured:
    settings.configure()
    django.setup()


def told(request: Any) -> HttpResponse:
    """Say by which name the server was called."""
    return HttpResponse(f"called {request.get_host()}")


urlpatterns = [path("told", told)]


@needs_bridge
@override_settings(ROOT_URLCONF=__name__, STATIC_URL="/static/", MEDIA_URL="/media/")
class LiveServerTest(ContainersMixin, LiveServerTestCase, EngineTest):
    """A container calls the application under test."""

    allowed_host = "host.testcontainers.internal"
    databases: Any = ()
    network = Network()
    client_side = sleeper().with_network(network).with_host_port_access()

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.host_endpoint = cls.enterClassContext(expose_host_port(cls.server_thread.port))

    def test_called_from_inside(self) -> None:
        """The live server listens on loopback, and answers the container."""
        url = f"http://{self.host_endpoint}/told"
        done = self.client_side.exec(["wget", "-O-", url])
        self.assertEqual(f"called {self.host_endpoint}", done.stdout.decode())
