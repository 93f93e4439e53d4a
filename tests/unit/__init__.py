"""Tests of the pure parts; they need no engine."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile("unit", max_examples=60, deadline=None, database=None)
hypothesis.settings.load_profile("unit")
