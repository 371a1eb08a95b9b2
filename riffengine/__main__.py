"""``python -m riffengine``: the same as the ``riffengine`` command."""

import sys

from riffengine.cli import main

if __name__ == "__main__":  # spawned processes import this module under another name
    sys.exit(main())
