"""Sides of the smallest feature maps, in pixels: what images have to be halved down to. Light: no torch."""

GCFSR_START, GLEAN_START = 16, 4
