"""The suite by hand: each class starts its three services side by side, and removes them so."""

from __future__ import annotations

import unittest

from .floor import APPLICATION, Floor
from .suite_tests import Address, classes_of

floor = Floor(len(APPLICATION))


class Base(unittest.TestCase):
    """Three services on one network."""

    @classmethod
    def setUpClass(cls) -> None:
        """Start them."""
        cls.addClassCleanup(floor.remove)
        floor.create_network()
        floor.start(APPLICATION)

    def addresses(self) -> list[Address]:
        """Where they are."""
        return [(floor.addresses[number], each.port) for number, each in enumerate(APPLICATION)]


globals().update(classes_of(Base, __name__))
