"""All kinds of programs, in containers of one class."""

from shop import tea

from tcunit import ContainerTestCase, DockerContainer, wait


def python(command):
    return DockerContainer("python:3.11-slim").with_command(command)


def module(words):
    box = python(["python", "-u", "-m", *words.split()])
    return box.with_volume_mapping("./src", "/app").with_kwargs(working_dir="/app")


class KindsTest(ContainerTestCase):
    web = module("shop.web").with_exposed_ports(8000).waiting_for(wait.for_port(8000))
    web.with_coverage()
    forks = module("shop.forks").waiting_for(wait.for_log("worker ready", times=2))
    forks.with_coverage(source="shop").with_scope("run")
    # Its code is in no folder that is mounted, and its first process is deaf.
    jobs = (
        python(["sh", "-c", "cp -r /from /code; cd /code;"
                            "python -m shop.jobs pool & python -m shop.jobs child & wait"])
        .with_volume_mapping("./src", "/from")
        .waiting_for(wait.all_of(wait.for_log("pool ready"), wait.for_log("child ready")))
        .with_coverage(paths={"/code": "src"})
    )  # fmt: skip
    poor = (
        module("shop.poor")
        .with_volume_mapping("./image", "/image")
        .with_env("PYTHONPATH", "/image")
        .with_kwargs(user="1000:1000", read_only=True)
        .waiting_for(wait.for_log("ready"))
        .with_coverage()
    )

    def test_it(self):
        self.assertEqual("green", tea.brew("host"))
        self.assertHTTP(self.web, "/tea", port=8000, body="black")
