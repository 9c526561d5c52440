"""How many examples a property runs: a few hundred that are the same every time, or as many others as one asks for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = "BENCH_FUZZ_EXAMPLES"

settings.register_profile(
    "fuzz", max_examples=int(os.environ.get(EXAMPLES, 200)), derandomize=EXAMPLES not in os.environ, deadline=None,
    database=None, suppress_health_check=list(HealthCheck),
)  # fmt: skip
