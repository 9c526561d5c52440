"""Restoration methods, one file each; `load` imports one by name."""

from methods.base import load

__all__ = ["load"]
