"""Networks and layers; no file I/O, no device choice."""
