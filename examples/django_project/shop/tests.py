"""Tests on a real PostgreSQL and a real Redis."""

import json
import urllib.request

from config import settings
from django.core.cache import cache
from django.db import IntegrityError
from django.test import LiveServerTestCase, TestCase

from shop.models import Product
from tcunit import ContainerAssertionsMixin, ContainersMixin


class ProductTest(TestCase):
    """What the migrations made."""

    def test_total(self):
        """The page counts what is there, and remembers."""
        self.addCleanup(cache.delete, "total")
        Product.objects.create(name="tea", price=250)
        self.assertEqual({"total": 250}, self.client.get("/total").json())
        Product.objects.create(name="milk", price=90)
        self.assertEqual({"total": 250}, self.client.get("/total").json())

    def test_price(self):
        """The database refuses what the migration forbids."""
        with self.assertRaises(IntegrityError):
            Product.objects.create(name="tea", price=-1)

    def test_roll_back(self):
        """Each test finds the tables empty."""
        self.assertEqual(0, Product.objects.count())


class PageTest(LiveServerTestCase):
    """The whole, over HTTP."""

    def test_total(self):
        """The server has the same database as the test."""
        self.addCleanup(cache.delete, "total")
        Product.objects.create(name="tea", price=250)
        with urllib.request.urlopen(f"{self.live_server_url}/total", timeout=10) as answer:
            self.assertEqual({"total": 250}, json.load(answer))


class ContainerTest(ContainersMixin, ContainerAssertionsMixin, TestCase):
    """A class may declare what the settings do: where it runs in the same process, it shares it."""

    cache = settings.cache

    def test_cache(self):
        """The container of the settings, with every assertion."""
        self.assertReachable(self.cache, 6379)
        self.assertExec(self.cache, ["redis-cli", "ping"], stdout="PONG")
