"""What a claim rests on, in words: of a pair of relations, a status, a finding, an entitlement."""

import json
from collections.abc import Mapping
from typing import Any

from canbao.portal.divisions import DivisionTree
from canbao.portal.fields import VERIFIED, bureau, hidden, month, place, show_of
from canbao.portal.scope import Scope
from canbao.portal.words import code_word, insurance, word


def facts(text: Any) -> dict[str, Any]:
    """The evidence of a row; empty where it has none."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def duplicate_words(row: Mapping[str, Any], scope: Scope, *, hide_employer: bool = False) -> dict[str, str]:
    """A pair of relations in words.

    Args:
        row: Of `duplicate_enrollment`.
        scope: Who reads it.
        hide_employer: Whether the employer is left out.

    Returns:
        overlap, relation_a, relation_b, name_mark, decision, why, subsidy.
    """
    known = facts(row["evidence"])
    sides = {}
    for side in ("a", "b"):
        told = known.get(side) or {}
        parts = [insurance(row[f"insutype_{side}"]), bureau(scope.tree, row[f"insu_admdvs_{side}"])]
        if told.get("emp_name") and not hide_employer:
            parts.append(str(told["emp_name"]))
        if told.get("begn_date"):
            parts.append(f"{told['begn_date']} 起")
        sides[side] = " ".join(part for part in parts if part)
    name_a, name_b = row["psn_name_a"] or "", row["psn_name_b"] or ""
    differs = bool(known.get("name_conflict")) or (bool(name_a and name_b) and name_a != name_b)
    return {
        "overlap": f"{month(row['overlap_begn'])} 至 {month(row['overlap_end'])}",
        "relation_a": sides["a"],
        "relation_b": sides["b"],
        "psn_name": name_a or name_b,
        "name_mark": f"姓名不一致：甲 {name_a or '无'}，乙 {name_b or '无'}" if differs else "一致",
        "name_differs": "1" if differs else "",
        "decision": _decision(row),
        "why": _why(row, known, scope.tree),
    }


def _decision(row: Mapping[str, Any]) -> str:
    action = row["action"]
    if row["keep_rlts"] and row["drop_rlts"]:
        keep, drop = ("甲", "乙") if row["keep_rlts"] == row["rlts_a"] else ("乙", "甲")
        return f"保留关系{keep}，{word('duplicate_action', action)}关系{drop}"
    if action == "choose":
        return "由本人选择一个关系，另一个暂停"
    if row["needs_review"]:
        return "须人工核定保留哪一个关系"
    return "本对不单独处理，以同一人的其他各对为准"


def _why(row: Mapping[str, Any], known: Mapping[str, Any], tree: DivisionTree) -> str:
    said = [code_word("rule", row["rule_id"])]
    if known.get("dead"):
        said.append("本人已有死亡记录")
    if known.get("name_conflict"):
        said.append("两个关系的姓名不一致，可能不是同一人")
    if (row["cause"] == "school" or row["rule_id"] == "RET-9") and known.get("school_admdvs"):
        entered = f"，{known['enroll_date']} 入学" if known.get("enroll_date") else ""
        said.append(f"学籍在{bureau(tree, known['school_admdvs'])}{entered}")
    if row["cause"] == "residence":
        where = known.get("live_code")
        said.append(f"居住在{place(tree, where)}" if where else "居住地不明，不能据以判定")
    if row["kind"] == "staff_resident" or row["cause"] == "employment":
        said.append(f"职工医保连续缴费 {row['staff_months']} 个月")
    if row["deduct_rule"]:
        said.append(f"财政补助：{code_word('rule', row['deduct_rule'])}")
    if row["refund_rule"]:
        said.append(f"退费：{code_word('rule', row['refund_rule'])}")
    return "；".join(part for part in said if part)


def status_words(person: Mapping[str, Any], scope: Scope) -> list[str]:
    """What the status of a person rests on.

    Args:
        person: Row of `person` with its `status_evidence`.
        scope: Who reads it.
    """
    status = person["insured_status"]
    if hidden("person", "insured_status", scope.role, status):
        return [f"{VERIFIED}，不计入应参保人数。"]
    known = facts(person["status_evidence"])
    relation = known.get("psn_insu_rlts_id")
    if status == "staff":
        return [f"职工医保关系 {relation} 状态正常，缴费到截至月或其上月（退休人员无须缴费）。"]
    if status == "resident":
        said = [f"居民医保关系 {relation} 属本年度，已缴费或由医疗救助全额资助。"] if relation else []
        if not relation or known.get("paid_without_record"):
            said.append("税务有本年度的居民缴费，而没有对应的参保关系。")
        return said
    if status == "elsewhere":
        return [f"市外有状态正常的参保关系 {relation}。"]
    if status == "attached_newborn":
        return ["本年度出生，监护人已参加本年度居民医保，自出生之日起随监护人享受待遇，须另行参保。"]
    if status == "excluded_death":
        return [f"{word('source', known.get('source'))}载明死亡日期 {known.get('death_date') or '不详'}。"]
    if status == "excluded_custody":
        return ["服刑人员数据载明正在服刑。"]
    if status == "uninsured":
        return _uninsured(person, known)
    if status == "out_of_scope":
        return ["没有本市户籍，也没有在本市居住并持有效居住证的记录，且未在本市参保。"]
    day = known.get("status_date")
    return [
        f"公安人口登记的户籍状态：{code_word('resd_status', known.get('resd_status'))}{f'（{day}）' if day else ''}。"
    ]


def _uninsured(person: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    said = [f"{word('reason', person['uninsured_reason'])}：{word('reason_note', person['uninsured_reason'])}"]
    if known.get("unpaid"):
        said.append(f"未缴费的关系：{_ids(known['unpaid'])}。")
    if known.get("stopped"):
        said.append(f"已停的关系：{_ids(known['stopped'])}。")
    return said


def _ids(value: Any) -> str:
    return "、".join(str(one) for one in value) if isinstance(value, list) else str(value)


def finding_words(row: Mapping[str, Any], scope: Scope) -> list[str]:
    """What a finding rests on; nothing for roles that must not read it."""
    if show_of("anomaly", "facts", scope.role) == "hide":
        return []
    known = facts(row["evidence"])
    said = []
    for name, text in _FINDING.items():
        value = known.get(name)
        if value not in (None, "", []):
            if name == "sources":
                value = "、".join(word("source", one) for one in value)
            elif name == "source":
                value = word("source", value)
            elif name == "status":
                value = code_word("enterprise_status", value)
            elif name == "uninsured_reason":
                value = word("reason", value)
            elif name in {"insu_admdvs", "place"}:
                value = bureau(scope.tree, str(value))
            said.append(f"{text} {value}")
    return said


_FINDING = {
    "psn_insu_rlts_id": "参保关系",
    "death_date": "死亡日期",
    "source": "来源",
    "sources": "来源",
    "aid_type": "救助类别",
    "begn_date": "起始日期",
    "since": "起始日期",
    "uninsured_reason": "未参保原因",
    "uscc": "统一社会信用代码",
    "emp_name": "单位",
    "status": "单位状态",
    "status_date": "状态日期",
    "age": "年龄",
    "insu_admdvs": "参保地",
}


def entitlement_words(row: Mapping[str, Any], scope: Scope) -> list[tuple[str, str]]:
    """When benefits begin and how much the cap is, with the arithmetic in words.

    Args:
        row: Of `entitlement`, with `age`.
        scope: Who reads it.

    Returns:
        Heading and text of each line.
    """
    role = scope.role
    lines: list[tuple[str, str]] = []
    paid = row["paid_date"]
    lines.append(("参保缴费", f"{paid} 缴费（{_window(row)}）" if paid else "尚未缴费"))
    lines.append(("连续参保", f"截至本年度连续 {row['continuous_years']} 年；此前断保 {row['lapsed_years']} 年"))
    exempt = row["exempt_reason"]
    if exempt:
        said = word("exempt", exempt)
        if show_of("entitlement", "exempt_reason", role, exempt) == "word":
            said = f"不设等待期（{VERIFIED}）"
        lines.append(("等待期", said))
    elif row["wait_start"] is None:
        lines.append(("等待期", "无"))
    else:
        fixed, variable, total = row["fixed_months"], row["variable_months"], row["waiting_months"]
        repaired = f"（断保 {row['lapsed_years']} 年，已修复 {row['repaired_years']} 年）"
        sum_ = f"固定 {fixed} 个月 + 变动 {variable} 个月{repaired} = {fixed + variable} 个月"
        if total != fixed + variable:
            sum_ += f"，按最低要求为 {total} 个月"
        lines.append(("等待期", f"{sum_}；自 {row['wait_start']} 起算"))
    begin = row["benefit_begn"]
    if begin is not None:
        # a newborn's benefits begin on the day of birth, which no page shows
        first = "出生之日" if row.get("brdy") == begin else str(begin)
        until = f"至 {row['benefit_end']}" if row["benefit_end"] else ""
        lines.append(("待遇享受期", f"自 {first} 起{until}"))
    if show_of("entitlement", "cap", role) != "hide":
        lines.append(("大病保险限额", _cap(row)))
    flags = [word("flag", one) for one in row["flags"] or []]
    if flags:
        lines.append(("注意", "；".join(flags)))
    return lines


def _window(row: Mapping[str, Any]) -> str:
    end = facts(row["evidence"]).get("window_end")
    inside = "集中缴费期内" if row["in_window"] else "集中缴费期外"
    return f"{inside}，集中缴费期至 {end}" if end else inside


def _cap(row: Mapping[str, Any]) -> str:
    rewards = (("连续参保奖励", row["cap_reward_continuous"]), ("零报销奖励", row["cap_reward_zero_claim"]))
    parts = [f"{name} {amount:,.2f} 元" for name, amount in rewards if amount]
    if row["cap_penalty"]:
        parts.append(f"断保扣减 {row['cap_penalty']:,.2f} 元")
    if row["cap_base"] is None:
        return f"{'；'.join(parts) or '无奖励、无扣减'}。原限额没有文件依据，不计算总额。"
    said = f"原限额 {row['cap_base']:,.2f} 元"
    for name, amount in rewards:
        said += f" + {name} {amount:,.2f} 元" if amount else ""
    said += f" − 断保扣减 {row['cap_penalty']:,.2f} 元" if row["cap_penalty"] else ""
    return f"{said} = {row['cap_total']:,.2f} 元"
