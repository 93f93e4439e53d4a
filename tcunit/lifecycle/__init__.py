"""Starting and stopping sets of things, in order and side by side.

``graph`` orders (pure), ``events`` listens to the engine, ``ledger`` knows what exists, ``startup``
starts and stops a set, ``declared`` is what can be in one, ``fixture`` is the set of a test class.
"""
