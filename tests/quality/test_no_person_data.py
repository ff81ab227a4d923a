"""No number, telephone or name of a person in anything that is not made to hold people (U9).

The real command runs three nights over known people, with rows that are wrong in every way in which a value can get to
where it does not belong, and then everything that it left behind is read: what it printed, the whole home, the folder
of temporary files, the user's folder. What may hold people is listed below with the reason; whatever else comes to lie in
a home one day is read too, until somebody says why it need not be.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from fnmatch import fnmatch
from pathlib import Path

import polars as pl
import pytest

import canbao
from canbao.errors import masked_traceback
from canbao.intake.problems import shown_name, without_numbers
from tests.quality.personal import RARE, People, contents, leaks, readings
from tests.story import Story

HOLDS_PEOPLE = {
    "staged/*": "the departments' rows themselves, as read",
    "steps/*.parquet": "tables of the last build, for the next one to take over",
    "warehouse/*": "the night's scratch database",
    "key*": "the secret that person ids are made with",
    "landing/*": "what canbao feedback took in: rows of people",
    "feedback/refused/*": "rows sent back to a village, with what is wrong about each",
    "repair/*": "repair requests: the department gets the keys of its own wrong rows",
    # A night that stopped publishes no table of rejected rows: the bureau repairs the file from this one. Owner alone.
    "runs/*/quarantine.csv": "rejected rows of a night that stopped, whole, on purpose",
}
PERSON_TABLES = (
    "person", "coverage", "duplicate_enrollment", "duplicate_payment", "merge_candidate", "uninsured", "responsibility",
    "entitlement", "premium_reconciliation", "notice", "anomaly", "identifier", "newborn", "feedback", "change",
    "quarantine", "repair_item",
)  # fmt: skip
"""Published tables with a row per person, or with rows as they came."""

NUMBERS = ("certno", "old_certno", "mother_certno", "father_certno", "guardian_certno", "payer_certno", "birth_cert_no")
NAMES = ("psn_name", "mother_name", "reporter")


class Known(Story):
    """A story whose people all have names that stand nowhere else, and of whom everything is remembered."""

    def __init__(self, folder: Path) -> None:
        self.people = People()
        self._renamed: dict[str, str] = {}
        super().__init__(folder, persons=300)

    def deliver(
        self,
        source: str,
        frame: pl.DataFrame,
        day: date | None = None,
        name: str = "part-1.csv",
        *,
        stands: bool = True,
    ) -> Path:
        frame = frame.with_columns(pl.all().cast(pl.String))
        for column in {*NAMES} & {*frame.columns}:
            frame = frame.with_columns(pl.col(column).map_elements(self.rare, return_dtype=pl.String))
        for column in {*NUMBERS, "tel"} & {*frame.columns}:
            for value in frame[column].drop_nulls():
                self.people.add_number(value)
        return super().deliver(source, frame, day, name, stands=stands)

    def rare(self, name: str) -> str:
        """The name by which somebody goes here: of two signs, or of three."""
        if name in self.people.names:
            return name
        if name not in self._renamed:
            n, width = len(self._renamed), RARE[1] - RARE[0]
            # 0x9ED1 and the like are common; signs of the two ends of the block never follow each other elsewhere
            signs = [
                chr(RARE[0] + n % width),
                chr(RARE[1] - (7 * n + n // width) % width),
                chr(RARE[0] + 3 * n % width),
            ]
            self._renamed[name] = "".join(signs[: 2 + n % 2])
            self.people.names.add(self._renamed[name])
        return self._renamed[name]


def wrong_rows(story: Known) -> None:
    """Rows in which people stand where they should not: in dates, codes, places, amounts, headers and names of files."""
    rows = story.frame("population").filter(pl.col("tel").is_not_null()).head(40).to_dicts()
    name, number, phone = ([row[key] for row in rows] for key in ("psn_name", "certno", "tel"))
    story.people.add_number(number[0][:15] + "000")
    misplaced = [
        {"certno": "5.00103E+17", "brdy": name[0], "tel": phone[0]},
        {"certno": number[0][:15] + "000", "resd_code": phone[1]},
        {"brdy": name[2], "status_date": number[2]},
        {"brdy": f"{number[3]}日", "gend": name[3], "naty": phone[3]},
        {"certno": name[4], "psn_name": number[4]},
        {"resd_code": number[5], "live_code": name[5]},
        {"live_code": phone[6], "household_no": name[6], "resd_permit": number[6]},
        {"resd_status": name[7], "psn_cert_type": number[7]},
        {"psn_name": f"{name[8]}{phone[8]}", "tel": f"{name[8]}:{phone[8]}"},
        {"old_certno": name[9], "certno": number[9][:17] + ("1" if number[9][17] != "1" else "2")},
    ]
    population = story.frame("population")
    extra = pl.DataFrame(
        [{**row, **wrong} for row, wrong in zip(rows, misplaced, strict=False)], schema=population.schema
    )
    people = pl.concat([population, extra]).with_columns(pl.lit(name[10]).alias(f"备注{number[10]}/{phone[10]}"))
    enrollment = story.frame("enrollment")
    bad = enrollment.head(4).with_columns(
        psn_insu_rlts_id=pl.Series([f"X{n}" for n in range(4)]),
        insutype=pl.Series([name[11], number[11], "390", "310"]),
        psn_insu_stas=pl.Series(["1", "1", name[12], phone[12]]),
        insu_admdvs=pl.Series([number[13], name[13], phone[13], "500103"]),
        emp_name=pl.Series([name[14], number[14], phone[14], None]),
        begn_date=pl.Series(["2026-01-01", "2026-01-01", name[15], number[15]]),
    )
    payment = story.frame("tax_payment").head(3).with_columns(
        pay_id=pl.Series(["X1", "X2", "X3"]), insutype=pl.Series([name[16], "390", "310"]),
        pay_type=pl.Series([number[16], name[17], phone[17]]), amount=pl.Series(["400", name[18], number[18]]),
        insu_admdvs=pl.Series([name[19], phone[19], number[19]]), tier=pl.Series([phone[20], number[20], name[20]]),
    )  # fmt: skip
    feedback = pl.DataFrame(
        {
            "batch_id": [number[21], "B1", name[21]], "certno": [number[22], name[22], number[23]],
            "division_code": ["500103001001", number[23], name[23]], "reason_code": [name[24], "W1", phone[24]],
            "found_date": ["2026-01-12", name[25], "2026-01-12"], "note": [f"{name[26]}，{phone[26]}"] * 3,
            "reporter": [name[27], phone[27], number[27]],
        }
    )  # fmt: skip
    student = story.frame("student").head(2).with_columns(
        school_name=pl.Series([name[28], number[28]]), school_code=pl.Series([phone[29], number[29]]),
        stage=pl.Series([name[30], phone[30]]), school_admdvs=pl.Series([number[31], "500103"]),
    )  # fmt: skip
    aid = story.frame("aid_recipient").head(1).with_columns(aid_type=pl.Series([name[32]]))
    target = story.frame("target").with_columns(set_by=pl.lit(name[33]))
    story.next_day(
        population=people,
        enrollment=pl.concat([enrollment, bad]),
        tax_payment=payment,
        grid_feedback=feedback,
    )
    for source, frame, file in (
        ("student", pl.concat([story.frame("student"), student]), f"学籍_{number[34]}.csv"),
        ("aid_recipient", pl.concat([story.frame("aid_recipient"), aid]), f"{phone[34]}_救助.csv"),
        ("target", target, "part-1.csv"),
    ):
        story.deliver(source, frame, name=file)
    (story.landing / phone[35]).mkdir()
    (story.landing / "veteran" / f"补{number[35]}").mkdir(parents=True)
    (story.landing / f"{number[36]}.csv").write_text("x")


def hopeless_files(story: Known) -> None:
    """A delivery that stops the night: a file without header, a cut one, one of another kind, and too many bad rows."""
    story.next_day()
    rows = story.frame("population").filter(pl.col("tel").is_not_null()).tail(60).to_dicts()
    day = story.day.isoformat()
    lines = [",".join([row["psn_name"], row["certno"], row["tel"]]) for row in rows]
    folder = story.landing / "student" / day
    folder.mkdir(parents=True)
    (folder / f"名单{rows[0]['certno']}.csv").write_text("\n".join(lines), "utf-8")
    folder = story.landing / "aid_recipient" / day
    folder.mkdir(parents=True)
    packed = gzip.compress("\n".join(["certno,aid_type,begn_date", *lines]).encode())
    (folder / "part.csv.gz").write_bytes(packed[: len(packed) // 2])
    (folder / f"{rows[1]['tel']}.pdf").write_bytes(b"%PDF-1.4")
    folder = story.landing / "custody" / day
    folder.mkdir(parents=True)
    (folder / "part.csv").write_text(
        "certno,begn_date\n" + "\n".join(f"{row['certno']},{row['psn_name']}" for row in rows)
    )
    (folder / "manifest.json").write_text(f'{{"rows": 60, "sha256": {{"{rows[2]["certno"]}.csv": "0"}}}}')
    population = story.frame("population")
    damaged = pl.DataFrame([{**row, "certno": "9.91103E+17"} for row in rows], schema=population.schema)
    story.deliver("population", pl.concat([population, damaged]), stands=False)


class Left:
    """What three nights left behind."""

    def __init__(self, folder: Path) -> None:
        self.story = Known(folder)
        self.home, self.folder = self.story.home, folder
        self.printed = ""
        self.environment = {**os.environ, "HOME": str(folder / "user"), "TMPDIR": str(folder / "tmp")}
        self.environment.pop("CANBAO_KEY", None)
        for name in ("user", "tmp"):
            (folder / name).mkdir()

    def canbao(self, *arguments: object) -> int:
        """Run the command and keep all that it says."""
        done = subprocess.run(
            [sys.executable, "-m", "canbao", *map(str, arguments)],
            capture_output=True, text=True, timeout=560, check=False, env=self.environment, cwd=self.folder,
        )  # fmt: skip
        self.printed += done.stdout + done.stderr
        return done.returncode

    def night(self) -> int:
        return self.canbao(
            "run", "--landing", self.story.landing, "--home", self.home, "--as-of", self.story.day, "--verbose"
        )

    def files(self, *, of_people: bool) -> Iterator[Path]:
        """The files that may hold people, or all others."""
        for path in sorted(self.home.rglob("*")):
            if path.is_file() and not path.is_symlink():
                name = path.relative_to(self.home).as_posix()
                known = any(fnmatch(name, pattern) for pattern in HOLDS_PEOPLE)
                known |= name.startswith("published/") and name.count("/") == 3 and path.stem in PERSON_TABLES
                if known == of_people:
                    yield path


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    left = Left(tmp_path_factory.mktemp("people"))
    story = left.story
    story.run(great_expectations=False, reports=False)  # the night that the next one is compared with
    wrong_rows(story)
    assert left.night() == 0, left.printed
    rows = story.frame("population").head(3).to_dicts()
    sheet = left.folder / f"村{rows[0]['certno']}.csv"
    lines = [f"B1,{row['certno'][:17]}0,{row['psn_name']},W1,{row['tel']}" for row in rows]
    sheet.write_text("\n".join(["batch_id,certno,division_code,reason_code,found_date", *lines]), "utf-8")
    left.canbao("feedback", sheet, "--home", left.home)
    hopeless_files(story)
    assert left.night() == 1, left.printed
    left.canbao("status", "--home", left.home)
    left.canbao("incident", "list", "--home", left.home)
    left.canbao("run", "--landing", story.landing, "--home", left.home, "--as-of", story.day + timedelta(days=1),
                "--accept", "row_fall.student", "--reason", f"{rows[0]['certno']}已核实")  # fmt: skip
    return left


def test_nothing_that_was_printed_names_anybody(left: Left) -> None:
    assert "refused." in left.printed and "rejected_share.population" in left.printed
    assert not {found for text in readings(left.printed.encode()) for found in left.story.people.found_in(text)}


def test_nothing_that_was_left_behind_names_anybody(left: Left) -> None:
    found = leaks(left.files(of_people=False), left.story.people, left.home)
    assert not found, "\n".join(f"{name}: {len(what)}, e.g. {min(what)}" for name, what in found.items())
    for place in ("user", "tmp"):
        outside = [path for path in (left.folder / place).rglob("*") if path.is_file()]
        assert not leaks(outside, left.story.people, left.folder)


def test_no_name_of_a_file_names_anybody(left: Left) -> None:
    """Not even of one that holds people: names stand in listings, back-ups and their logs."""
    names = "\n".join(path.relative_to(left.home).as_posix() for path in left.home.rglob("*"))
    assert "feedback/refused/" in names
    assert not left.story.people.found_in(names)


def test_what_must_be_scanned_was_there(left: Left) -> None:
    """An empty home would pass the scan."""
    names = [path.relative_to(left.home).as_posix() for path in left.files(of_people=False)]
    wanted = (
        "prefect/*.db", "runs/*.json", "runs/*/quality/*.html", "history/*.json", "published/*/manifest.json",
        "published/*/run_report.json", "published/*/run_report.md", "published/*/quality_metric.parquet",
        "published/*/verdict.parquet", "published/*/grade.parquet", "published/*/measure.parquet",
        "published/*/load_file.parquet", "published/*/bridge.parquet", "published/*/reports/brief.docx",
        "published/*/reports/brief.txt", "published/*/reports/quality/index.html",
        "published/*/reports/quality/data_docs/*.html", "published/*/reports/quality/*.html",
        "published/*/reports/ledger/*.xlsx", "history/measure/*.parquet",
        "steps/*.json",
    )  # fmt: skip
    for pattern in wanted:
        assert [name for name in names if fnmatch(name, pattern)], pattern


def test_the_known_people_are_found_where_they_are(left: Left) -> None:
    """A scan that sees nothing anywhere is no proof."""
    found = leaks(left.files(of_people=True), left.story.people, left.home)
    for part in ("staged/", "steps/", "runs/", "published/"):
        assert [name for name in found if name.startswith(part)], part
    everybody = set().union(*found.values())
    people = left.story.people
    assert len(everybody & people.names) > 0.9 * len(people.names)
    assert len(everybody & people.numbers) > 300


def test_names_of_the_known_people_stand_nowhere_else(left: Left) -> None:
    """Otherwise a place, a code or a word of ours would be taken for somebody."""
    ours = Path(canbao.__file__).parent
    texts = [path for kind in ("toml", "csv", "html", "json") for path in ours.rglob(f"*.{kind}")]
    assert len(texts) > 50
    names = People(names=left.story.people.names)
    assert not leaks(texts, names, ours)


def test_the_scan_reads_what_is_hidden(tmp_path: Path) -> None:
    people = People(names={"\u9e71\u9f20", "\u9e72\u9f21\u9e73"})
    people.add_number("991103199001011234")
    hidden = {
        "old.txt": "991103900101123",
        "within.txt": "ID0991103199001011239_x",
        "full.txt": "９９１１０３１９９００１０１１２３４",
        "parted.txt": "991103 19900101 1234",
        "url.html": '<a href="/x?n=%E9%B9%B1%E9%BC%A0">',
        "entity.html": "&#40561;&#40736;",
        "escaped.json": '"\\u9e72\\u9f21\\u9e73"',
        "991103199001011234.txt": "",
    }
    for name, text in hidden.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "gbk.csv").write_bytes("\u9e72\u9f21\u9e73".encode("gb18030"))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"991103199001011234"))
    pl.DataFrame({"a": [["\u9e71\u9f20"]]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "fine.txt").write_text("\u9e71\u3000\u9f20 20260331 500103001001 2026033102000012345", "utf-8")
    found = leaks(sorted(tmp_path.iterdir()), people, tmp_path)
    assert set(found) == {*hidden, "gbk.csv", "x.csv.gz", "a.parquet"}
    assert list(contents(tmp_path / "fine.txt"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("人口20260331.csv", "人口20260331.csv"), ("20260331020000.csv", "20260331020000.csv"),
        ("20260331020000123.csv", "20260331020000123.csv"), ("500103001001.csv", "500103001001.csv"),
        ("张某991103199001011234.csv", "张某991***.csv"), ("991103900101123.xlsx", "991***.xlsx"),
        ("99110319900101123x.csv", "991***.csv"), ("10000000000_补.csv", "100***_补.csv"),
        ("00991103199001011234.csv", "009***.csv"), ("９９１１０３１９９００１０１１２３４.csv", "９９１***.csv"),
    ],
)  # fmt: skip
def test_names_that_others_chose_lose_numbers_of_people(name: str, shown: str) -> None:
    assert without_numbers(name) == shown


def test_files_that_look_alike_then_are_counted(tmp_path: Path) -> None:
    for name in ("991103199001011234.csv", "991103199001021234.csv", "part.csv"):
        (tmp_path / name).touch()
    assert [shown_name(path) for path in sorted(tmp_path.iterdir())] == ["991***.csv~1", "991***.csv~2", "part.csv"]
    assert shown_name(tmp_path / "gone991103199001011234.csv") == "gone991***.csv"


def test_the_text_of_a_fault_names_nobody() -> None:
    quoted = "cannot read '\u9e71\u9f20' (991103199001011234)\n  LINE 1: '\u9e72\u9f21\u9e73'\n    '\u9e71\u9f20'"
    with pytest.raises(ValueError, match="cannot read") as fault:
        raise ValueError(quoted)
    said = masked_traceback(fault.value)
    assert not People({"99110319900101123"}, {"\u9e71\u9f20", "\u9e72\u9f21\u9e73"}).found_in(said)
    assert "ValueError: cannot read '***' (991***)" in said
    assert "test_no_person_data.py" in said
