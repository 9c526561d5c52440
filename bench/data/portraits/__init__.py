"""Procedural head-and-shoulder portraits: a stand-in for FFHQ, deterministic in (seed, index) at any size."""

from bench.data.portraits.render import VERSION, render
from bench.data.portraits.sheet import contact_sheet

__all__ = ["VERSION", "contact_sheet", "render"]
