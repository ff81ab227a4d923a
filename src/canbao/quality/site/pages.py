"""From a night's data to its pages: what each page shows, as plain values for its template."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import polars as pl

from canbao.quality.nights import in_words
from canbao.quality.site import charts
from canbao.quality.site.data import NIGHTS_SHOWN, Loose, Row, SiteData, by_key, codes
from canbao.quality.site.figures import MISSING, clock, counted, day_of, figure, masked, number, share, signed
from canbao.quality.site.words import words

_TEMPLATES = Path(__file__).parent / "templates"
MAIN = ("should_be_insured", "insured", "uninsured")
BASES = ("household", "residence")
UNPLACED = "未落地（区县不明）"
_WORTH_SAYING = 10
"""Fewer wrong rows than these are no news, even where they are more than on any night before."""
_LISTED = 20
"""Changed divisions and parameters that the morning page lists one by one."""


def write_site(target: Path, data: SiteData) -> int:
    """Write all pages.

    Args:
        target: `reports/quality` of a draft, or `<home>/runs/<run_id>/quality`; what lies there otherwise stays.
        data: The night.

    Returns:
        Number of pages.
    """
    return _Site(target, data).write()


class _Site:
    """One night's site in the making: figures that several pages share, and the environment of the templates."""

    def __init__(self, target: Path, data: SiteData) -> None:
        data = replace(data, previous=Loose(data.previous))
        self.target, self.data, self.words = target, data, words()
        self.written = 0
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters.update(
            n=number, signed=signed, share=share, figure=figure, safe=environment.filters["safe"], masked=masked,
            day=day_of, clock=clock,
        )  # fmt: skip
        environment.globals.update(
            w=self.words,
            data=data,
            products={row["code"]: row["title"] for row in data.products},
            released=self.released,
            nav=self._nav(),
            check_page=self.check_page,
            counted=counted,
            source_title=self.source_title,
            source_page=self.source_page,
            badge=self._badge,
            has_districts=bool(self.places),
            city=self.city,
            places=self.places,
        )
        self.environment = environment

    # ------------------------------------------------------------------------------------------------------- shared

    def write(self) -> int:
        self.target.mkdir(parents=True, exist_ok=True)
        (self.target / "style.css").write_text(style(), encoding="utf-8")
        self._page("index.html", **self._morning())
        self._page("checks.html", **self._checks())
        for check in self.checks:
            if check["page"]:
                self._page(check["page"], "check.html", check=check, **self._check(check))
        self._page("sources.html", sources=self.sources)
        for source in self.sources:
            self._page(source["page"], "source.html", source=source, **self._source(source))
        self._page("districts.html", **self._districts())
        for code in self.places:
            self._page(f"districts/{code}.html", "district.html", **self._district(code))
        self._page("departments.html", departments=self._departments(), requests=self._requests())
        self._page("funnel.html", **self._funnel())
        self._page("bridge.html", **self._bridge())
        self._page("history.html", **self._history())
        return self.written

    def _page(self, place: str, template: str | None = None, /, **values: Any) -> None:
        root = "../" * place.count("/")
        path = self.target / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self.environment.get_template(template or place).render(root=root, here=place, **values)
        path.write_text(re.sub(r"\n[ \t]*(?=\n)", "", text), encoding="utf-8")
        self.written += 1

    @staticmethod
    def _nav() -> list[tuple[str, str]]:
        return [
            ("index.html", "今早"), ("checks.html", "检查"), ("sources.html", "来源"), ("districts.html", "区县"),
            ("departments.html", "部门"), ("funnel.html", "人数漏斗"), ("bridge.html", "较上次变动"),
            ("history.html", "历次"),
        ]  # fmt: skip

    def _badge(self, kind: str, key: str | None) -> Row:
        entries = self.words[kind]
        found: Row = entries.get(key or "none") or {"word": key or MISSING, "shape": "？", "badge": "open"}
        return found

    def source_title(self, name: str | None) -> str:
        definition = self.data.definitions.get(name or "")
        return definition.title if definition else name or ""

    def source_page(self, name: str | None) -> str:
        return f"sources/{name}.html" if name in self.data.definitions else ""

    def check_page(self, check_id: str) -> str:
        """The page of a check, else its row in the list; empty for a check that tonight has not."""
        found = self._by_id.get(check_id)
        return "" if found is None else found["page"] or f"checks.html#c-{slug(check_id)}"

    @cached_property
    def _by_id(self) -> dict[str, Row]:
        return {check["check_id"]: check for check in self.checks}

    @cached_property
    def released(self) -> list[Row]:
        return [
            {
                "check_id": check["check_id"],
                "title": check["title"],
                "reason": check["accepted"],
                "by": "、".join(check.get("accepted_by") or ()) or self.data.accepted_by,
            }
            for check in self.data.checks
            if check.get("accepted")
        ]

    @cached_property
    def checks(self) -> list[Row]:
        """All checks, failed first, then not computed, then passed; within these blocking ones first, then by id."""
        states, severities = self.words["state"], self.words["severity"]
        departments = sorted({check.get("department") or "" for check in self.data.checks} - {""})
        found = []
        for check in self.data.checks:
            measure = Loose(self.data.catalogue.get(check["check_id"], {}))
            past = self._past_values.get(check["check_id"], [])
            wanted = check["state"] != "passed" or (bool(measure) and bool(past))
            # what the catalogue says fills in where the check itself says nothing
            row = Loose({**check, "past": past, "measure": measure, "anchor": f"c-{slug(check['check_id'])}"})
            row["department"] = check.get("department") or measure.get("department") or ""
            row["page"] = f"checks/{slug(check['check_id'])}.html" if wanted else ""
            if check["state"] == "failed":
                row["badge"] = self.words["failed"][check["severity"]]
            else:
                row["badge"] = states[check["state"]]
            row["classes"] = " ".join(
                [
                    *(f"p-{code}" for code in check.get("harms") or ()),
                    f"a-{check['axis']}",
                    f"s-{check['state']}",
                    f"v-{check['severity']}",
                    f"d-{departments.index(row['department']) + 1}" if row["department"] in departments else "d-0",
                ]
            )
            row["few"] = _too_few(check, measure)
            row["incident"] = self._incident_of.get(check["check_id"])
            found.append(row)
        return sorted(
            found,
            key=lambda row: (
                states[row["state"]]["order"], severities[row["severity"]]["order"], bool(row.get("trial")),
                row["check_id"],
            ),
        )  # fmt: skip

    @cached_property
    def _incident_of(self) -> dict[str, Row]:
        return {row["check_id"]: Loose(row) for row in self.data.incidents if row.get("state") != "closed"}

    @cached_property
    def failing(self) -> list[Row]:
        return [check for check in self.checks if check["state"] != "passed"]

    @cached_property
    def _measures(self) -> dict[tuple[str, str], list[Row]]:
        """Values of nights, oldest first: of the city ('') every measure, of districts the ledger's."""
        frames = []
        if self.data.past_measures is not None:
            frames.append(self.data.past_measures)
        if "measure" in self.data.tables:
            frames.append(self.data.tables["measure"].with_columns(pl.lit(self.data.as_of.isoformat()).alias("night")))
        if not frames:
            return {}
        wanted = ["measure_id", "division_code", "night", "numerator", "denominator", "value", "failed"]
        whole = pl.concat(frames, how="diagonal_relaxed").select(wanted)
        whole = whole.filter((pl.col("division_code") == "") | pl.col("measure_id").str.starts_with("ledger."))
        found: dict[tuple[str, str], list[Row]] = {}
        for row in whole.sort("measure_id", "division_code", "night").iter_rows(named=True):
            found.setdefault((row["measure_id"], row["division_code"]), []).append(row)
        return found

    @cached_property
    def _of_districts(self) -> list[Row]:
        """Tonight's measures of each district beside its own past: median, highest value and number of nights."""
        if "measure" not in self.data.tables:
            return []
        rows = self.data.tables["measure"].filter(~pl.col("measure_id").str.contains(r"^(?:ledger|rows)\."))
        key = ["measure_id", "division_code"]
        if self.data.past_measures is None:
            none = pl.lit(None, dtype=pl.Float64)
            rows = rows.with_columns(none.alias("median"), none.alias("most"), pl.lit(0).alias("nights"))
        else:
            value = pl.col("value")
            past = self.data.past_measures.group_by(key).agg(
                value.median().alias("median"), value.max().alias("most"), value.count().alias("nights")
            )
            rows = rows.join(past, on=key, how="left").with_columns(pl.col("nights").fill_null(0))
        worse = (pl.col("value") > pl.col("most")) & (pl.col("numerator") >= _WORTH_SAYING)
        rows = rows.with_columns(worse.fill_null(value=False).alias("worse")).sort(key)
        return [
            {**row, "title": self._title(row["measure_id"]), "informs": self._informs(row["measure_id"])}
            for row in rows.iter_rows(named=True)
        ]

    @cached_property
    def _by_measure(self) -> dict[str, list[Row]]:
        return by_key(self._of_districts, lambda row: row["measure_id"])

    @cached_property
    def _by_division(self) -> dict[str, list[Row]]:
        return by_key(self._of_districts, lambda row: row["division_code"])

    @cached_property
    def _past_values(self) -> dict[str, list[Row]]:
        """Per check its figure on earlier nights, oldest first: from the measures' history, else from publications."""
        tonight = self.data.as_of.isoformat()
        found = {
            measure_id: past
            for (measure_id, division), rows in self._measures.items()
            if not division and (past := [row for row in rows if row["night"] < tonight])
        }
        if self.data.past_checks is not None:
            for check_id, rows in by_key(self.data.past_checks.to_dicts(), lambda row: row["check_id"]).items():
                if check_id not in found:
                    found[check_id] = [
                        {**row, "failed": None if row["passed"] is None else not row["passed"]} for row in rows
                    ]
        return found

    @cached_property
    def cells(self) -> dict[tuple[str, str, str], int]:
        """Ledger values of the city and its districts: basis, division, measure."""
        if "ledger" not in self.data.tables:
            return {}
        wanted = ("basis", "division_code", "measure", "value")
        return {(b, d, m): int(v) for b, d, m, v in self.data.tables["ledger"].select(wanted).iter_rows()}

    @cached_property
    def places(self) -> dict[str, str]:
        """City and districts by code, in the order of codes."""
        if "ledger" not in self.data.tables:
            return {}
        rows = self.data.tables["ledger"].filter(~pl.col("division_code").str.ends_with("-"))
        rows = rows.select("level", "division_code", "division_name").unique().sort("level", "division_code")
        return {code: name for _, code, name in rows.iter_rows()}

    @cached_property
    def city(self) -> str:
        return next(iter(self.places), "")

    @cached_property
    def unplaced(self) -> list[str]:
        return sorted({d for _, d, _ in self.cells if d.endswith("-")})

    # ----------------------------------------------------------------------------------------------------- morning

    def _morning(self) -> Row:
        counts = {state: sum(check["state"] == state for check in self.checks) for state in self.words["state"]}
        blocking = [check for check in self.failing if check["severity"] == "block" and not check.get("accepted")]
        verdicts = self._verdicts()
        return {
            "counts": counts,
            "blocking": blocking,
            "releasable": [c for c in blocking if not c["check_id"].startswith("required.")]
            if all(not c["check_id"].startswith("required.") for c in blocking)
            else [],
            "verdicts": verdicts,
            "ledger_verdict": next((row for row in verdicts if row["product"] == "ledger"), None),
            "since": self._since(),
            "bridges": [
                bridge
                for bridge in (self._bridge_of("household", self.city, measure) for measure in ("uninsured", "insured"))
                if bridge
            ],
            "matrix": self._matrix(self.city),
            "figures": [
                {
                    "title": title,
                    "values": [self.cells.get((basis, self.city, measure)) for basis in BASES],
                    "before": [self._before(basis, self.city, measure) for basis in BASES],
                }
                for measure, title in self.words["measure"].items()
            ]
            if self.cells
            else [],
            "sources": sorted(self.sources, key=lambda row: row["order"]),
            "silent": [row for row in self.sources if row["stopped"] or row["state"] != "fresh"],
            "incidents": self._incidents(),
            "changed": self._changed(),
            "unsent": self.data.unsent,
            "overdue": [row for row in self._requests() if row["overdue"]],
            "growing": [Loose(row) for row in self.data.growing],
            "open_requests": self._requests(),
            "not_computed": [
                check
                for check in self.failing
                if check["state"] == "not_computed" and check["severity"] != "info" and not check["trial"]
            ],
        }

    def _since(self) -> Row:
        """How long it has been so: nights without a publication, or nights published in a row."""
        earlier = [
            row for row in self.data.nights if row["run_id"] != self.data.run_id and row.get("state") != "running"
        ]
        by_night: dict[str, bool] = {}
        for row in earlier:
            day = str(row.get("as_of"))
            if day < self.data.as_of.isoformat():
                by_night[day] = by_night.get(day, False) or row.get("state") == "published"
        nights = sorted(by_night, reverse=True)
        run = 0
        while run < len(nights) and by_night[nights[run]] == self.data.published:
            run += 1
        first = nights[run - 1] if run else self.data.as_of.isoformat()
        return {"nights": run + 1, "first": first, "last": self.data.previous.get("as_of")}

    def _verdicts(self) -> list[Row]:
        harmed = {
            row["code"]: [c for c in self.failing if row["code"] in (c.get("harms") or ()) and not c.get("trial")]
            for row in self.data.products
        }
        judged = {}
        if "verdict" in self.data.tables:
            judged = {row["product"]: row for row in self.data.tables["verdict"].to_dicts()}
        before = self.data.verdicts.get(str(self.data.previous["run_id"]), {}) if not self.data.published else {}
        rows: list[Row] = [
            {
                "product": row["code"],
                "title": row["title"],
                "meaning": row["meaning"],
                "verdict": judged.get(row["code"], {}).get("verdict") or before.get(row["code"], "none"),
                "reason": judged.get(row["code"], {}).get("reason", ""),
                "checks": judged[row["code"]]["check_ids"]
                if row["code"] in judged
                else [check["check_id"] for check in harmed[row["code"]] if check["severity"] != "info"],
            }
            for row in self.data.products
        ]
        for row in rows:
            found = [self._by_id[check_id] for check_id in row["checks"] if check_id in self._by_id]
            groups = by_key(found, lambda check: check["department"] or "系统维护人员")
            row["whom"] = [{"department": name, "checks": checks} for name, checks in groups.items()]
        return rows

    def _incidents(self) -> list[Row]:
        order = self.words["severity"]
        rows = [Loose(row) for row in self.data.incidents if row.get("state") != "closed"]
        return sorted(
            rows, key=lambda row: (order.get(row.get("severity"), {"order": 9})["order"], str(row.get("opened")))
        )

    def _requests(self) -> list[Row]:
        return sorted(self.data.requests, key=lambda row: (str(row["due"]), str(row["number"])))

    def _changed(self) -> Row:
        """What else is different since the publication before: parameters, divisions, checks, the program."""
        before = self.data.previous
        if not before:
            return {"known": False}
        was = {row["name"]: row for row in before.get("rules", {}).get("parameters", [])}
        now: dict[str, Row] = {}
        if self.data.parameters is not None:
            now = {row["name"]: row for row in self.data.parameters}
        parameters = [
            {"name": name, "was": was.get(name, {}).get("value"), "is": now.get(name, {}).get("value")}
            for name in sorted({*was, *now})
            if now and str(was.get(name, {}).get("value")) != str(now.get(name, {}).get("value"))
        ]
        divisions: list[Row] = []
        if self.data.places is not None:
            new, old = self.data.places
            divisions = [
                {"code": code, "was": old.get(code), "is": new.get(code)}
                for code in sorted({*new, *old})
                if new.get(code) != old.get(code)
            ]
        known = {check["check_id"] for check in self.data.checks}
        past = {row["check_id"] for row in before.get("checks", [])}
        return {
            "known": True,
            "as_of": before.get("as_of"),
            "parameters": parameters[:_LISTED],
            "parameters_total": len(parameters),
            "divisions": divisions[:_LISTED],
            "divisions_total": len(divisions),
            "new_checks": sorted(known - past) if self.data.published else [],
            "gone_checks": sorted(past - known) if self.data.published else [],
            "code": bool(self.data.code) and before.get("code", {}).get("sha256") != self.data.code,
        }

    # ------------------------------------------------------------------------------------------------------ checks

    def _checks(self) -> Row:
        departments = sorted({check["department"] for check in self.checks if check["department"]})
        numbers = {name: f"d-{n}" for n, name in enumerate(departments, 1)}
        groups = [
            ("结果", [(f"s-{key}", row["word"]) for key, row in self.words["state"].items()]),
            ("级别", [(f"v-{key}", row["word"]) for key, row in self.words["severity"].items()]),
            ("产品", [(f"p-{row['code']}", row["title"]) for row in self.data.products]),
            ("部门", [(numbers[name], name) for name in departments]),
            ("维度", [(f"a-{key}", word) for key, word in self.words["axis"].items()]),
        ]
        used = {name for check in self.checks for name in check["classes"].split()}
        groups = [(title, [(key, word) for key, word in keys if key in used]) for title, keys in groups]
        return {
            "checks": self.checks,
            "groups": groups,
            "tallies": {key: sum(key in c["classes"].split() for c in self.checks) for key in used},
            "filters": sorted(used),
            "counts": {state: sum(c["state"] == state for c in self.checks) for state in self.words["state"]},
        }

    def _check(self, check: Row) -> Row:
        rows = [*check["past"], {"night": self.data.as_of.isoformat(), **check, "failed": check["state"] == "failed"}]
        rows = [row for row in rows if row.get("value") is not None][-NIGHTS_SHOWN:]
        is_share = bool(check.get("denominator")) and all(row["value"] <= 1 for row in rows)
        values = {row["value"] for row in rows}
        points = [self._point(row, is_share) for row in rows]
        limit = check.get("threshold")
        shown = limit if limit is not None and rows and limit <= 3 * max(*values, 0.0) else None
        districts = [
            {**row, "code": row["division_code"], "name": self.places.get(row["division_code"], "")}
            for row in self._by_measure.get(check["check_id"], [])
            if row["division_code"]
        ]
        # A line that never moved, or that always passed, is told by its table: a drawing costs more than a page.
        drawn = len(values) > 1 and any(point["failed"] is not False for point in points)
        return {
            "is_share": is_share,
            "points": points,
            "steady": len(values) == 1 and len(rows) > 1,
            "range": [_label(pick(values), is_share) for pick in (min, max)] if values else [],
            "chart": charts.trend(points, check["title"], limit=shown, percent=is_share) if drawn else "",
            "districts": districts,
            "spots": _spots(self.data.repairs.get(check["check_id"], {}).get("rows", [])),
            "repair": self.data.repairs.get(check["check_id"]),
            "contact": self.data.contacts.get(check["department"], ""),
            "request": next((row for row in self._requests() if row.get("department") == check["department"]), None),
            "harmed": [row for row in self._verdicts() if row["product"] in (check.get("harms") or ())],
        }

    def _point(self, row: Row, is_share: bool) -> Row:
        return {
            "day": str(row["night"])[5:],
            "night": str(row["night"]),
            "value": float(row["value"]),
            "failed": row.get("failed"),
            "label": _label(row["value"], is_share),
            "numerator": row.get("numerator"),
            "denominator": row.get("denominator"),
        }

    # ----------------------------------------------------------------------------------------------------- sources

    @cached_property
    def sources(self) -> list[Row]:
        """Every defined source with what came of it."""
        files = by_key(map(Loose, self.data.files), lambda row: row["source"])
        growing = by_key(map(Loose, self.data.growing), lambda row: row.get("source"))
        found = []
        for rank, (name, definition) in enumerate(self.data.definitions.items()):
            mine = files.get(name, [])
            good = [row for row in mine if row.get("state", "accepted") == "accepted"]
            newest = max((row["delivery"] for row in good if row["delivery"]), default=None)
            age = (self.data.as_of - newest).days if newest else None
            rhythm = getattr(definition, "rhythm_days", None)
            if any(row.get("state") == "refused" for row in mine):
                state = "refused"
            elif not good:
                state = "missing"
            elif rhythm is not None and age is not None and age > rhythm:
                state = "late"
            else:
                state = "fresh"
            read, rejected = (sum(int(row[key] or 0) for row in good) for key in ("rows_read", "rows_rejected"))
            checks = [check for check in self.checks if check.get("source") == name]
            stopped = any(c["state"] != "passed" and c["severity"] == "block" and not c.get("accepted") for c in checks)
            before = self.data.previous.get("inputs", {}).get("sources", {}).get(name, {})
            found.append(
                {
                    "name": name,
                    "title": definition.title,
                    "department": definition.department,
                    "kind": definition.kind,
                    "required": definition.required_source,
                    "limit": definition.max_rejected_share,
                    "page": f"sources/{name}.html",
                    "files": mine,
                    "delivery": newest,
                    "age": age,
                    "rhythm": rhythm,
                    "state": state,
                    "stopped": stopped,
                    "read": read,
                    "accepted": sum(int(row["rows_accepted"] or 0) for row in good),
                    "rejected": rejected,
                    "share": rejected / read if read else None,
                    "before": before.get("rows_accepted"),
                    "before_delivery": before.get("delivery"),
                    "growing": growing.get(name, []),
                    "checks": checks,
                    "failing": [
                        check
                        for check in checks
                        if check["state"] == "failed" or (check["state"] != "passed" and check["severity"] != "info")
                    ],
                    # no past to compare with, as on a first night: nobody has to do anything about it
                    "unjudged": sum(c["state"] == "not_computed" and c["severity"] == "info" for c in checks),
                    "contact": self.data.contacts.get(definition.department, ""),
                    "order": (0 if stopped else {"refused": 0, "missing": 1, "late": 2, "fresh": 3}[state], rank),
                }
            )
        return found

    def _source(self, source: Row) -> Row:
        name = source["name"]
        rows = self._measures.get((f"rows.{name}", ""), [])
        points = [self._point({**row, "value": row["numerator"] if row["value"] is None else row["value"]}, False)
                  for row in rows if row["value"] is not None or row["numerator"] is not None]  # fmt: skip
        rejected = self._past_values.get(f"rejected_share.{name}", [])
        tonight = self._by_id.get(f"rejected_share.{name}")
        if tonight is not None:
            rejected = [
                *rejected,
                {"night": self.data.as_of.isoformat(), **tonight, "failed": tonight["state"] == "failed"},
            ]
        shares = [self._point(row, True) for row in rejected if row.get("value") is not None]
        ages = self._ages(source)
        titles = [field.title for field in self.data.definitions[name].fields]
        return {
            "points": points,
            "chart": _moving(points, f"{source['title']}采用行数"),
            "shares": shares,
            "share_chart": _moving(shares, f"{source['title']}剔除行占比", percent=True),
            "ages": ages,
            "age_chart": _moving(ages, f"{source['title']}数据年龄（天）"),
            "trend": _side_by_side(points, shares, ages),
            "columns": titles,
            "extra": sorted({column for row in source["files"] for column in row.get("extra_columns") or ()}),
            "measures": [row for row in self.data.catalogue.values() if row["source"] == name],
        }

    def _ages(self, source: Row) -> list[Row]:
        """Days between a night and the newest delivery that it used, as far as a measure keeps it."""
        rows = self._measures.get((f"{source['name']}.age", ""), [])
        return [self._point({**row, "value": row["numerator"]}, False) for row in rows if row["numerator"] is not None]

    # --------------------------------------------------------------------------------------------------- districts

    def _grades(self, kind: str) -> dict[str, Row]:
        if "grade" not in self.data.tables:
            return {}
        rows = self.data.tables["grade"].filter(pl.col("subject_kind") == kind)
        return {row["subject"]: Loose(row) for row in rows.to_dicts()}

    def _before(self, basis: str, code: str, measure: str) -> int | None:
        """The figure of the publication before: from the bridge, else from the night before in the history."""
        for row in self._bridges.get((basis, code, measure), []):
            return int(row["previous"])
        past = [
            row
            for row in self._measures.get((f"ledger.{basis}.{measure}", "" if code == self.city else code), [])
            if row["night"] < self.data.as_of.isoformat()
        ]
        last = past[-1] if past else None
        return None if last is None else int(last["numerator"] if last["numerator"] is not None else last["value"])

    def _districts(self) -> Row:
        grades = self._grades("district")
        rows = []
        for code in [*self.places, *self.unplaced]:
            values = {b: {m: self.cells.get((b, code, m)) for m in MAIN} for b in BASES}
            rows.append(
                {
                    "code": code,
                    "name": self._name(code),
                    "page": f"districts/{code}.html" if code in self.places else "",
                    "values": values,
                    "rates": {b: _rate(values[b]["insured"], values[b]["should_be_insured"]) for b in BASES},
                    "grade": grades.get(code),
                }
            )
        return {"rows": rows}

    def _district(self, code: str) -> Row:
        key = "" if code == self.city else code
        figures = []
        for basis in BASES:
            now = {m: self.cells.get((basis, code, m)) for m in MAIN}
            was = {m: self._before(basis, code, m) for m in MAIN}
            figures.append(
                {
                    "basis": basis,
                    "now": now,
                    "was": was,
                    "rate": _rate(now["insured"], now["should_be_insured"]),
                    "rate_was": _rate(was["insured"], was["should_be_insured"]),
                }
            )
        past = {m: self._ledger_past("household", key, m) for m in MAIN}
        rates = [
            self._point({"night": night, "value": value}, True)
            for night in past["should_be_insured"]
            if (value := _rate(past["insured"].get(night), past["should_be_insured"][night])) is not None
        ]
        missing = self._line(past["uninsured"])
        measures = self._by_division.get(key, [])
        changed = [row for row in measures if row["failed"] or row["worse"] or row["failed"] is None]
        return {
            "code": code,
            "name": self.places[code],
            "is_city": code == self.city,
            "figures": figures,
            "rates": rates,
            "missing": missing,
            "trend": _side_by_side(*(self._line(past[name]) for name in MAIN), rates),
            "chart": _moving(missing, f"{self.places[code]}未参保人数（户籍口径）"),
            "rate_chart": _moving(rates, f"{self.places[code]}参保率（户籍口径）", percent=True),
            "matrix": self._matrix(code),
            "shown": sorted(
                (row for row in measures if row["numerator"] or row["failed"] is not False),
                key=lambda row: (row["failed"] is False, not row["worse"], row["measure_id"]),
            ),
            "measures": measures,
            "changed": changed,
            "grade": self._grades("district").get(code),
        }

    def _line(self, values: Mapping[str, int]) -> list[Row]:
        return [self._point({"night": night, "value": value}, False) for night, value in values.items()]

    def _ledger_past(self, basis: str, division: str, measure: str) -> dict[str, int]:
        rows = self._measures.get((f"ledger.{basis}.{measure}", division), [])
        found = {
            row["night"]: int(row["numerator"] if row["numerator"] is not None else row["value"])
            for row in rows
            if row["numerator"] is not None or row["value"] is not None
        }
        tonight = self.cells.get((basis, division or self.city, measure))
        if tonight is not None:
            found[self.data.as_of.isoformat()] = tonight
        return dict(sorted(found.items())[-NIGHTS_SHOWN:])

    def _title(self, measure_id: str) -> str:
        if measure_id in self._by_id:
            return str(self._by_id[measure_id]["title"])
        return str(self.data.catalogue.get(measure_id, {}).get("title", measure_id))

    def _informs(self, measure_id: str) -> bool:
        """Whether a measure only informs (说明)."""
        told = self._by_id.get(measure_id) or self.data.catalogue.get(measure_id, {})
        return bool(told.get("severity") == "info")

    # ------------------------------------------------------------------------------------------------- departments

    def _departments(self) -> list[Row]:
        grades = self._grades("department")
        requests = by_key(self._requests(), lambda row: row.get("department"))
        sources = by_key(self.sources, lambda row: row["department"])
        names = sorted({*grades, *(name for name in requests if name), *sources})
        return [
            {
                "name": name,
                "grade": grades.get(name),
                "sources": sources.get(name, []),
                "requests": requests.get(name, []),
                "failing": [check for check in self.failing if check["department"] == name],
                "contact": self.data.contacts.get(name, ""),
            }
            for name in names
        ]

    # ------------------------------------------------------------------------------------------------------ funnel

    def _funnel(self) -> Row:
        if self.data.counts is None or "insured_status" not in self.data.counts.columns:
            return {"people": None}
        rows = self.data.counts.to_dicts()
        status: dict[str, int] = {}
        reasons: dict[str, int] = {}
        for row in rows:
            status[row["insured_status"]] = status.get(row["insured_status"], 0) + row["persons"]
            if row["insured_status"] == "uninsured":
                reason = str(row.get("uninsured_reason"))
                reasons[reason] = reasons.get(reason, 0) + row["persons"]
        known = sum(status.values())
        insured = {key: status.get(key, 0) for key in self.words["insured"]}
        excluded = {key: status.get(key, 0) for key in self.words["excluded"]}
        uninsured = status.get("uninsured", 0)
        outside = status.get("out_of_scope", 0)
        within = known - outside
        should = sum(insured.values()) + uninsured
        people = {
            "known": known,
            "in_population": sum(row["persons"] for row in rows if row.get("in_population")),
            "outside": outside,
            "within": within,
            "excluded": excluded,
            "excluded_sum": sum(excluded.values()),
            "should": should,
            "insured": insured,
            "insured_sum": sum(insured.values()),
            "uninsured": uninsured,
            "reasons": {key: reasons.get(key, 0) for key in self.words["uninsured"]},
            "other": known - outside - sum(excluded.values()) - should,
        }
        steps = [
            ("已知人员", known, "main"), ("不在参保范围", outside, "out"), ("应参保范围内", within, "main"),
            *((self.words["excluded"][key], value, "out") for key, value in excluded.items() if value),
            ("应参保", should, "main"),
            *((self.words["insured"][key], value, "main") for key, value in insured.items()),
            ("未参保", uninsured, "gap"),
        ]  # fmt: skip
        drawn = [
            {"label": label, "value": value, "kind": kind, "text": f"−{value:,}" if kind == "out" else f"{value:,}"}
            for label, value, kind in steps
        ]
        placed = []
        for basis in BASES:
            cell = {m: self.cells.get((basis, self.city, m)) for m in (*MAIN, "excluded", "out_of_scope")}
            if cell["should_be_insured"] is not None:
                placed.append(
                    {
                        "basis": basis,
                        "cell": cell,
                        "elsewhere": {
                            "should_be_insured": should - int(cell["should_be_insured"] or 0),
                            "insured": people["insured_sum"] - int(cell["insured"] or 0),
                            "uninsured": uninsured - int(cell["uninsured"] or 0),
                        },
                        "reasons": {
                            key: self.cells.get((basis, self.city, f"uninsured_{key}"))
                            for key in self.words["uninsured"]
                        },
                        "kinds": {
                            key: self.cells.get((basis, self.city, key if key.startswith("att") else f"insured_{key}"))
                            for key in self.words["insured"]
                        },
                    }
                )
        return {"people": people, "placed": placed, "chart": charts.bars(drawn, "从已知人员到参保")}

    # ------------------------------------------------------------------------------------------------------ bridge

    @cached_property
    def _bridges(self) -> dict[tuple[str, str, str], list[Row]]:
        if "bridge" not in self.data.tables:
            return {}
        rows = self.data.tables["bridge"].to_dicts()
        return by_key(rows, lambda row: (row["basis"], row["division_code"], row["measure"]))

    @cached_property
    def _cause_words(self) -> dict[str, str]:
        return {row["code"]: row["title"] for row in codes("change_cause")}

    def _cause(self, row: Mapping[str, Any]) -> Row:
        """One cause of a bridge: its difference, and how many people its list holds."""
        delta = int(row["delta"])
        added, removed = (int(row.get(side) or 0) for side in ("added", "removed"))
        if not added and not removed:  # a table that does not tell them apart
            added, removed = max(delta, 0), max(-delta, 0)
        word = self._cause_words.get(row["cause"], row["cause"])
        return {
            "cause": row["cause"], "word": word, "delta": delta, "added": added, "removed": removed,
            "listed": added + removed,
        }  # fmt: skip

    def _bridge_of(self, basis: str, code: str, measure: str, *, draw: bool = True) -> Row | None:
        rows = self._bridges.get((basis, code, measure), [])
        if not rows:
            return None
        known = list(self._cause_words)
        rows = sorted(rows, key=lambda row: known.index(row["cause"]) if row["cause"] in known else 99)
        begin = level = int(rows[0]["previous"])
        end = int(rows[0]["value"])
        causes = [self._cause(row) for row in rows]
        title = f"{self.words['basis'][basis]}{self.words['measure'].get(measure, measure)}"
        was = str(self.data.previous.get("as_of") or "")
        steps = [
            {"label": f"上次 {was[5:]}".strip(), "kind": "total", "begin": level, "end": level, "text": number(level)}
        ]
        for cause in causes:
            if cause["delta"]:
                step = {"begin": level, "end": level + cause["delta"]}
                kind = "up" if cause["delta"] > 0 else "down"
                steps.append({"label": cause["word"], "kind": kind, "text": signed(cause["delta"]), **step})
                level += cause["delta"]
        today = self.data.as_of.isoformat()[5:]
        steps.append({"label": f"本次 {today}", "kind": "total", "begin": end, "end": end, "text": number(end)})
        return {
            "basis": basis,
            "measure": measure,
            "title": title,
            "previous": begin,
            "value": end,
            "causes": causes,
            "sum": sum(cause["delta"] for cause in causes),
            "adds_up": begin + sum(cause["delta"] for cause in causes) == end,
            "moved": any(cause["delta"] for cause in causes),
            "chart": charts.waterfall(steps, title) if draw and len(steps) > 2 else "",
        }

    def _name(self, code: str) -> str:
        """A division's name; one that is no more has it from the publication before."""
        if code.endswith("-"):
            return UNPLACED
        past = (self.data.places or ({}, {}))[1]
        return self.places.get(code) or f"{past.get(code, '')}（已停用）"

    def _matrix(self, code: str) -> Row:
        """All bridges of a division as one table: a row per basis and measure, a column per cause that moved one."""
        bridges = [found for b in BASES for m in MAIN if (found := self._bridge_of(b, code, m, draw=False))]
        moved = {cause["cause"] for bridge in bridges for cause in bridge["causes"] if cause["delta"]}
        known = [cause for bridge in bridges[:1] for cause in bridge["causes"] if cause["cause"] in moved]
        for bridge in bridges:
            deltas = {cause["cause"]: cause["delta"] for cause in bridge["causes"]}
            bridge["deltas"] = [deltas.get(cause["cause"], 0) for cause in known]
        return {"rows": bridges, "causes": known, "adds_up": all(bridge["adds_up"] for bridge in bridges)}

    def _bridge(self) -> Row:
        city = [found for b in BASES for m in MAIN if (found := self._bridge_of(b, self.city, m))]
        tables = []
        for bridge in city:
            codes_here = {d for b, d, m in self._bridges if (b, m) == (bridge["basis"], bridge["measure"])}
            rows: list[Row] = [
                {"code": code, "name": self._name(code), "bridge": one, "page": f"districts/{code}.html"}
                for code in [self.city, *sorted(codes_here - {self.city})]
                if (one := self._bridge_of(bridge["basis"], code, bridge["measure"], draw=False))
            ]
            used: list[Row] = [
                {"cause": cause["cause"], "word": cause["word"]}
                for cause in bridge["causes"]
                if any(c["listed"] for row in rows for c in row["bridge"]["causes"] if c["cause"] == cause["cause"])
            ]
            for row in rows:
                cells = {cause["cause"]: cause for cause in row["bridge"]["causes"]}
                row["cells"] = [cells[cause["cause"]] for cause in used]
            tables.append({**bridge, "rows": rows, "used": used})
        lists = []
        if self.data.changes is not None:
            details = {row["code"]: row["title"] for row in codes("change_detail")}
            for cause, part in by_key(map(Loose, self.data.changes.to_dicts()), lambda row: row["cause"]).items():
                moves = [{**row, "detail": details.get(row["detail"], row["detail"] or "")} for row in part]
                persons = sum(row["persons"] for row in part)
                lists.append({"word": self._cause_words.get(cause, cause), "persons": persons, "moves": moves})
        return {"tables": tables, "lists": lists, "first": not self.data.previous}

    # ----------------------------------------------------------------------------------------------------- history

    def _history(self) -> Row:
        rows = []
        for record in self.data.nights:
            run_id = record["run_id"]
            mine = run_id == self.data.run_id
            state = self.data.state if mine else str(record.get("state"))
            let = [one["check_id"] for one in self.released] if mine else list(record.get("released") or ())
            let = let if state == "published" else []
            rows.append(
                {
                    "as_of": str(record.get("as_of")),
                    "run_id": run_id,
                    "state": "released" if let else state,
                    "released": let,
                    "minutes": _minutes(record, self.data.at if mine else None),
                    "started": record.get("started"),
                    "failing": list(record.get("failing_checks") or ()) if not mine
                    else [c["check_id"] for c in self.failing if c["severity"] == "block" and not c.get("accepted")],
                    "verdicts": {row["product"]: row["verdict"] for row in self._verdicts()}
                    if mine and self.data.published
                    else self.data.verdicts.get(run_id, {}),
                    "mine": mine,
                }
            )  # fmt: skip
        return {"rows": rows, "missed": in_words(self.data.missed)}


# ------------------------------------------------------------------------------------------------------------ figures


def _moving(points: Sequence[Mapping[str, Any]], title: str, *, percent: bool = False) -> str:
    """A chart where there is something to see: not for a line that never moved."""
    moved = len({point["value"] for point in points}) > 1
    return charts.trend(points[-NIGHTS_SHOWN:], title, percent=percent) if moved else ""


def _side_by_side(*columns: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of a table of nights, newest first, from several lines of points."""
    nights = sorted({point["night"] for column in columns for point in column}, reverse=True)
    found = [{point["night"]: point for point in column} for column in columns]
    return [{"night": night, "cells": [column.get(night) for column in found]} for night in nights]


def _spots(rows: Sequence[Row]) -> list[Row]:
    """Rows to look at, gathered by file."""
    found = by_key(rows, lambda row: (row["source"], row["delivery"], row["file"]))
    return [
        {"source": source, "delivery": delivery, "file": file, "lines": sorted(row["line"] for row in mine)}
        for (source, delivery, file), mine in found.items()
    ]


def _label(value: float, is_share: bool) -> str:
    return share(value) if is_share else number(value)


def _too_few(check: Mapping[str, Any], measure: Mapping[str, Any]) -> bool:
    """Whether a check passed only because fewer rows are wrong than its measure asks for."""
    value, limit, least = check.get("value"), check.get("threshold"), measure.get("least")
    if check["state"] != "passed" or value is None or limit is None or not least:
        return False
    wrong = (check.get("numerator") or 0) - (check.get("known") or 0)
    return bool(value > limit and 0 < wrong < least)


def _rate(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole


def _minutes(record: Mapping[str, Any], now: datetime | None) -> float | None:
    try:
        begun = datetime.fromisoformat(str(record.get("started")))
        ended = now or datetime.fromisoformat(str(record.get("finished")))
    except ValueError:
        return None
    return (ended - begun).total_seconds() / 60


def slug(check_id: str) -> str:
    """A file name for a check; ids that are no plain names get a digest so that no two meet."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", check_id)
    return plain if plain == check_id else f"{plain}-{hashlib.sha256(check_id.encode()).hexdigest()[:6]}"


def style() -> str:
    """The style sheet, its colours from `words.toml`."""
    text = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    lines = []
    for name, badge in words()["badge"].items():
        lines.append(
            f".b-{name} {{ background: {badge['fill']}; color: {badge['text']}; border-color: {badge['border']}; }}"
        )
    for name, colour in words()["colour"].items():
        text = text.replace(f"@{name}@", colour)
    return text + "\n".join(lines) + "\n"
