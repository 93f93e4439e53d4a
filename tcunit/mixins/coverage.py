"""Coverage of all containers of a class at once, where each would say the same."""

from __future__ import annotations

import unittest
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, ClassVar

from ..errors import DeclarationError
from ..lifecycle.declared import MEASURED
from ..measured import Measured

__unittest = True


class CoverageMixin(unittest.TestCase):
    """Measures the Python that runs in a class's containers, where the test process is measured.

    A container with a ``with_coverage`` of its own goes by that.

    Attributes:
        coverage_source: names of packages, or folders of the containers; by default all code
            whose place on this host is known.
        coverage_paths: the folder here for folders of the containers, as in ``{"/app": "src"}``.
    """

    coverage_source: ClassVar[str | Iterable[str]] = ()
    coverage_paths: ClassVar[Mapping[str, str | PathLike[str]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        try:
            wanted = Measured.of(cls.coverage_source, cls.coverage_paths)
        except DeclarationError as error:
            raise DeclarationError(f"{cls.__qualname__}: {error}") from None
        setattr(cls, MEASURED, None if wanted == Measured() else wanted)
