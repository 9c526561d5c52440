"""GFP-GAN's look at eyes and mouth: where they are, their crops, and the style that a discriminator finds in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import torch
from torch import Tensor

from methods.losses.backbones import FACE_BOXES
from ugpnet.losses.perceptual import style_loss
from ugpnet.recipe import Batch, View

PARTS = ("left_eye", "right_eye", "mouth")
"""Left and right as the viewer sees them."""
SIDE = 512
"""Boxes and crops are in pixels of an image of this side, whatever the side of the images at hand."""
CROPS = (80, 80, 120)
MARGINS = (1.4, 1.4, 1.0)
"""By how much a part's box is enlarged (`eye_enlarge_ratio` of the released option file)."""
ALIGNED = ((193.0, 240.0, 25.0), (319.0, 240.0, 25.0), (256.0, 377.0, 56.0))
"""Centre and half the side of each part in an average face that is aligned as FFHQ's are; equal under a flip.

The eyes' centres are facexlib's template for 512 px. What the template lacks follows from dlib's mean shape at that
distance of the eyes, under the rules by which the released boxes were made: an eye is 0.40 of it wide, the mouth 0.89,
with its centre 0.045 below the corners.
"""
STYLE_LAYERS = (0.5, 1.0)
"""Weights of the discriminator's features at half and at a quarter of the size."""


class FaceBoxes:
    """Where the parts are in the images of a batch: by a table for each image, or by `ALIGNED` for all.

    `table` holds x, y and half the side of each part, (3, 3), by the image's name.
    """

    def __init__(self, table: Mapping[str, Tensor] | None = None) -> None:
        self.table = table

    def corners(self, batch: Batch) -> Tensor:
        """x1, y1, x2, y2 of every part in pixels of the ground truth (B,3,S,S): (B, 3, 4), on its device.

        Raises LookupError where the table lacks an image.
        """
        boxes = torch.stack([self._of_view(view) for view in batch.views]) if self.table else self._average(batch)
        centre, half = boxes[..., :2], boxes[..., 2:] * torch.tensor(MARGINS)[:, None]
        corners = torch.cat((centre - half + 1, centre + half), dim=-1)
        return (corners * (batch.gt.shape[-1] / SIDE)).to(batch.gt)

    def _average(self, batch: Batch) -> Tensor:
        return torch.tensor(ALIGNED).expand(len(batch.gt), -1, -1)

    def _of_view(self, view: View) -> Tensor:
        boxes = self._of_image(view.image)
        if "horizontal" not in view.flips:
            return boxes
        flipped = boxes[[1, 0, 2]]
        flipped[:, 0] = SIDE - flipped[:, 0]
        return flipped

    def _of_image(self, name: str) -> Tensor:
        table, stem = self.table or {}, PurePosixPath(name).stem
        numbered = f"{int(stem):08d}" if stem.isdecimal() else stem  # FFHQ's own files have five digits or eight
        found = next((table[key] for key in (name, stem, numbered) if key in table), None)
        if found is None:
            raise LookupError(
                f"{FACE_BOXES}: no boxes for image {name!r}; add it, or set `training.components: aligned`"
            )
        return found.float()


def crop_parts(images: Tensor, corners: Tensor) -> dict[str, Tensor]:
    """Every part's crop (B,3,s,s) of images (B,3,S,S) by RoI align; s is `CROPS` at the images' size.

    The released code multiplies the crops of images above 512 px by their ratio too; here they keep their range.
    """
    from torchvision.ops import roi_align  # seconds to import, and only GFP-GAN's trainings come here

    ratio = images.shape[-1] / SIDE
    return {
        part: torch.as_tensor(roi_align(images, list(corners[:, index, None]), max(4, round(side * ratio))))
        for index, (part, side) in enumerate(zip(PARTS, CROPS, strict=True))
    }


def component_style(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Distance of the Gram matrices of a component discriminator's features, by `STYLE_LAYERS`: a scalar."""
    pairs = zip(STYLE_LAYERS, found, wanted, strict=True)
    return torch.stack([weight * style_loss(ours, theirs.detach()) for weight, ours, theirs in pairs]).sum()
