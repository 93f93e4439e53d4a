"""Two classes, of which one fails."""

from kinds import module
from shop import tea

from tcunit import ContainerTestCase, wait


class Measured(ContainerTestCase):
    coverage_paths = {"/app": "src"}


class FailingTest(Measured):
    web = module("shop.web").with_exposed_ports(8000).waiting_for(wait.for_port(8000))

    def test_it(self):
        self.assertHTTP(self.web, "/tea", port=8000, body="black")
        self.fail("on purpose")


class PassingTest(Measured):
    short = module("shop.ends 0").with_scope("test").waiting_for(wait.for_exit())

    def test_it(self):
        self.assertEqual("green", tea.brew("host"))
