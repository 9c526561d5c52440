"""The harness beside these tests is a program of its own, whose modules they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
