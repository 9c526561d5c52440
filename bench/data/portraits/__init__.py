"""Procedural head-and-shoulder portraits: a stand-in for FFHQ, deterministic in (seed, index) at any size.

Light: `render.py` imports SciPy, and plans render nothing.
"""

VERSION = 1
"""Raise it when the same seed, index and size give other pixels."""
