"""The options of `bench restore`. Light: no torch."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

WHAT, HOW, WHERE = "What restores", "How", "What is written"
"""Panels of the help."""


class FitChoice(str, Enum):
    """What becomes of images that have another size than the network's."""

    TILE = "tile"
    RESIZE = "resize"


Inputs = Annotated[list[str], typer.Argument(help="Images, folders, or patterns in quotes.", show_default=False)]

Run = Annotated[
    Path | None,
    typer.Option("--run", rich_help_panel=WHAT, metavar="FOLDER", help="A run, such as results/deblur/quick-1a2b3c4d."),
]
RowName = Annotated[str | None, typer.Option("--row", rich_help_panel=WHAT, help="A row of the run's table.")]
MethodName = Annotated[
    str | None, typer.Option("--method", rich_help_panel=WHAT, help="Instead of a run: a method, see `bench methods`.")
]
WeightPaths = Annotated[
    list[str] | None,
    typer.Option(
        "--weights", rich_help_panel=WHAT, metavar="[STAGE=]PATH", help="Its checkpoint; of ugpnet one for each module."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", rich_help_panel=WHAT, metavar="FIELD=VALUE", help="A field of its config, such as width=64."),
]
Size = Annotated[
    int, typer.Option("--size", rich_help_panel=WHAT, min=1, metavar="PX", help="Side of the images that it restores.")
]
Scale = Annotated[
    int, typer.Option("--scale", rich_help_panel=WHAT, min=1, metavar="N", help="How much larger it makes them.")
]

Fit = Annotated[
    FitChoice,
    typer.Option(
        "--fit", rich_help_panel=HOW, help="Where it takes one size only: cut into tiles, or resize (an aligned face)."
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        "--tile", rich_help_panel=HOW, min=1, metavar="PX",
        help="Side of the tiles, in pixels of the input; chosen for large images if not given.",
    ),
]  # fmt: skip
Overlap = Annotated[
    int | None,
    typer.Option(
        "--overlap", rich_help_panel=HOW, min=0, metavar="PX",
        help="What neighbouring tiles share; an eighth, 16 at least, if not given.",
    ),
]  # fmt: skip
Device = Annotated[str, typer.Option("--device", rich_help_panel=HOW, help="auto, cpu, cuda, cuda:1, mps.")]

Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", rich_help_panel=WHERE, metavar="FOLDER", show_default=False,
        help="For the restored images, PNG files of the same names.",
    ),
]  # fmt: skip
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=WHERE, help="Make again what is there already.")
]
SaveParts = Annotated[
    bool, typer.Option("--save-parts", rich_help_panel=WHERE, help="UGPNet's x_reg and x_syn as well.")
]
