"""What cannot be measured, and what is said about it."""

from kinds import module, python

from tcunit import ContainerTestCase, DockerContainer, wait

IDLE = "import time; print('ready', flush=True); time.sleep(60)"
STRANGER = "mkdir /code; echo 'print(1)' >/code/stranger.py; python /code/stranger.py"


class TroublesTest(ContainerTestCase):
    coverage_paths = {"/nowhere": "src"}

    killed = python(["python", "-c", IDLE]).waiting_for(wait.for_log("ready"))
    killed.with_coverage("shop")
    isolated = python(["python", "-I", "-c", IDLE]).waiting_for(wait.for_log("ready"))
    isolated.with_coverage("shop")
    broken = module("shop.ends 0").with_env("COVERAGE_CORE", "nonsense")
    broken.waiting_for(wait.for_exit()).with_coverage()
    idle = python(["python", "-c", "pass"]).waiting_for(wait.for_exit())
    idle.with_coverage("shop")
    stranger = python(["sh", "-c", STRANGER]).waiting_for(wait.for_exit())
    stranger.with_coverage("/code")
    # Measured by the class alone, which promises nothing of each one.
    silent = DockerContainer("alpine").with_command("sleep 300")

    def test_it(self):
        self.killed.get_wrapped_container().kill()
