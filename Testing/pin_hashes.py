"""Write ``hashes.txt``: the SHA-256 of every file of the packages that the extra ``test`` brings.

Their versions are those of ``constraints.txt``. Run it after a change of constraints.txt or of the
extra ``test``, with uv on the path (pip install uv): ``python Testing/pin_hashes.py``. uv asks the
package index; nothing is installed. PyTorch and the CUDA packages that its builds bring along are
left out, for their index is chosen at the installation.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OF_TORCH = re.compile(r"(torch|triton)==|nvidia-|cuda-")
HEADER = """\
# SHA-256 of the packages of constraints.txt, but for PyTorch; made by Testing/pin_hashes.py.
"""


def main() -> None:
    done = subprocess.run(
        [
            *("uv", "pip", "compile", "pyproject.toml", "--extra", "test"),
            *("--constraint", "constraints.txt", "--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-annotate", "--no-header", "--quiet"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    packages = re.split(r"\n(?=\S)", done.stdout.strip())
    kept = [package for package in packages if not OF_TORCH.match(package)]
    (ROOT / "hashes.txt").write_text(HEADER + "\n".join(kept) + "\n", encoding="utf-8")
    print(f"hashes.txt: {len(kept)} packages")


if __name__ == "__main__":
    main()
