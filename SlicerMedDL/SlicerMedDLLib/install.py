"""What is installed, and installing the rest when the user asks for it.

Nothing here runs at import time or on its own: :func:`install` is for a button's handler, in the
main thread. Slicer's own numpy, scipy, SimpleITK and pydicom keep their versions: pip gets them as
constraints, so it fails rather than replaces them. PyTorch is installed by the PyTorch extension,
which picks the build that fits the graphics card.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from importlib import invalidate_caches, metadata
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from meddl.core.errors import Cancelled, DependencyError
from meddl.core.optional import BASE, EXTRAS, is_installed
from SlicerMedDLLib.translation import said

logger = logging.getLogger(__name__)

SLICERS_OWN = ("numpy", "pydicom", "scipy", "SimpleITK", "vtk")
TORCH_VERSION = ">=2.4"


@dataclass(frozen=True)
class Feature:
    """Packages that are installed together.

    Attributes:
        name: the library's extra, or its base.
        purpose: what a person gets.
        megabytes: download of the wheels for Python 3.12 on Linux, dependencies included, without
            what Slicer brings and without PyTorch; measured in November 2026.
        needs_torch: whether PyTorch must be there first (else pip would fetch a build of its own).
    """

    name: str
    purpose: str
    megabytes: int
    needs_torch: bool = False

    @property
    def packages(self) -> dict[str, str]:
        """Import name -> pip name, without what Slicer brings."""
        return {
            module: package
            for module, (package, extra) in EXTRAS.items()
            if extra == self.name and package not in SLICERS_OWN
        }


def features() -> list[Feature]:
    """All features, most needed first (a function, because the purposes are translated)."""
    return [
        Feature(BASE, _("Radiographs, geometry, weights"), 81),
        Feature("torch", _("Neural networks"), 200),
        Feature("train", _("Training and metrics"), 17, needs_torch=True),
        Feature("video", _("Video files, H.264 and sound"), 92),
        Feature("openvino", _("Faster networks on Intel processors"), 57, needs_torch=True),
        Feature("onnx", _("Faster removal of smoke on processors"), 32, needs_torch=True),
        Feature("evaluate", _("Fused surfaces, figures, reports"), 34),
        Feature("sfm", _("Structure from motion"), 38),
        Feature("spectra", _("X-ray spectra of any tube"), 157),
    ]


def missing(feature: Feature) -> list[str]:
    """Pip names of the packages of ``feature`` that do not import.

    An existing ``cv2`` of any distribution counts: two OpenCV distributions break each other.
    """
    return [package for module, package in feature.packages.items() if not is_installed(module)]


def explain(feature: Feature) -> str:
    """What would be downloaded and how much, for the user to agree to."""
    lines = []
    if _lacks_torch(feature):
        lines.append(_("PyTorch: about 200 MB, with a graphics card up to 3 GB."))
    if feature.name != "torch":
        lines.append(
            _("{packages}: about {size} MB.").format(
                packages=", ".join(missing(feature)), size=feature.megabytes
            )
        )
    lines.append(
        _("They go into Slicer's Python, beside its own packages, which stay as they are.")
    )
    return "\n".join(lines)


def _lacks_torch(feature: Feature) -> bool:
    return (feature.needs_torch or feature.name == "torch") and not is_installed("torch")


def own_versions() -> list[str]:
    """``name==version`` of Slicer's own packages, as far as pip knows them."""
    pins = []
    for name in SLICERS_OWN:
        try:
            pins.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            logger.debug("%s has no metadata, so pip cannot be told about it", name)
    return pins


def install(feature: Feature) -> None:
    """Install what is missing of ``feature``, after asking the user. Main thread only.

    Raises:
        Cancelled: the user declined.
        DependencyError: PyTorch's extension is missing, or pip failed.
    """
    if not missing(feature) and not _lacks_torch(feature):
        return
    question = _("Download and install?") + "\n\n" + explain(feature)
    if not slicer.util.confirmOkCancelDisplay(question, windowTitle="MedDL"):
        raise Cancelled(_("nothing was installed"))
    if _lacks_torch(feature):
        _install_torch()
    requirements = missing(feature)
    if requirements:
        _pip_ensure(requirements)
        invalidate_caches()  # or the new packages stay invisible to this process
    still_missing = missing(feature)
    if still_missing:
        raise DependencyError(
            _("{missing} did not install; see the log, or restart Slicer and retry").format(
                missing=", ".join(still_missing)
            )
        )


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise DependencyError(
            _(
                "PyTorch is installed by Slicer's extension PyTorch, which is not here; add it "
                "in the Extensions Manager, restart Slicer and press Install again"
            )
        ) from error
    torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=False, torchVersionRequirement=TORCH_VERSION
    )
    invalidate_caches()
    if torch is None:
        raise Cancelled(_("PyTorch was not installed"))


def _pip_ensure(requirements: list[str]) -> None:
    from subprocess import CalledProcessError

    from slicer.packaging import pip_ensure

    with tempfile.TemporaryDirectory(prefix="meddl-") as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(own_versions()) + "\n", encoding="utf-8")
        try:
            pip_ensure(
                requirements, constraints=constraints, requester="MedDL", prompt_install=False
            )
        except CalledProcessError as error:
            raise DependencyError(
                _(
                    "pip could not install {requirements} (exit code {code}); the log "
                    "has its output; is there an internet connection?"
                ).format(requirements=", ".join(requirements), code=error.returncode)
            ) from error
        except RuntimeError as error:  # for example, another installation is in progress
            raise DependencyError(
                _("{requirements} not installed: {error}; try again").format(
                    requirements=", ".join(requirements), error=said(error)
                )
            ) from error
