"""`python -m tests.oracle --lives 100000` compares that many random people in all, spread over the sets of parameters.

Lives are judged for the entitlement, groups of relations for the duplicates.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from .compare import SETTINGS, compare, make, told
from .compare_groups import GROUP_SETTINGS, compare_groups, make_groups


def main() -> int:
    """Compares and prints; exit status 1 where something differs."""
    parser = argparse.ArgumentParser(description="random people: the tables against a plain reading of the policy")
    parser.add_argument("--lives", type=int, default=100_000, help="lives for the entitlement, in all")
    parser.add_argument("--groups", type=int, default=20_000, help="groups of relations for the duplicates, in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5, help="how many people that differ are printed")
    options = parser.parse_args()
    work = [(setting, make, compare, -(-options.lives // len(SETTINGS))) for setting in SETTINGS]
    work += [
        (setting, make_groups, compare_groups, options.groups // len(GROUP_SETTINGS)) for setting in GROUP_SETTINGS
    ]
    failed = False
    for number, (setting, maker, comparison, count) in enumerate(work):
        scratch = Path(tempfile.mkdtemp())
        begun = time.monotonic()
        try:
            wrong = comparison(maker(setting, count, options.seed + number, scratch), setting, scratch)
        finally:
            shutil.rmtree(scratch)
        sys.stdout.write(f"{setting.name}: {count} people, {len(wrong)} differ, {time.monotonic() - begun:.0f} s\n")
        if wrong:
            failed = True
            sys.stdout.write(told(wrong, options.show) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
