"""One person: status and what it rests on, timeline, payments, duplicates, entitlement, findings, objections.

Every view is in the audit log before the page leaves. The same facts on one sheet of paper are the 核查单 (U17).
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from canbao.errors import UserError
from canbao.home import Home
from canbao.loop.codes import batch_id
from canbao.loop.outcome import was_read
from canbao.loop.state import Loop
from canbao.portal.batches import loop_of, outcome_words
from canbao.portal.evidence import duplicate_words, entitlement_words, finding_words, status_words
from canbao.portal.fields import VERIFIED, hidden, is_child, place, present, show_of
from canbao.portal.objections import OUTCOMES, Objections
from canbao.portal.page import Stop, account_of, field_of, go, note, portal_of, render
from canbao.portal.reading import reads
from canbao.portal.scope import Scope, refuse, require
from canbao.portal.store import Publication
from canbao.portal.timeline import timeline
from canbao.portal.words import code_word, insurance, word, words

_PERSON_TABLES = (
    "coverage", "entitlement", "identifier", "duplicate_payment", "premium_reconciliation", "merge_candidate",
    "anomaly", "newborn", "notice", "feedback", "change", "duplicate", "listed",
)  # fmt: skip
_TAG_SOURCES = {
    "aid": "aid_recipient", "disabled": "aid_recipient", "unemployment_benefit": "employment", "employed": "employment",
    "veteran": "veteran", "pupil": "student", "university_student": "student", "flexible": "enrollment",
    "newborn": "birth",
}  # fmt: skip


@reads
def show(request: Request, pub: Publication) -> Response:
    """`/person/PERSON_ID`."""
    file = _file(request, pub, "file")
    return render(request, "person.html", **file)


@reads
def sheet(request: Request, pub: Publication) -> Response:
    """`/person/PERSON_ID/sheet`: one page to print, sign and file."""
    file = _file(request, pub, "sheet")
    return render(request, "sheet.html", **file)


@reads
def object_to(request: Request, pub: Publication) -> Response:
    """`POST /person/PERSON_ID/objection`: something in the file is wrong."""
    scope, person = _person(request, pub, "object")
    person_id = person["person_id"].hex
    portal = portal_of(request)
    about = field_of(request, "about")
    try:
        Objections(portal.home).raise_one(
            person_id,
            about,
            field_of(request, "text", 2000),
            account=account_of(request).name,
            division=scope.division.code if scope.division else "",
            publication=pub.id,
            at=portal.clock(),
            journal=lambda key: note(request, "object", target=person_id, detail_id=key, about=about),
        )
    except UserError as error:
        raise Stop(str(error)) from None
    return go(f"/person/{person_id}#objections")


def _person(request: Request, pub: Publication, capability: str) -> tuple[Scope, dict[str, Any]]:
    """The person whom an address names, where the scope holds them; else the page for what does not exist."""
    text = str(request.path_params["person_id"])
    scope = require(request, capability, action="view_person", target=text)
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise refuse(request, "view_person", text, "missing")
    found = pub.one("person_number", id=UUID(text))
    person = found and pub.one("person_one", id=UUID(text), n=found["n"])
    if person is None:
        raise refuse(request, "view_person", text, "missing")
    first, last = scope.range
    places = (person["household_tree"], person["residence_tree"])
    if scope.level != 1 and not any(first <= tree <= last for tree in places):
        raise refuse(request, "view_person", text, "division")
    return scope, person


def _file(request: Request, pub: Publication, form: str) -> dict[str, Any]:
    scope, person = _person(request, pub, "see_people")
    person_id: UUID = person["person_id"]
    raw = {name: pub.rows(f"person_{name}", id=person_id) for name in _PERSON_TABLES}
    note(request, "view_person", target=person_id.hex, rows=1, form=form)
    at_birth, early = _covered_since_birth(person, raw["coverage"])
    child = {"age": person["age"], "covered_early": early}
    person = person | {"covered_early": early}
    shown = {name: [present(row | child, name, scope) for row in rows] for name, rows in raw.items()}
    for seen, row in zip(shown["anomaly"], raw["anomaly"], strict=True):
        seen["said"] = finding_words(row, scope) if seen["kind"] != VERIFIED else []
    shown["feedback"] = [
        *_not_counted_yet(request, pub, scope, person_id.hex),
        *(
            seen | {"told": outcome_words(row, scope) or seen["effect"]}
            for seen, row in zip(shown["feedback"], raw["feedback"], strict=True)
        ),
    ]
    hide_employer = hidden("duplicates", "emp_name", scope.role)
    shown["duplicate"] = [
        present(row, "duplicates", scope) | duplicate_words(row, scope, hide_employer=hide_employer)
        for row in raw["duplicate"]
    ]
    for seen, row in zip(shown["coverage"], raw["coverage"], strict=True):
        if at_birth and row["begn_month"] == f"{person['brdy']:%Y%m}":
            seen["begn_month"] = "出生当月"
    money = show_of("entitlement", "unverified", scope.role) != "hide"
    return {
        "person_id": person_id.hex,
        "person": present(person, "person", scope),
        "grounds": status_words(person, scope),
        "status_hidden": hidden("person", "insured_status", scope.role, person["insured_status"]),
        "child": is_child(person),
        "facts": _facts(person, pub, scope),
        "tags": _tags(person, pub, scope),
        "picture": "" if at_birth else timeline(raw["coverage"], pub.as_of, pub.insured_year, scope),
        "tables": shown,
        "entitlement": [
            {
                "lines": entitlement_words({**row, "brdy": person["brdy"]}, scope),
                "rules": [one for one in row["rule_ids"] or [] if money or not one.startswith("CAP-")],
                "unverified": [word("parameter", re.sub(r"\.\d{4}\.", ".", one)) for one in row["unverified"] or []]
                if money
                else [],
                "relation": f"{row['insu_year']} 年度居民医保 {code_word('tier', row['tier'])}",
            }
            for row in raw["entitlement"]
        ],
        "sources": _sources(person, pub, scope),
        "rules": pub.rules,
        "objections": Objections(portal_of(request).home).of_person(person_id.hex),
        "outcomes": OUTCOMES,
        "words": words(),
        "as_of": pub.as_of,
        "insured_year": pub.insured_year,
        "run_id": pub.run_id,
        "verdicts": pub.verdicts,
        "insurance": insurance,
    }


def _not_counted_yet(request: Request, pub: Publication, scope: Scope, person_id: str) -> list[dict[str, Any]]:
    """Answers that came back since the last night, of whatever side; each side sees the other's."""
    if not Loop.begun(Home(portal_of(request).home)):
        return []
    loop, found = loop_of(request), []
    for row in loop.answers([person_id]).iter_rows(named=True):
        receipt = loop.receipt(row["receipt_no"])
        if receipt is not None and not was_read(receipt, pub.folder):
            said = {**_BLANK, **{name: row[name] for name in _ANSWER}}
            number = row["batch_no"]
            batch = "" if number is None else batch_id(number)
            found.append(present(said, "feedback", scope) | {"told": "待今夜计入", "batch_id": batch})
    return found


_ANSWER = ("division_code", "reason_code", "found_date", "end_date")
_BLANK = {"contradicted_by": None, "effect": None}


def _covered_since_birth(person: Mapping[str, Any], coverage: list[dict[str, Any]]) -> tuple[bool, bool]:
    """Whether cover began in the month of birth, and whether it began within the first two years of life.

    The first month of cover bounds the birth date: beside the age it may leave a day or two, and too few numbers.
    """
    brdy = person["brdy"]
    if brdy is None or not coverage:
        return False, False
    first = min(row["begn_month"] for row in coverage)
    return first <= f"{brdy:%Y%m}", first <= f"{brdy.year + 2}{brdy:%m}"


def _speaks(person: Mapping[str, Any]) -> str:
    """The source that a person's basic facts come from."""
    if person["in_population"]:
        return "population"
    known = person["sources"] or []
    return next((one for one in ("birth", "enrollment", "enrollment_elsewhere", "tax_payment") if one in known), "")


def _dated(pub: Publication, source: str) -> tuple[str, str]:
    day = pub.source_days.get(source)
    return word("source", source) if source else "", day.isoformat() if day else ""


def _facts(person: Mapping[str, Any], pub: Publication, scope: Scope) -> list[tuple[str, Any, str, str]]:
    """What is known of the person: what, value, source, date of the source's newest delivery."""
    seen = present(person, "person", scope)
    source, day = _dated(pub, _speaks(person))
    tree = scope.tree
    both = person["resd_code"] and person["live_code"]
    rows: list[tuple[str, Any, str, str]] = [
        ("姓名", seen["psn_name"], source, day),
        ("证件号码", seen["certno"] or "尚无证件号码", source, day),
        ("证件类型", code_word("psn_cert_type", person["psn_cert_type"]), source, day),
        ("号码校验", seen["cert_check"], "", ""),
        ("性别", seen["gend"], source, day),
        ("年龄", f"{person['age']} 岁" if person["age"] is not None else "不详", source, day),
        ("户籍地", place(tree, person["resd_code"]) or "不详", source, day),
        ("居住地", place(tree, person["live_code"]) or "不详", source, day),
        ("户号", seen["household_no"] or "不详", source, day),
        ("在公安人口中", "是" if person["in_population"] else "否", *_dated(pub, "population")),
    ]
    if both and person["resd_code"][:9] != person["live_code"][:9]:
        rows.append(("人户分离", "户籍地与居住地不在同一乡镇（街道），两地共同负责", source, day))
    return rows


def _tags(person: Mapping[str, Any], pub: Publication, scope: Scope) -> list[tuple[str, str, str]]:
    """Groups of the person: word, source, date; what the role must not read is one line."""
    found: dict[str, tuple[str, str, str]] = {}
    for code in str(person["tags"] or "").split():
        if hidden("person", "tags", scope.role, code):
            found[VERIFIED] = (VERIFIED, "", "")
        else:
            said = code_word("group_tag_class", code)
            found[said] = (said, *_dated(pub, _TAG_SOURCES.get(code, _speaks(person))))
    return list(found.values())


def _sources(person: Mapping[str, Any], pub: Publication, scope: Scope) -> list[tuple[str, str]]:
    """Sources that know the person, with their newest delivery."""
    found: dict[str, str] = {}
    for code in person["sources"] or []:
        if hidden("person", "sources", scope.role, code):
            found[VERIFIED] = ""
        else:
            name, day = _dated(pub, code)
            found[name] = day
    return list(found.items())
