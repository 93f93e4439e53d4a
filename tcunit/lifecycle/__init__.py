"""Starting and stopping sets of things, in order and side by side.

``graph`` orders (pure), ``events`` listens to the engine, ``ledger`` knows what exists, ``kept``
what of it is to stay. ``declared`` is what can be in a set and ``scopes`` how long it lives,
``startup`` starts and stops one. ``references`` tells what a class has and means by it, and
``fixture`` is the set of a test class.
"""
