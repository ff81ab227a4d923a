"""`make samples`: the small landing area of the repository, made anew."""

import shutil
from datetime import date
from pathlib import Path

from canbao.generate import generate
from canbao.paths import package_dir

PERSONS = 6_500
SEED = 20_260_331
AS_OF = date(2026, 3, 31)
COUNTIES = ["500101", "500112", "500237"]
FOLDER = package_dir("data_samples").parents[2] / "data_samples"


def main(folder: Path = FOLDER) -> None:
    """Make `landing/` and `truth/` under the folder; its README stays."""
    made = folder.with_name("data_samples.new")
    shutil.rmtree(made, ignore_errors=True)
    generate(made, PERSONS, SEED, AS_OF, counties=COUNTIES)
    for name in ("landing", "truth"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.move(made / name, folder / name)
    made.rmdir()


if __name__ == "__main__":
    main()
