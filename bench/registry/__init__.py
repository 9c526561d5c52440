"""Which files of weights exist: what was published where, under which licence, and what it fits. Data only, no torch.

Sources are the publishers' own pages. Where these state no checksum, but many users of the file state the same one, it is
recorded; where nobody does, `sha256` is empty. Nothing here was guessed.
"""

from bench.registry.backbones import BACKBONES
from bench.registry.entry import Checkpoint, WeightFile
from bench.registry.faces import FACES
from bench.registry.parameters import PARAMETERS
from bench.registry.regression import REGRESSION
from bench.registry.ugpnet import UGPNET

RELEASED: tuple[Checkpoint, ...] = (*UGPNET, *REGRESSION, *FACES)

__all__ = ["BACKBONES", "PARAMETERS", "RELEASED", "Checkpoint", "WeightFile"]
