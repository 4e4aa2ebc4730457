"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# What lands must not hang on luck; searching with ever new examples is for developers.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
