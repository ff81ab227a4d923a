"""The entry page `<home>/index.html`: whether tonight's result may be used, why not, and where to go on reading.

It stands beside the publications, which never change, and is rewritten as a whole: after each run, by `canbao status`
and by the watch of `canbao schedule`. It holds counts, dates and names of checks, nobody's data.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from canbao.home import Home, write_atomically
from canbao.paths import package_dir
from canbao.quality import incidents, nights
from canbao.status import VERDICTS, Standing, brief, in_age, in_hours, in_words, local, standing, verdict_lines

PAGE = "index.html"
_SITE = "reports/quality/index.html"


@dataclass(frozen=True)
class Sentence:
    """The state in one sentence: word, shape and colour beside it."""

    badge: str
    shape: str
    word: str
    text: str


@dataclass(frozen=True)
class _Part:
    title: str
    lines: list[str] = field(default_factory=list)
    text: str = ""


def write(home: Home, found: Standing | None = None) -> None:
    """Write the page, whole or not at all.

    Args:
        home: The installation; a home of somebody else is left as it is.
        found: Where it stands; judged now by default.
    """
    if home.root.is_dir() and home.root.stat().st_uid == os.geteuid():
        write_atomically(home.root / PAGE, page(home, found or standing(home.root)))


def page(home: Home, found: Standing) -> str:
    """The page's text."""
    import jinja2

    template = (package_dir("quality") / "entry.html").read_text(encoding="utf-8")
    said = sentence(found)
    return (
        jinja2.Environment(autoescape=True)
        .from_string(template)
        .render(
            badge=said.badge,
            shape=said.shape,
            word=said.word,
            sentence=said.text,
            links=_links(home, found),
            parts=_parts(found),
            written=local(found.now),
            valid_until=local(found.valid_until) if found.valid_until else "",
        )
    )


def sentence(found: Standing) -> Sentence:
    """What is to be known first: published or not, why, since when, how old."""
    if found.broken:
        return Sentence("bad", "✖", "发布损坏", found.broken)
    if found.current is None:
        why = f"最近一次运行{in_words(found.state)}" if found.last else "还没有运行过"
        return Sentence("bad", "✖", "未发布", f"尚未发布过任何内容：{why}。")
    age = in_age(found.age) if found.age is not None else "时间不明"
    current = f"当前为截至 {found.current.parent.name} 的发布，距今 {age}"
    if found.blocked:
        last = found.last or {}
        old = f"，已超过约定的 {in_hours(found.promised)}" if found.too_old else ""
        return Sentence("bad", "✖", "未发布", f"{last.get('as_of')} 夜{_why(found)}；{current}{old}。")
    if found.too_old:
        return Sentence("bad", "✖", "已过期", f"{current}，超过约定的 {in_hours(found.promised)}，请检查夜间任务。")
    if found.accepted:
        let = "；".join(
            f"{entry['check_id']}（{entry.get('by', '')}：{entry.get('reason', '')}）" for entry in found.accepted
        )
        return Sentence("care", "▲", "放行发布", f"{current}；放行了 {let}。")
    worst = {verdict for verdict, _ in found.verdicts.values()} - {"usable"}
    if worst:
        names = "、".join(
            f"{title}{VERDICTS.get(verdict, verdict)}"
            for title, (verdict, _) in found.verdicts.items()
            if verdict != "usable"
        )
        badge, shape = ("bad", "■") if "unusable" in worst else ("care", "▲")
        return Sentence(badge, shape, "已发布", f"{current}；{names}，理由见下。")
    return Sentence("good", "✔", "已发布", f"{current}。")


def _why(found: Standing) -> str:
    failing = list((found.last or {}).get("failing_checks") or [])
    if found.state != "blocked" or not failing:
        return in_words(found.state)
    titles = {one.check_id: one.title for one in found.incidents}
    named = "、".join(titles.get(check_id, check_id) for check_id in failing[:3]) + ("…" if len(failing) > 3 else "")
    since = [one.opened for one in found.incidents if one.check_id in failing]
    first = f"，自 {min(since)} 起" if since else ""
    return f" {len(failing)} 项阻断检查未通过（{named}{first}）"


def _links(home: Home, found: Standing) -> list[dict[str, str]]:
    links = []
    run_id = str((found.last or {}).get("run_id", ""))
    if found.blocked and (home.runs / run_id / "quality" / PAGE).exists():
        links.append(
            {"href": f"runs/{run_id}/quality/{PAGE}", "text": f"未发布的 {(found.last or {}).get('as_of')} 夜：质量页"}
        )
    if found.current is not None:
        day = found.current.parent.name
        for path, text in ((_SITE, "质量页"), ("reports/rules.html", "规则手册"), ("reports/ledger", "台账工作簿")):
            if (found.current / path).exists():
                links.append({"href": f"published/current/{path}", "text": f"当前发布（截至 {day}）：{text}"})
        if (paper := brief(found.current)) is not None:
            place = paper.relative_to(found.current).as_posix()
            links.append({"href": f"published/current/{place}", "text": f"当前发布（截至 {day}）：简报"})
    return links


def _parts(found: Standing) -> list[_Part]:
    parts = []
    if found.blocked and found.last and found.last.get("message"):
        parts.append(_Part("最近一夜为什么没有发布", text=str(found.last["message"])))
    if found.verdicts:
        parts.append(_Part("当前发布的产品能否使用", verdict_lines(found)))
    gaps = [("上次运行以来漏跑", found.missed), ("当前发布补的漏跑", found.made_up)]
    told = [f"{title}：{nights.in_words(days)}" for title, days in gaps if days]
    if told:
        parts.append(_Part("漏跑", told))
    if found.waiting:
        parts.append(_Part("上次运行后到达，今夜计入", [one.line for one in found.waiting]))
    if found.incidents:
        parts.append(_Part(f"未关闭的问题 {len(found.incidents)} 个", incidents.in_short(found.incidents, 10)))
    if found.undelivered:
        parts.append(_Part("通知", [found.undelivered]))
    return parts


def path_of(root: Path) -> Path:
    """Where the page lies."""
    return root / PAGE
