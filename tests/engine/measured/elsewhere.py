"""Containers that others make: Compose, and testcontainers-python."""

from pathlib import Path

from testcontainers.core.container import DockerContainer

from tcunit import ComposeStack, ContainerTestCase, wait
from tcunit.adapters import ForeignContainer

LOOK = 'test -e /.tcunit-coverage && echo "$COVERAGE_PROCESS_START $PYTHONPATH"'


class StackTest(ContainerTestCase):
    stack = (
        ComposeStack("stack.yml")
        .with_coverage("web")
        .with_coverage("turns", source="shop")
        .with_coverage("built", paths={"/code": "src"})
        .with_coverage("stranger", source="shop")
        .waiting_for("built", wait.for_log("ready"))
        .waiting_for("turns", wait.for_exit())
    )

    def test_it(self):
        self.assertHTTP(self.stack["web"], "/tea", port=8000, body="black")
        for name in ("web", "built", "plain"):
            seen = self.stack[name].exec(["sh", "-c", LOOK]).output.decode().strip()
            print(name, f"[{seen}]")


def library(module, folder):
    box = DockerContainer("python:3.11-slim").with_kwargs(working_dir=folder)
    return box.with_command(f"python -u -m {module}")


class ForeignTest(ContainerTestCase):
    forks = ForeignContainer(
        lambda: library("shop.forks", "/app").with_volume_mapping(Path("src").absolute(), "/app")
    )
    forks.with_coverage().waiting_for(wait.for_log("worker ready", times=2))
    ends = ForeignContainer(
        lambda: library("shop.ends 0", "/app/src").with_copy_into_container(Path("src"), "/app")
    )
    ends.with_coverage().waiting_for(wait.for_exit())

    def test_it(self):
        pass
