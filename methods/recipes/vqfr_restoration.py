"""VQFR's second training: from a degraded image to dictionary entries, and from both to the restored image."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.images import enlarge, signed
from methods.networks.vq_codebook import Quantized
from methods.networks.vqfr import VQFR, VQGAN, VQFRRestorer
from methods.networks.vqfr_v1 import VQFRv1
from methods.networks.vqfr_v2 import VQFRv2
from methods.recipes.vqfr_config import Anchor, RestorationTrainingV1, RestorationTrainingV2, TextureLosses
from methods.recipes.vqfr_terms import Likeness, adaptive_weight, prefixed
from ugpnet.losses.adversarial import hinge_d_loss, hinge_g_loss, logistic_g_loss
from ugpnet.losses.discrimination import logistic_terms
from ugpnet.losses.pixel import l1_loss, mse_loss
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term
from ugpnet.stages import frozen


class RestorationRecipe(Recipe):
    """Network, then each branch's discriminators on the detached images of the same forward pass. Images in [-1, 1].

    The players' networks are the parts of `network`, under the names that its state dict gives them: some learn at
    rates of their own or not at all. `forward` leaves `images` and `last_layers` by branch. A GAN whose turn has not
    come has neither side trained. Here every player's gradients begin at zero; the released version 2 never clears
    those of its global discriminator.
    """

    config: RestorationTrainingV1 | RestorationTrainingV2

    def __init__(
        self, network: VQFR, scale: int, teacher: VQGAN, judges: Mapping[str, nn.Module], likeness: Likeness,
        players: tuple[Player, ...], config: RestorationTrainingV1 | RestorationTrainingV2,
    ) -> None:  # fmt: skip
        super().__init__({**dict(network.named_children()), **judges}, players)
        # In a tuple, so that it is no sub-module: its parts are `networks`, and a checkpoint holds each of them once.
        self.whole = (VQFRRestorer(network, scale),)
        self.teacher = frozen(teacher)
        self.likeness = likeness
        self.scale = scale
        self.config = config

    @abstractmethod
    def branch(self, name: str) -> TextureLosses:
        """The losses of a branch."""

    @abstractmethod
    def code_terms(self, shared: Shared) -> dict[str, Term]:
        """What pulls the degraded image's code to that of the ground truth."""

    @torch.no_grad()
    def target(self, gt: Tensor) -> Quantized:
        """The ground truth's dictionary entries."""
        teacher = cast(VQGAN, self.teacher)
        quantized: Quantized = teacher.codebook(teacher.encode(gt))
        return quantized

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        if player != "network":
            return self._judge(player.removesuffix("_judges"), shared, step)
        terms = self.code_terms(shared)
        for name in shared["images"]:
            terms |= prefixed(name, self._branch(name, shared, step))
        return terms

    def _branch(self, name: str, shared: Shared, step: int) -> dict[str, Term]:
        config, image, last_layer = self.branch(name), shared["images"][name], shared["last_layers"][name]
        likeness = self._likeness(config, image, shared["gt"])
        terms = {self.likeness.label if key == "perceptual" else key: term for key, term in likeness.items()}
        if step >= config.gan_start:
            judge, local_judge = self.networks[f"{name}_global"], self.networks[f"{name}_local"]
            local = hinge_g_loss(local_judge(image))
            anchors = [likeness[key].weight * likeness[key].value for key in config.anchors if key in likeness]
            weight = adaptive_weight(torch.stack(anchors).sum(), local, last_layer)
            terms["gan"] = Term(config.gan_weight, logistic_g_loss(judge(image)))
            terms["local_gan"] = Term(config.local_gan_weight, weight * local)
        return terms

    def _likeness(self, config: TextureLosses, image: Tensor, gt: Tensor) -> dict[Anchor, Term]:
        terms: dict[Anchor, Term] = {"perceptual": Term(config.perceptual_weight, self.likeness.perceptual(image, gt))}
        if config.l1_weight:
            terms["l1"] = Term(config.l1_weight, l1_loss(image, gt))
        if config.style_weight and (style := self.likeness.style(image, gt)) is not None:
            terms["style"] = Term(config.style_weight, style)
        return terms

    def _judge(self, name: str, shared: Shared, step: int) -> Mapping[str, Term]:
        branch = self.branch(name)
        if step < branch.gan_start:
            return {}
        real, fake, local = shared["gt"], shared["images"][name].detach(), self.networks[f"{name}_local"]
        terms = logistic_terms(self.networks[f"{name}_global"], real, fake, self.config, step)
        return {**terms, "local_d": Term(branch.local_d_weight, hinge_d_loss(local(real), local(fake)))}

    def restore(self, lq: Tensor) -> Tensor:
        restored: Tensor = self.whole[0](lq)
        return restored


class RestorationRecipeV1(RestorationRecipe):
    """Everything but the dictionary learns, the texture image beside the main one."""

    config: RestorationTrainingV1

    def __init__(self, network: VQFRv1, scale: int, teacher: VQGAN, judges: Mapping[str, nn.Module],
                 likeness: Likeness, config: RestorationTrainingV1) -> None:  # fmt: skip
        network.codebook.embedding.requires_grad_(False)
        parts = tuple(name for name, _ in network.named_children())
        players = (
            Player("network", parts, config.optim),
            Player("texture_judges", ("texture_global", "texture_local"), config.d_optim),
            Player("main_judges", ("main_global", "main_local"), config.d_optim),
        )
        super().__init__(network, scale, teacher, judges, likeness, players, config)

    @property
    def network(self) -> VQFRv1:
        return cast(VQFRv1, self.whole[0].network)

    def forward(self, batch: Batch, step: int) -> Shared:
        network, gt = self.network, signed(batch.gt)
        restored = network(signed(enlarge(batch.lq, self.scale)))
        last = {"texture": network.decoder.conv_out[-1], "main": network.main_decoder.conv_out[-1]}
        return {
            "images": {"texture": restored.texture, "main": restored.main},
            "last_layers": {name: layer.weight for name, layer in last.items()},
            "z": restored.z, "target": self.target(gt), "gt": gt,
        }  # fmt: skip

    def branch(self, name: str) -> TextureLosses:
        return self.config.texture if name == "texture" else self.config.main

    def code_terms(self, shared: Shared) -> dict[str, Term]:
        return {"latent": Term(self.config.latent_weight, mse_loss(shared["z"], shared["target"].code))}


class RestorationRecipeV2(RestorationRecipe):
    """Dictionary and texture decoder stay as the first stage left them; the encoder learns from the code alone."""

    config: RestorationTrainingV2

    def __init__(self, network: VQFRv2, scale: int, teacher: VQGAN, judges: Mapping[str, nn.Module],
                 likeness: Likeness, config: RestorationTrainingV2) -> None:  # fmt: skip
        for part in (network.quantizer, network.decoder):
            part.requires_grad_(False)
        optims = {
            "encoder": config.encoder_optim, "feat2index": config.encoder_optim,
            "main_branch": config.optim, "inpfeat_extraction": config.optim,
        }  # fmt: skip
        players = (
            Player("network", tuple(optims), optims),
            Player("main_judges", ("main_global", "main_local"), config.d_optim),
        )
        super().__init__(network, scale, teacher, judges, likeness, players, config)

    @property
    def network(self) -> VQFRv2:
        return cast(VQFRv2, self.whole[0].network)

    def forward(self, batch: Batch, step: int) -> Shared:
        gt, name = signed(batch.gt), "decoder.conv_out.2.weight"
        # The last layer is frozen, yet the adaptive weight asks for its gradient: a leaf of its own takes its place.
        last_layer = self.network.get_parameter(name).detach().requires_grad_()
        lq = signed(enlarge(batch.lq, self.scale))
        restored = torch.func.functional_call(self.network, {name: last_layer}, (lq,))
        return {
            "images": {"main": restored.main}, "last_layers": {"main": last_layer},
            "z": restored.z, "logits": restored.logits, "target": self.target(gt), "gt": gt,
        }  # fmt: skip

    def branch(self, name: str) -> TextureLosses:
        return self.config.main

    def code_terms(self, shared: Shared) -> dict[str, Term]:
        target, config = shared["target"], self.config
        predicted = F.cross_entropy(shared["logits"].flatten(0, 1), target.index.flatten())
        return {
            "latent": Term(config.latent_weight, mse_loss(shared["z"], target.code)),
            "index": Term(config.index_weight, predicted),
        }
