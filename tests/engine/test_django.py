"""A Django project whose settings refer to containers: its tests, side by side and alone."""

from __future__ import annotations

import os
from pathlib import Path

from .documents import blocks_of
from .helpers import ROOT, left_over, until
from .test_examples import NO_ENGINE, Outcome, RunnerTest

PROJECT = ROOT / "examples" / "django_project"
EXECUTE = "from django.core.management import execute_from_command_line as run; "
SPAWN = "import multiprocessing; multiprocessing.set_start_method('spawn'); "

# Two classes that run at the same time, which takes two workers.
WORKERS = """
import os, time
from pathlib import Path

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import TestCase
from shop.models import Product
from tcunit._session import session_id

HERE = Path(__file__).parent

class Base:
    def test_it(self):
        Product.objects.create(name="tea", price=250)
        cache.set("who", os.getpid())
        with connection.cursor() as cursor:
            cursor.execute("SELECT system_identifier FROM pg_control_system()")
            (server,) = cursor.fetchone()
        name = connection.settings_dict["NAME"]
        with redis.Redis.from_url(settings.CACHES["default"]["LOCATION"]) as client:
            told = f"{os.getpid()} {name} {server} {client.info()['run_id']} {session_id()}"
        (HERE / f"told-{type(self).__name__}").write_text(told)
        deadline = time.monotonic() + 60
        while len(list(HERE.glob("told-*"))) < 2:
            assert time.monotonic() < deadline, "the other one did not run beside this one"
            time.sleep(0.01)
        self.assertEqual((1, os.getpid()), (Product.objects.count(), cache.get("who")))
        cache.close()

class FirstTest(Base, TestCase):
    pass

class SecondTest(Base, TestCase):
    pass
"""

MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    operations = [migrations.RunSQL("SELECT no_such_column")]
"""

IN_PLACE = """
import django
from django.conf import settings
from tcunit.django import containers, late
from tcunit.errors import TcunitError
from tcunit.modules import RedisContainer

cache = RedisContainer("redis:alpine")
settings.configure(
    BROKER=late(lambda started: started.get_connection_url() + "?x=1", cache),
    HOSTS=("other", cache.get_container_host_ip),
    CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache",
                        "LOCATION": cache.get_connection_url}},
)
django.setup()
from django.core.cache import cache as django_cache
before = (settings.BROKER, settings.HOSTS, dict(settings.CACHES["default"]))
for _ in range(2):
    with containers():
        django_cache.set("tea", 250)
        assert django_cache.get("tea") == 250
        django_cache.close()
        assert settings.BROKER == settings.CACHES["default"]["LOCATION"] + "?x=1"
        assert settings.BROKER.startswith(f"redis://{settings.HOSTS[1]}:")
    assert before == (settings.BROKER, settings.HOSTS, settings.CACHES["default"])
print("well")
"""


class DjangoProjectTest(RunnerTest):
    """Runs the project's tests as a user does."""

    def manage(self, *words: str, first: str = "", **environ: str) -> Outcome:
        """Run a command of the project."""
        script = f"{first}{EXECUTE}run(['manage.py', *{list(words)!r}])"
        paths = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
        settings = environ.pop("DJANGO_SETTINGS_MODULE", "config.settings")
        return self.python(
            "-c", script, PYTHONPATH=os.pathsep.join([str(self.folder), str(ROOT), paths]),
            DJANGO_SETTINGS_MODULE=settings, **environ,
        )  # fmt: skip

    def test_manage(self) -> None:
        """``python -W error manage.py test`` passes, and leaves nothing."""
        paths = os.pathsep.join([str(self.folder), str(ROOT)])
        # Django leaves its cache's connections to the end of the process.
        warnings = ["-W", "error", "-W", "ignore::ResourceWarning"]
        manage = str(PROJECT / "manage.py")
        outcome = self.python(*warnings, manage, "test", "shop", PYTHONPATH=paths)
        self.assert_passed(outcome, r"Ran 5 tests in .*\n\nOK\n")
        self.assertEqual(1, len(outcome.sessions), outcome.sessions)

    def assert_shared(self, outcome: Outcome) -> None:
        """Fail unless two workers have passed on one server, each with a database of its own."""
        self.assertEqual(0, outcome.code, outcome.output)
        self.assertRegex(outcome.output, r"Ran 2 tests in .*\n\nOK\n")
        told = [path.read_text().split() for path in self.folder.glob("told-*")]
        workers, databases, servers, caches, sessions = map(set, zip(*told, strict=True))
        self.assertEqual((2, 1, 1), (len(workers), len(servers), len(caches)), told)
        self.assertEqual({"test_test_1", "test_test_2"}, databases)
        self.assertEqual([], outcome.left())
        for session in sessions:
            until(lambda session=session: not left_over(session), "the worker's end")

    def test_forked(self) -> None:
        """Forked workers share the containers, and do not remove them."""
        self.write("test_workers.py", WORKERS)
        outcome = self.manage("test", "test_workers", "--parallel", "2")
        self.assert_shared(outcome)

    def test_spawned(self) -> None:
        """So do spawned ones, which have read the settings anew."""
        self.write("test_workers.py", WORKERS)
        outcome = self.manage("test", "test_workers", "--parallel", "2", first=SPAWN)
        self.assert_shared(outcome)

    def test_failing_migration(self) -> None:
        """Where a migration fails, everything is removed all the same."""
        Path(self.folder, "broken", "migrations").mkdir(parents=True)
        for name in ("broken/__init__.py", "broken/migrations/__init__.py"):
            self.write(name, "")
        self.write("broken/migrations/0001_initial.py", MIGRATION)
        self.write("broken_settings.py", "from config.settings import *\n"
                   "INSTALLED_APPS = [*INSTALLED_APPS, 'broken']\n")  # fmt: skip
        outcome = self.manage("test", "shop", "--noinput", DJANGO_SETTINGS_MODULE="broken_settings")
        self.assertEqual(1, outcome.code, outcome.output)
        self.assertIn('column "no_such_column" does not exist', outcome.output)
        self.assertTrue(outcome.sessions)
        self.assertEqual([], outcome.left())

    def test_without_engine(self) -> None:
        """Where no engine answers, the run ends with an error that says so."""
        outcome = self.manage("test", "shop", **NO_ENGINE)
        self.assertEqual(1, outcome.code)
        self.assertIn("EngineNotFound: no Docker engine answered", outcome.output)

    def test_in_place(self) -> None:
        """Settings hold the addresses while the containers run, and then what they held before."""
        outcome = self.python("-W", "error", "-W", "ignore::ResourceWarning", "-c", IN_PLACE)
        self.assertEqual((0, "well\n"), (outcome.code, outcome.output))
        self.assertEqual([], outcome.left())

    def test_page(self) -> None:
        """The blocks of Django's page are from the project."""
        sources = [path.read_text() for path in PROJECT.rglob("*.py")]
        blocks = blocks_of(ROOT / "docs" / "django.md", "python")
        self.assertGreater(len(blocks), 1)
        for block in blocks:
            with self.subTest(line=block.line):
                self.assertTrue(any(block.text in source for source in sources), block.text)
