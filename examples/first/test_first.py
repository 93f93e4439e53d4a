"""The smallest test with a container."""

from tcunit import ContainerTestCase
from tcunit.modules import NginxContainer


class FirstTest(ContainerTestCase):
    """The web server starts before the first test of this class and is gone after the last."""

    web = NginxContainer("nginx:alpine")

    def test_answers(self):
        self.assertReachable(self.web, 80)
