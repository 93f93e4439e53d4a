"""What a bare machine lacks for the tests: an engine, and images under the names they use.

Owns everything `tests/with_engine.py` may set up, and keeps one rule: what can be had as it is, is
used as it is. An engine that answers and official images come first; a stand-in is made only for
what is missing, and what was started or changed on the machine is undone.
"""
