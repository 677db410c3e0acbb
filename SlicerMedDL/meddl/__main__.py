"""``python -m meddl``."""

import sys

from meddl.cli.main import main

sys.exit(main())
