"""One module per network name of the oracles: how to build it and what to read from its forward pass."""
