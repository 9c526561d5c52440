"""Parameters of the published networks at the first of their tasks, as counted on built ones, which takes seconds."""

from collections.abc import Mapping

PARAMETERS: Mapping[str, int] = {
    "bicubic": 0,
    "esrgan": 16_734_915,
    "gcfsr": 62_352_925,
    "gfpgan": 86_444_252,
    "glean": 166_922_894,
    "gpen": 71_005_223,
    "hinet": 88_668_806,
    "input": 0,
    "nafnet": 17_111_907,
    "rrdbnet": 16_723_907,
    "stylegan2": 30_276_583,
    "uformer": 50_880_946,
    "ugpnet": 69_557_104,
    "unet": 31_031_875,
    "vqfr": 76_563_583,
}
