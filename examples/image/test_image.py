"""A web server whose image is built from the Dockerfile beside this file."""

from pathlib import Path

from tcunit import ContainerTestCase, DockerImage
from tcunit.modules import NginxContainer


class ImageTest(ContainerTestCase):
    """The image is built once, whatever the number of classes that need it."""

    image = DockerImage(Path(__file__).parent)
    web = NginxContainer(image)

    def test_page(self):
        self.assertHTTP(self.web, "/", body="Tea")
