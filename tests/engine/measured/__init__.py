"""A small project for the tests of coverage: they copy it, and run it under ``coverage run``.

Lines that end in ``# runs`` run in a container alone, those with ``# never`` nowhere at all.
"""
