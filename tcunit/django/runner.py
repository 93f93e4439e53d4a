"""Django's test runner, with containers that are there before its databases are set up."""

from __future__ import annotations

from typing import Any

from django.test.runner import DiscoverRunner, ParallelTestSuite

from . import started


def _fill_in_worker(values: dict[str, object]) -> None:
    """In a worker that was not forked and has read the settings anew: what they hold here."""
    started.fill(values, [])


class ContainerParallelTestSuite(ParallelTestSuite):  # type: ignore[misc]
    """Tests in several processes that share the containers of the settings."""

    process_setup = _fill_in_worker

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.process_setup_args = (dict(started.values),)


class ContainerRunnerMixin:
    """Starts what the settings refer to, before databases are set up; place it before the runner.

    At the end, also when migrations or tests fail, it is removed and the settings are as before.
    Parallel workers share it.
    """

    parallel_test_suite = ContainerParallelTestSuite

    def run_tests(self, test_labels: Any, **kwargs: Any) -> Any:
        """Run the tests while the containers run."""
        with started.containers():
            return super().run_tests(test_labels, **kwargs)  # type: ignore[misc]


class ContainerDiscoverRunner(ContainerRunnerMixin, DiscoverRunner):  # type: ignore[misc]
    """``TEST_RUNNER = "tcunit.django.ContainerDiscoverRunner"``."""
