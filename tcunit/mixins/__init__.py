"""What a test class inherits; each mixin works on any ``unittest.TestCase``.

Place them before the test case in the list of bases, so that containers run before its own set-up.
"""
