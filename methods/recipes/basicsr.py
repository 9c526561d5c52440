"""BasicSR's pixel recipe of RRDBNet (`train_RRDBNet_PSNR_x4.yml`), and the paper that RRDBNet and ESRGAN come from."""

from __future__ import annotations

from ugpnet.settings import Budget, Flip, Optim, RegressionTraining, Schedule

FLIPS: tuple[Flip, ...] = ("horizontal", "vertical", "transpose")
PIXELS = RegressionTraining(
    loss="l1",
    optim=Optim(lr=2e-4, betas=(0.9, 0.99), schedule=Schedule(kind="cosine_restarts", total=250_000, floor=5e-4)),
    average=0.999,
)
BUDGET = Budget(iterations=1_000_000, batch_size=16, patch=128, flips=FLIPS)

BIBTEX = """@inproceedings{wang2018esrgan,
  title = {{ESRGAN}: Enhanced Super-Resolution Generative Adversarial Networks},
  author = {Wang, Xintao and Yu, Ke and Wu, Shixiang and Gu, Jinjin and Liu, Yihao and Dong, Chao and Qiao, Yu
            and Loy, Chen Change},
  booktitle = {ECCV Workshops}, year = {2018}
}"""
