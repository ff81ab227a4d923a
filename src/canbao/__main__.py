"""`python -m canbao`."""

import sys

from canbao.cli import main

if __name__ == "__main__":
    sys.exit(main())
