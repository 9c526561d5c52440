"""What can be set of the VGG16 term of GCFSR and GLEAN."""

from __future__ import annotations

from typing import Literal

from ugpnet.settings import Config


class PerceptualTerm(Config):
    """What the term compares. Only `vgg16` is the published one; `random` draws its weights from `seed`."""

    features: Literal["vgg16", "prior_discriminator", "random", "off"] = "vgg16"
    seed: int = 0

    @property
    def label(self) -> str:
        """The name under which the term is logged."""
        return "perceptual" if self.features == "vgg16" else f"feature_distance({self.features})"

    @property
    def needs(self) -> tuple[str, ...]:
        """Released weights that the term compares with."""
        return ("vgg16",) if self.features == "vgg16" else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The table's footnote where the term is not the published one."""
        if self.features == "vgg16":
            return ()
        if self.features == "off":
            return ("no perceptual loss",)
        return (f"perceptual loss on {self.features.replace('_', ' ')} features, not on VGG16",)
