"""``python -m tcunit run``: unittest's own program, which knows what comes next.

Tests are found, selected, run and reported by unittest. What is added: the containers of the next
class start while the tests of this one run (:mod:`.lookahead`), and classes run in several
processes (:mod:`.parallel`). Nothing here is imported by anything that tests import.
"""
