"""The floors: who may import whom, and what nobody imports at file scope. Read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "SlicerMedDL" / "meddl"
GLUE = ROOT / "SlicerMedDL" / "SlicerMedDLLib"
MODULES = [ROOT / "SlicerMedDL" / "SlicerMedDL.py", *ROOT.glob("*Module/*.py")]
SHARED_ROOMS = {"core", "geodesic", "rendering"}  # what several systems need
SLICER = {"slicer", "qt", "ctk", "vtk"}
STANDARD = set(sys.stdlib_module_names)

# Files that are one library's code through and through, and may import it at file scope.
MAY_IMPORT = {
    "core/blocks.py": {"torch"},
    "core/checkpoint.py": {"safetensors", "torch"},
    "core/light_unet.py": {"torch"},
    "core/seeding.py": {"torch"},
    "core/ssim.py": {"torch"},
    "core/training_data.py": {"torch"},
    "core/training_loop.py": {"torch"},
    "core/video_opencv.py": {"cv2"},
    "core/video_pyav.py": {"av"},
    "core/weight_average.py": {"torch"},
    "deepdrr/beam_hardening.py": {"torch"},
    "deepdrr/first_hit.py": {"numba"},
    "deepdrr/materials_network.py": {"torch"},
    "deepdrr/photon_sampling.py": {"numba"},
    "deepdrr/pose_gradient.py": {"numba", "torch"},
    "deepdrr/projector.py": {"numba"},
    "deepdrr/projector_torch.py": {"torch"},
    "deepdrr/ray_mesh.py": {"numba"},
    "deepdrr/registration.py": {"torch"},
    "deepdrr/rigid_motion.py": {"torch"},
    "deepdrr/scatter_kernel.py": {"numba"},
    "deepdrr/scatter_network.py": {"torch"},
    "deepdrr/scatter_single.py": {"numba"},
    "deepdrr/shear_warp_kernels.py": {"numba"},
    "deepdrr/simd_lanes.py": {"llvmlite", "numba"},
    "deepdrr/similarity.py": {"torch"},
    "deepdrr/solid_voxels.py": {"numba"},
    "deepdrr/transport.py": {"numba"},
    "deepigeos/correction.py": {"scipy"},
    "deepigeos/crf.py": {"numba"},
    "deepigeos/crfnet.py": {"torch"},
    "deepigeos/encoding.py": {"scipy"},
    "deepigeos/generalist.py": {"scipy"},
    "deepigeos/generalist_network.py": {"torch"},
    "deepigeos/interactions.py": {"scipy"},
    "deepigeos/networks.py": {"torch"},
    "deepigeos/phantom_images.py": {"scipy"},
    "deepigeos/phantom_shapes.py": {"scipy"},
    "deepigeos/pnet.py": {"torch"},
    "deepigeos/trained.py": {"torch"},
    "deepigeos/trained_method.py": {"scipy"},
    "deepigeos/training_scores.py": {"torch"},
    "deepigeos/zoom.py": {"numba"},
    "desmoke/classical.py": {"cv2"},
    "desmoke/clip_kernels.py": {"numba"},
    "desmoke/dark_channel.py": {"cv2"},
    "desmoke/field_of_view.py": {"cv2"},
    "desmoke/guided_filter.py": {"cv2"},
    "desmoke/light_network.py": {"torch"},
    "desmoke/light_recipe.py": {"torch"},
    "desmoke/light_training.py": {"torch"},
    "desmoke/noise.py": {"numba"},
    "desmoke/patch_gan.py": {"torch"},
    "desmoke/pix2pix.py": {"torch"},
    "desmoke/pix2pix_training.py": {"torch"},
    "desmoke/recovery.py": {"cv2", "numba"},
    "desmoke/recovery_torch.py": {"torch"},
    "desmoke/smoke_kernels.py": {"numba"},
    "desmoke/temporal.py": {"cv2"},
    "endodepth/augmentation.py": {"cv2"},
    "endodepth/dense_block.py": {"torch"},
    "endodepth/fcdensenet.py": {"torch"},
    "endodepth/layers.py": {"torch"},
    "endodepth/light_network.py": {"torch"},
    "endodepth/losses.py": {"torch"},
    "endodepth/picture_variation.py": {"cv2"},
    "endodepth/rendered_training.py": {"torch"},
    "endodepth/surface_colour.py": {"numba"},
    "endodepth/texture_atlas.py": {"numba"},
    "endodepth/texture_colour.py": {"numba"},
    "endodepth/tsdf.py": {"numba"},
    "geodesic/simd_steps.py": {"llvmlite", "numba"},
    "geodesic/sweeps_torch.py": {"torch"},
    "monodepth/losses.py": {"torch"},
    "monodepth/network.py": {"torch"},
    "rendering/room_rays.py": {"numba"},
    "rendering/tracing.py": {"numba"},
}


def scope_imports(tree: ast.AST, inside_functions: bool) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of the imports that run when the file is imported, or all of them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield node.lineno, module
            for alias in node.names:  # `from meddl import desmoke` names a module too
                yield node.lineno, f"{module}.{alias.name}"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif inside_functions or not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ):
            yield from scope_imports(node, inside_functions)


def foreign(source: str, allowed: set[str]) -> list[str]:
    """Packages imported at file scope that are neither standard, nor ours, nor allowed."""
    ours = {"meddl", "SlicerMedDLLib"} | {path.stem for path in MODULES}
    ours |= {f"{path.stem}Lib" for path in MODULES}
    found = []
    for line, name in scope_imports(ast.parse(source), inside_functions=False):
        top = name.partition(".")[0]
        if top and top not in STANDARD | ours | allowed:
            found.append(f"line {line}: {top}")
    return list(dict.fromkeys(found))


def upward(source: str, room: str) -> list[str]:
    """Imports of ``meddl``'s other rooms that a file of ``room`` may not make, anywhere in it."""
    allowed = {room, "core", "optional", "_lazy", "__version__"}
    if room not in SHARED_ROOMS:
        allowed |= SHARED_ROOMS
    found = []
    for line, name in scope_imports(ast.parse(source), inside_functions=True):
        parts = name.split(".")
        if parts[0] in SLICER | {"SlicerMedDLLib"}:
            found.append(f"line {line}: {name}")
        elif parts[0] == "" and len(parts) > 2:
            found.append(f"line {line}: {name} (a relative import that leaves its package)")
        elif room != "cli" and parts[0] == "meddl" and len(parts) > 1 and parts[1] not in allowed:
            found.append(f"line {line}: {name}")
    return found


def library_files() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def room_of(path: Path) -> str:
    """``core``, ``cli``, a system's name; ``core`` for the few files of the package itself."""
    parts = path.relative_to(LIBRARY).parts
    return parts[0] if len(parts) > 1 else "cli" if path.name == "__main__.py" else "core"


def report(findings: dict[Path, list[str]]) -> str:
    return "\n".join(
        f"{path.relative_to(ROOT)}, {line}" for path, lines in findings.items() for line in lines
    )


def test_the_library_imports_downwards_only_and_never_slicer():
    findings = {path: upward(path.read_text(), room_of(path)) for path in library_files()}
    assert len(findings) > 30 and report(findings) == ""


def test_faces_and_command_line_import_only_the_standard_library_at_file_scope():
    paths = [p for p in library_files() if p.name == "__init__.py" or room_of(p) == "cli"]
    assert report({path: foreign(path.read_text(), set()) for path in paths}) == ""


def test_the_rest_of_the_library_imports_numpy_only_at_file_scope():
    findings = {}
    for path in library_files():
        allowed = MAY_IMPORT.get(path.relative_to(LIBRARY).as_posix(), set())
        findings[path] = foreign(path.read_text(), {"numpy"} | allowed)
    assert report(findings) == ""
    assert all((LIBRARY / name).exists() for name in MAY_IMPORT)


def test_module_files_and_glue_import_only_what_slicer_has_at_file_scope():
    allowed = SLICER | {"numpy", "scipy", "SimpleITK", "SegmentEditorEffects"}
    paths = [p for p in MODULES if p.exists()]
    paths += [*GLUE.rglob("*.py"), *ROOT.glob("*Module/*Lib/**/*.py")]
    assert len(paths) > 5
    assert report({path: foreign(path.read_text(), allowed) for path in paths}) == ""


def dialogs_of_logics(source: str) -> list[str]:
    """Uses of Qt and of dialog functions inside classes called …Logic."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Logic"):
            for part in ast.walk(node):
                name = ast.unparse(part) if isinstance(part, ast.Attribute | ast.Name) else ""
                if name in ("qt", "ctk") or name.endswith(("Display", "confirmOkCancelDisplay")):
                    found.append(f"line {part.lineno}: {name}")
    return found


def test_no_logic_shows_a_dialog():
    paths = [p for p in MODULES if p.exists()]
    assert report({path: dialogs_of_logics(path.read_text()) for path in paths}) == ""


def test_every_module_of_the_library_imports_where_there_is_no_slicer():
    program = f"""
        import importlib, importlib.abc, pkgutil, sys

        class Block(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name.partition(".")[0] in {SLICER!r}:
                    raise ImportError(f"{{name}} is blocked")

        sys.meta_path.insert(0, Block())
        import meddl
        names = [m.name for m in pkgutil.walk_packages(meddl.__path__, "meddl.")]
        for name in names:
            if not name.endswith("__main__"):
                importlib.import_module(name)
        print(len(names))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=LIBRARY.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) + 1 >= len(library_files()) - 1  # __init__ of meddl is not among them


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import torch", ["line 1: torch"]),
        ("try:\n    from cv2 import x\nexcept ImportError:\n    pass", ["line 2: cv2"]),
        ("def f():\n    import torch", []),
        ("class A:\n    import numba.cuda", ["line 2: numba"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", []),
        ("import json, meddl.core\nfrom . import sibling", []),
    ],
)
def test_the_rule_about_file_scope_can_fail(source, found):
    assert foreign(source, set()) == found


@pytest.mark.parametrize(
    ("source", "room", "count"),
    [
        ("from meddl.core import Image", "deepdrr", 0),
        ("from meddl.rendering.mesh import x", "endodepth", 0),
        ("def f():\n    from meddl.desmoke import x", "deepdrr", 2),
        ("from meddl import desmoke", "deepdrr", 1),
        ("import meddl.deepdrr", "core", 1),
        ("def f():\n    import meddl.rendering", "geodesic", 1),
        ("def f():\n    import vtk", "core", 1),
        ("import meddl.deepdrr", "cli", 0),
        ("def f():\n    import slicer", "cli", 1),
        ("from ..core import x", "deepdrr", 2),
    ],
)
def test_the_rule_about_floors_can_fail(source, room, count):
    assert len(upward(source, room)) == count


def test_the_rule_about_dialogs_can_fail():
    bad = "class XLogic:\n    def f(self):\n        slicer.util.errorDisplay('')\n        qt.QTimer"
    assert len(dialogs_of_logics(bad)) == 2
    assert dialogs_of_logics(bad.replace("XLogic", "XWidget")) == []
