"""The parameters of a training run on structure from motion; the published names and values.

The key of a parameter in a configuration file is its option without the dashes, so that
``--dcl_weight 5`` and ``dcl_weight: 5`` mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meddl.core.errors import InputError
from meddl.core.parameters import from_dict, parameter, validate
from meddl.core.training import TrainingParameters
from meddl.endodepth.networks import ARCHITECTURES, MULTIPLE


def _published(name: str, default: Any, help: str, **keywords: Any) -> Any:
    """A parameter whose option is spelled as in the published command line."""
    return parameter(default, help, option=f"--{name}", **keywords)


@dataclass
class DepthTraining(TrainingParameters):
    """A training run of a depth network on sequences with structure from motion.

    Defaults are those of Liu et al., IEEE TMI 2019 (arXiv 1902.07766) and their program; see
    :data:`PRESETS` for others.

    Raises:
        InputError: values that do not fit together.
    """

    # Data
    training_data_root: str = _published(
        "training_data_root", "", "folder of bag_1/, bag_2/, …, each with folders of sequences"
    )
    sequence: str = parameter("", "one sequence's folder, in place of training_data_root")
    id_range: tuple[int, int] | None = _published(
        "id_range", None, "first and last number of the bags that count; by default all", minimum=0
    )
    training_patient_id: str = _published(
        "training_patient_id", "", "numbers of the bags to train on; by default all others"
    )
    validation_patient_id: str = _published(
        "validation_patient_id", "", "numbers of the bags that validate"
    )
    testing_patient_id: str = _published(
        "testing_patient_id", "", "numbers of the bags that the best weights are tested on"
    )
    held_out_points: float = parameter(
        0.2,
        "share of the points of the training sequences that validate, if no bag does",
        option="--held_out_points",
        minimum=0.01,
        maximum=0.9,
    )
    adjacent_range: tuple[int, int] = _published(
        "adjacent_range", (5, 30), "views between the two of a pair, least and most", minimum=1
    )
    input_downsampling: float = _published(
        "input_downsampling",
        4.0,
        "pixels of a frame per pixel of the network's; 0: by the field of view, as predict does",
        minimum=0,
    )
    input_size: tuple[int, int] | None = _published(
        "input_size",
        (256, 320),
        "height and width that the pictures are cut or filled up to; null: that of the first",
        minimum=MULTIPLE,
    )
    network_downsampling: int = _published(
        "network_downsampling", 64, "sides of a picture become multiples of it", minimum=MULTIPLE
    )
    inlier_percentage: float = _published(
        "inlier_percentage", 0.99, "share of points that the filter keeps", minimum=0, maximum=1
    )
    visibility_overlap: int = _published(
        "visibility_overlap",
        30,
        "views before and after its own in which a point counts as seen",
        minimum=0,
    )
    use_hsv_colorspace: bool = _published(
        "use_hsv_colorspace", False, "pictures as hue, saturation and value"
    )
    load_intermediate_data: bool = _published(
        "load_intermediate_data", False, "take the prepared sequences that the run's folder has"
    )
    augmentation: float = parameter(
        1.0,
        "strength of the random changes of colour, sharpness and noise; 0: none",
        option="--augmentation",
        minimum=0,
        maximum=2,
    )
    # Network
    architecture: str = parameter(
        "fcdensenet57",
        "fcdensenet57, the published network, or light, for real time",
        option="--architecture",
        choices=ARCHITECTURES,
    )
    load_trained_model: str = _published(
        "load_trained_model", "", "weights to start from: a file or a name; decides architecture"
    )
    keep_statistics: bool = parameter(
        False,
        "batch normalisation goes on with the statistics of the weights that training starts from",
        option="--keep_statistics",
    )
    architecture_summary: bool = _published(
        "architecture_summary", False, "print the layers of the network first"
    )
    name: str = parameter("", "of the weights; by default endodepth- and the architecture")
    training_result_root: str = _published(
        "training_result_root", "", "folder of the run, where --output names none"
    )
    # Learning
    epochs: int = _published("number_epoch", 100, "times num_iter steps", minimum=1)
    num_iter: int = _published("num_iter", 1000, "steps per epoch", minimum=1)
    batch_size: int = _published("batch_size", 8, "pairs of pictures per step", minimum=1)
    workers: int = _published("workers", 0, "processes that load data; 0: none", minimum=0)
    learning_rate: float = _published("max_lr", 1e-3, "highest learning rate", minimum=0)
    min_lr: float = _published("min_lr", 1e-4, "lowest learning rate", minimum=0)
    optimizer: str = parameter(
        "sgd",
        "sgd with momentum 0.9 and a triangular cycle of two epochs as published, or adamw",
        option="--optimizer",
        choices=("sgd", "adamw"),
    )
    clip_norm: float = parameter(
        10.0, "largest norm of the gradient; 0: no clipping", option="--clip_norm", minimum=0
    )
    sfl_weight: float = _published("sfl_weight", 20.0, "of the sparse flow loss", minimum=0)
    dcl_weight: float = _published("dcl_weight", 5.0, "of the depth consistency loss", minimum=0)
    dcl_initial_weight: float = parameter(
        0.1, "of it in the first epochs", option="--dcl_initial_weight", minimum=0
    )
    dcl_initial_epochs: int = parameter(
        20, "their number", option="--dcl_initial_epochs", minimum=0
    )
    validation_interval: int = _published(
        "validation_interval", 1, "epochs between validations", minimum=1
    )
    display_interval: int = _published(
        "display_interval", 50, "steps between pictures and curves in TensorBoard", minimum=0
    )

    def __post_init__(self) -> None:
        validate(self)
        for name in ("adjacent_range", "id_range"):
            pair = getattr(self, name)
            if pair is not None and pair[0] > pair[1]:
                raise InputError(f"--{name} is {pair}, the second number must not be the smaller")
        if self.min_lr > self.learning_rate:
            raise InputError(
                f"--min_lr is {self.min_lr:g}, above --max_lr {self.learning_rate:g}; lower it"
            )
        for side in self.input_size or ():
            if side % MULTIPLE:
                raise InputError(
                    f"--input_size is {self.input_size}, multiples of {MULTIPLE} were expected"
                )
        if self.network_downsampling % MULTIPLE:
            raise InputError(
                f"--network_downsampling is {self.network_downsampling}, a multiple of {MULTIPLE} "
                "was expected"
            )
        if self.inlier_percentage == 0:
            raise InputError("--inlier_percentage is 0, above 0 to 1 was expected")

    @property
    def weights_name(self) -> str:
        """Of the weights that result."""
        return self.name or f"endodepth-{self.architecture}"

    def dcl_weight_at(self, epoch: int) -> float:
        """Weight of the depth consistency loss in an epoch, counted from 0."""
        return self.dcl_initial_weight if epoch < self.dcl_initial_epochs else self.dcl_weight


# For short runs. The light network takes 0.25 s of CPU time per pair; on the published example the
# AbsRel of held-out points after 40 steps from scratch was 0.061 with AdamW and 0.088 with SGD. A
# larger weight of the consistency loss made it worse again in runs of this length (0.08). A point
# counts only in the views that saw it: where a rendered camera comes close to a wall, a fifth of
# those seen up to 30 views away lay hidden behind it, and the wall came out up to twice too far.
_SHORT = {
    "architecture": "light",
    "optimizer": "adamw",
    "input_downsampling": 0.0,
    "input_size": None,
    "visibility_overlap": 0,
    "batch_size": 2,
    "num_iter": 20,
    "dcl_weight": 0.1,
    "display_interval": 0,
}
PRESETS: dict[str, dict[str, Any]] = {
    "published": {},
    "cpu": {**_SHORT, "epochs": 40},
    # With the statistics of a few pictures the shipped kind of weights gets worse at first: on the
    # example the AbsRel went from 0.14 to 0.25 when they were replaced by those of its frames.
    "finetune": {
        **_SHORT,
        "keep_statistics": True,
        "epochs": 8,
        "num_iter": 5,
        "learning_rate": 5e-4,
        "min_lr": 5e-5,
    },
}


def preset(name: str) -> DepthTraining:
    """The parameters of a preset.

    Raises:
        InputError: no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset {name!r}; there are: {', '.join(PRESETS)}")
    return from_dict(DepthTraining, PRESETS[name])
