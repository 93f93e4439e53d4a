"""Benchmarks: tcunit beside the floor and beside testcontainers-python; ``python -m benchmarks``.

Each module measures one thing and says in its docstring what, and how to read it. Run one by
``python -m benchmarks.cold_class [--rounds N] [--json]``, all of them by ``python -m benchmarks``.
The figures are medians of runs made in turns, so that whatever else the machine does hits all
contenders alike; none of them gates a test.

The contenders are **tcunit** as a user gets it, reapers included; **floor**, the same work written
by hand (:mod:`benchmarks.floor`); and **testcontainers**, testcontainers-python as its
documentation shows: in a ``setUpClass``, one container after the other, with its Ryuk or without.
It is left out where it is not installed; nothing else needs it.
"""
