"""The parameters of a training run of P-Net or R-Net, alone or end to end with a CRF-Net."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.errors import InputError
from meddl.core.parameters import parameter, validate
from meddl.core.training import TrainingParameters

MODELS = ("pnet", "rnet")
KINDS = ("pnet", "rnet", "end-to-end")


@dataclass
class NetworkTraining(TrainingParameters):
    """A training run. The data are described apart, see :mod:`meddl.deepigeos.training_config`.

    Raises:
        InputError: values that do not fit together.
    """

    # What is trained
    model: str = parameter(
        "pnet", "pnet segments an image, rnet corrects a segmentation by seeds", choices=MODELS
    )
    name: str = parameter("", "of the weights; by default that of the model")
    network: str = parameter(
        "pnet",
        "pnet, the published one, or dynunet, MONAI's U-Net",
        choices=("pnet", "dynunet"),
    )
    width: int = parameter(0, "channels at full resolution; 0: the network's own", minimum=0)
    dimensions: int = parameter(
        3, "2: pictures, or the slices of volumes across their last axis", choices=(2, 3)
    )
    pnet: str = parameter("", "weights whose mistakes rnet learns to correct: a file or a name")
    initial: str = parameter("", "weights to start from: a file or a name; otherwise from random")
    crf: bool = parameter(False, "train end to end with a CRF-Net behind the network")
    crf_iterations: int = parameter(5, "of its mean field", minimum=1, maximum=50)
    # Images
    orientation: str = parameter(
        "RAS", "where the axes i, j, k of a volume point: three letters, or keep"
    )
    spacing: tuple[float, float, float] | None = parameter(
        None, "voxels along i, j, k; without it those of the files", "mm", minimum=1e-3
    )
    normalization: str = parameter(
        "zscore",
        "zscore over the voxels that are not 0, or window",
        choices=("zscore", "window"),
    )
    window: tuple[float, float] = parameter((0.0, 255.0), "values that become -1 and 1")
    crop_to_nonzero: bool = parameter(True, "leave out the empty margin of volumes")
    # Patches
    patch_size: tuple[int, int, int] = parameter(
        (96, 96, 48), "along i, j, k; 2-D networks take no notice of the last", "voxels", minimum=1
    )
    patches_per_case: int = parameter(8, "in an epoch", minimum=1)
    foreground_share: float = parameter(
        0.67, "of the patches lie about a voxel of a class", minimum=0, maximum=1
    )
    rotation: float = parameter(15.0, "largest, in the plane of i and j", "degrees", minimum=0)
    scale: tuple[float, float] = parameter(
        (0.8, 1.25), "smallest and largest, of sizes", minimum=0.1, maximum=10
    )
    flips: str = parameter("ij", "axes along which patches are mirrored at random: of i, j, k")
    intensity: float = parameter(
        0.1, "strength of noise, shift, gain, gamma and blur; 0: none", minimum=0, maximum=1
    )
    # Interactions
    interactions: str = parameter(
        "both",
        "what the simulated user gives rnet: the published rule, scribbles, or both in turn",
        choices=("published", "scribbles", "both"),
    )
    strokes: int = parameter(3, "at most, where scribbles are drawn", minimum=1, maximum=50)
    geodesic_cost: str = parameter(
        "product", "of a step, see meddl.geodesic", choices=("product", "geodistk", "fastgeodis")
    )
    geodesic_lambda: float = parameter(1.0, "weight of the image in it", minimum=0, maximum=1)
    geodesic_scale: float = parameter(
        5.0, "distance at which a seed's channel has fallen from 1 to 0.37", minimum=1e-6
    )
    # Learning
    epochs: int = parameter(100, "passes over the cases (published: 50)", minimum=1)
    batch_size: int = parameter(2, "patches per step and process", minimum=1)
    optimizer: str = parameter("adamw", "adamw, or sgd as published", choices=("adamw", "sgd"))
    learning_rate: float = parameter(1e-3, "at the start (published: 0.001)", minimum=0)
    momentum: float = parameter(0.99, "of sgd (published: 0.99)", minimum=0, maximum=1)
    weight_decay: float = parameter(5e-4, "of the optimiser (published: 5e-4)", minimum=0)
    schedule: str = parameter(
        "cosine",
        "cosine to 0, or step: halved every few epochs as published",
        choices=("cosine", "step"),
    )
    step_epochs: int = parameter(5, "epochs between halvings (published: 5)", minimum=1)
    clip_norm: float = parameter(12.0, "largest norm of the gradient; 0: no clipping", minimum=0)
    dice_weight: float = parameter(
        1.0, "of the Dice loss beside the cross-entropy (published: 0)", minimum=0
    )
    data: str = parameter("", "what it was trained on, written by the run itself")

    def __post_init__(self) -> None:
        validate(self)
        if self.window[0] >= self.window[1]:
            raise InputError(f"window is {self.window}, the second value must be the larger")
        if self.scale[0] > self.scale[1]:
            raise InputError(f"scale is {self.scale}, the second value must not be the smaller")
        if set(self.flips) - set("ijk") or len(set(self.flips)) < len(self.flips):
            raise InputError(f"flips is {self.flips!r}, some of the letters ijk were expected")
        if self.dimensions == 2 and "k" in self.flips:
            raise InputError("flips has k, which a 2-D network does not see")
        check_orientation(self.orientation)
        if self.width % 4:
            raise InputError(f"width is {self.width}, a multiple of 4 was expected")
        if self.model == "rnet" and not self.pnet:
            raise InputError("model is rnet, which needs pnet: the weights that it corrects")

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """Of a patch, along (k,) j, i."""
        return self.patch_size[1::-1] if self.dimensions == 2 else self.patch_size[::-1]

    @property
    def weights_name(self) -> str:
        """Of the weights that result."""
        return self.name or f"{self.model}{'-crf' if self.crf else ''}"


def check_orientation(code: str) -> None:
    """Refuse what is neither ``"keep"`` nor one letter of each of RL, AP and SI.

    Raises:
        InputError: names the code.
    """
    if code != "keep" and sorted("RLAPSI".find(letter) // 2 for letter in code) != [0, 1, 2]:
        raise InputError(
            f"orientation is {code!r}; keep was expected, or three letters as in RAS: one of R "
            "and L, one of A and P, one of S and I"
        )


def defaults(kind: str) -> NetworkTraining:
    """What ``--print-config`` shows for ``"pnet"``, ``"rnet"`` and ``"end-to-end"``.

    Raises:
        InputError: another kind.
    """
    if kind == "pnet":
        return NetworkTraining()
    if kind == "rnet":
        return NetworkTraining(model="rnet", pnet="pnet_run/best/pnet.safetensors")
    if kind == "end-to-end":
        return NetworkTraining(
            model="rnet",
            pnet="pnet_run/best/pnet.safetensors",
            initial="rnet_run/best/rnet.safetensors",
            crf=True,
            learning_rate=2e-4,
            epochs=30,
        )
    raise InputError(f"there is no configuration {kind!r}; there are: {', '.join(KINDS)}")
