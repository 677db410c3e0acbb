"""The parameters of a training run for desmoking."""

from __future__ import annotations

from dataclasses import dataclass

from meddl.core.errors import InputError
from meddl.core.parameters import parameter, validate
from meddl.core.training import TrainingParameters

ARCHITECTURES = ("light", "pix2pix")
RATES = {"light": 1.5e-3, "pix2pix": 2e-4}
SCHEDULES = {"light": "onecycle", "pix2pix": "linear"}
SMOKE_KINDS = ("random", "veil", "cloud", "plume", "published")
DENSITIES = ("light", "medium", "heavy", "random")


@dataclass
class DesmokeTraining(TrainingParameters):
    """A training run. The frames are described apart, see :mod:`meddl.desmoke.training_config`.

    Raises:
        InputError: values that do not fit together.
    """

    name: str = parameter("desmoke", "of the weights")
    architecture: str = parameter(
        "light",
        "light: transmission and airlight, real time; pix2pix: the published network",
        choices=ARCHITECTURES,
    )
    initial: str = parameter("", "weights to start from: a file or a name; otherwise random ones")
    # Frames and smoke
    size: tuple[int, int] = parameter(
        (256, 256), "rows and columns that the network sees", "pixels", minimum=32, maximum=2048
    )
    density: str = parameter(
        "random",
        "mean opacity: light 0.1-0.3, medium 0.3-0.5, heavy 0.5-0.8, or random",
        choices=DENSITIES,
    )
    smoke: str = parameter(
        "random",
        "kind: veil, cloud, plume, published, or random",
        choices=SMOKE_KINDS,
    )
    clear_share: float = parameter(
        0.2, "of the clips in training have no smoke", minimum=0, maximum=1
    )
    clip_length: int = parameter(4, "frames of a clip; pix2pix takes each alone", minimum=1)
    clips_per_frame: int = parameter(1, "clips made of every clear frame per epoch", minimum=1)
    # Augmentation, in training only and the same for the smoky clip and its target
    motion: float = parameter(
        0.004, "deviation of the camera's way per frame, of the width", minimum=0, maximum=0.1
    )
    flip: bool = parameter(True, "mirror every other clip left to right, and top to bottom")
    rotate: float = parameter(10.0, "turn by up to", "degrees", minimum=0, maximum=180)
    zoom: float = parameter(1.12, "enlarge by up to (published: 286 / 256)", minimum=1, maximum=2)
    brightness: float = parameter(0.2, "brighten or dim by up to", minimum=0, maximum=0.9)
    colour: float = parameter(
        0.0, "change of colour and gamma: largest logarithm of their factors", minimum=0, maximum=1
    )
    # pix2pix
    guide: str = parameter(
        "refined",
        "fourth channel: the refined dark channel, the minimum over RGB, or none",
        choices=("refined", "minimum", "none"),
    )
    layers: int = parameter(8, "halvings of the picture (published: 8)", minimum=2, maximum=10)
    filters: int = parameter(64, "channels of the first layer (published: 64)", minimum=1)
    loss: str = parameter(
        "adversarial",
        "adversarial: BCE + L1; l1 alone; alternating: L1 and BCE by turns",
        choices=("adversarial", "l1", "alternating"),
    )
    l1_weight: float = parameter(100.0, "of L1 beside BCE (published: 100)", minimum=0)
    # light
    cut_share: float = parameter(
        0.2, "of the clips begin with another clip's last frame in memory", minimum=0, maximum=1
    )
    opacity_floor: float = parameter(
        0.15, "a clip counts by 1 / (this + its mean opacity)", minimum=0.01, maximum=10
    )
    smoke_weight: float = parameter(
        0.2, "of the error of transmission and airlight beside L1 of the picture", minimum=0
    )
    ssim_weight: float = parameter(0.3, "of 1 - SSIM beside L1", minimum=0)
    ssim_range: float = parameter(
        1.0, "span of values in SSIM: with less, weaker contrasts count", minimum=0.01, maximum=1
    )
    temporal_weight: float = parameter(1.0, "of the change from frame to frame", minimum=0)
    # Learning
    learning_rate: float = parameter(
        0.0, "of Adam; 0: 0.0002 for pix2pix (published), 0.0015 for light", minimum=0
    )
    schedule: str = parameter(
        "auto",
        "linear: constant, in the second half down to 0 (auto of pix2pix, published); onecycle: "
        "up and down (auto of light)",
        choices=("auto", *SCHEDULES.values()),
    )
    beta1: float = parameter(0.5, "of pix2pix's Adam (published: 0.5)", minimum=0, maximum=0.999)
    data: str = parameter("", "what it was trained on, written by the run itself")

    @property
    def rate(self) -> float:
        """The learning rate, that of the architecture where none is given."""
        return self.learning_rate or RATES[self.architecture]

    @property
    def course(self) -> str:
        """The schedule, that of the architecture where it is ``auto``."""
        return SCHEDULES[self.architecture] if self.schedule == "auto" else self.schedule

    def __post_init__(self) -> None:
        validate(self)
        multiple = 2**self.layers
        if self.architecture == "pix2pix" and any(side % multiple for side in self.size):
            raise InputError(
                f"size is {self.size[0]}, {self.size[1]}; {self.layers} layers take multiples of "
                f"{multiple}"
            )
        if self.architecture == "light" and max(self.size) < 64:
            # Batch normalisation at 1/32 of the picture needs more than one pixel.
            raise InputError(
                f"size is {self.size[0]}, {self.size[1]}; the architecture light takes 64 and more "
                "on the longer side"
            )
