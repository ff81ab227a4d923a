"""DuckDB's SQL as Spark reads it: the one place that knows how the two differ.

A step is parsed once, the few constructs that Spark spells otherwise are rewritten in the parsed tree, macros are put
in place of their calls, and the tree is written down again as Spark SQL. A macro is the text of
`sql/_engine/duckdb_*.sql`, rewritten in the same way, unless `sql/_engine/spark_macros.sql` has one of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark

from canbao.paths import sql_dir

Columns = Callable[[str], Sequence[str]]
"""Gives the columns of a table in order."""

_MACRO = re.compile(r"CREATE MACRO (\w+)\(([^)]*)\) AS\s(.*?);\s*$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)

_TYPES = {"UBIGINT": "BIGINT", "UINTEGER": "BIGINT", "HUGEINT": "DECIMAL(38, 0)", "VARCHAR": "STRING", "JSON": "STRING",
          "INTEGER": "INT", '"NULL"': "INT"}  # fmt: skip


class _Written(Spark):
    """Spark SQL without the rewriting that Spark 4 needs no more (QUALIFY stays as it is)."""

    class Generator(Spark.Generator):  # type: ignore[valid-type,misc]
        TRANSFORMS = {kind: how for kind, how in Spark.Generator.TRANSFORMS.items() if kind is not exp.Select}  # noqa: RUF012


class NotPortable(ValueError):  # noqa: N818
    """A construct that nobody has taught this module yet: write the step otherwise, or extend this module."""


def spark_type(kind: str) -> str:
    """Spark's name of a DuckDB type; numbers without a sign become numbers with one."""
    if kind.endswith("[]"):
        return f"ARRAY<{spark_type(kind[:-2])}>"
    return _TYPES.get(kind, kind)


def tables_of(sql: str) -> frozenset[str]:
    """Names of the tables that a query of DuckDB reads, those that it makes itself left out."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    made = {cte.alias for cte in tree.find_all(exp.CTE)}
    return frozenset(table.name for table in tree.find_all(exp.Table) if table.name) - made


def to_spark(sql: str, columns: Columns) -> str:
    """Turns one query of DuckDB into one of Spark with the same rows.

    Args:
        sql: a SELECT in DuckDB's SQL with our macros.
        columns: columns of the tables it reads, for `UNION ALL BY NAME`.

    Returns:
        The query in Spark's SQL, macros in place.

    Raises:
        NotPortable: the query uses what has no counterpart here.
    """
    tree = _rewritten(sqlglot.parse_one(sql, read="duckdb"), columns)
    return _bottom_up(_inlined(tree), _bare).sql(dialect=_Written, comments=False, identify=True)


@cache
def _templates() -> dict[str, tuple[tuple[str, ...], exp.Expr]]:
    """Macro name to its parameters and its body in Spark's tree; calls of other macros still stand in the bodies."""
    folder = sql_dir() / "_engine"
    found: dict[str, tuple[tuple[str, ...], exp.Expr]] = {
        name: (parameters, sqlglot.parse_one(body, read="spark"))
        for name, parameters, body in _definitions((folder / "spark_macros.sql").read_text("utf-8"))
    }
    for path in sorted(folder.glob("duckdb_*.sql")):
        for name, parameters, body in _definitions(path.read_text("utf-8")):
            if name not in found:
                found[name] = (parameters, _rewritten(sqlglot.parse_one(body, read="duckdb"), lambda _: ()))
    return found


def _definitions(text: str) -> list[tuple[str, tuple[str, ...], str]]:
    return [
        (name, tuple(part.strip() for part in parameters.split(",")), body)
        for name, parameters, body in _MACRO.findall(_COMMENT.sub("", text))
    ]


def _inlined(tree: exp.Expr) -> exp.Expr:
    """Puts the bodies of macros in place of their calls, the innermost first."""

    def inline(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Anonymous) or str(node.this).lower() not in _templates():
            return node
        parameters, body = _templates()[str(node.this).lower()]
        if len(parameters) != len(node.expressions):
            raise NotPortable(f"{node.this}: {len(node.expressions)} arguments for {len(parameters)}")
        given = dict(zip(parameters, node.expressions, strict=True))

        def fill(inner: exp.Expr) -> exp.Expr:
            if isinstance(inner, exp.Column) and not inner.table and inner.name in given:
                return exp.paren(given[inner.name].copy(), copy=False)
            return inner

        return exp.paren(_inlined(body.copy().transform(fill, copy=False)), copy=False)

    return _bottom_up(tree, inline)


def _rewritten(tree: exp.Expr, columns: Columns) -> exp.Expr:
    for union in list(tree.find_all(exp.SetOperation)):
        if union.args.get("by_name"):
            _by_position(union, columns)
    return _bottom_up(tree, _rewrite)


def _bottom_up(tree: exp.Expr, change: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    for node in reversed(list(tree.bfs())):
        new = change(node)
        if new is not node:
            if node is tree:
                tree = new
            else:
                node.replace(new)
    return tree


# ------------------------------------------------------------------------------------------------------- constructs


def _rewrite(node: exp.Expr) -> exp.Expr:
    how = _RULES.get(type(node))
    return how(node) if how else node


def _call(name: str, *arguments: exp.Expr | str) -> exp.Anonymous:
    return exp.Anonymous(
        this=name, expressions=[exp.convert(one) if isinstance(one, str) else one for one in arguments]
    )


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.cast(node, kind, copy=False)


def _own(node: exp.Expr, key: str = "this") -> exp.Expr:
    """An argument, taken out of its node, so that it can stand elsewhere."""
    found: exp.Expr = node.args[key]
    found.pop()
    return found


def _bare(node: exp.Expr) -> exp.Expr:
    """Without brackets around what holds together by itself: Spark's parser reads ahead over each pair."""
    return node.this if isinstance(node, exp.Paren) and isinstance(node.this, _WHOLE) else node


def _grouped(node: exp.Expr) -> exp.Expr:
    """Operators keep the order in which DuckDB read them: the two rank bits and shifts differently."""
    for key in ("this", "expression"):
        inner = node.args.get(key)
        if isinstance(inner, (exp.Binary, exp.Neg, exp.BitwiseNot)) and not isinstance(inner, (exp.Connector, exp.Dot)):
            node.set(key, exp.paren(inner.copy(), copy=False))
    return node


def _shift(node: exp.Expr) -> exp.Expr:
    name = "shiftleft" if isinstance(node, exp.BitwiseLeftShift) else "shiftright"
    return _call(name, _own(node), _cast(_own(node, "expression"), "int"))


def _divide(node: exp.Expr) -> exp.Expr:
    """DuckDB divides as floating point, whatever the numbers."""
    divided = exp.Div(this=_cast(_own(node), "double"), expression=exp.paren(_own(node, "expression"), copy=False))
    divided.set("typed", True)
    divided.set("safe", False)
    return divided


def _explode(node: exp.Expr) -> exp.Expr:
    """`unnest(list)::TYPE`: Spark wants nothing around the function that makes rows."""
    if isinstance(node.this, exp.Explode):
        made = node.this
        kind = node.args["to"].sql("duckdb")
        made.set("this", _cast(_own(made), f"array<{spark_type(kind)}>"))
        return made.pop()
    return node


def _range(node: exp.Expr) -> exp.Expr:
    """`range(a, b[, step])` stops before b and is empty where b is not above a; Spark's sequence would count down."""
    if not node.args.get("is_end_exclusive"):
        raise NotPortable("generate_series")
    start, end, step = node.args["start"], node.args["end"], node.args.get("step")
    last = exp.Sub(this=exp.paren(end.copy()), expression=exp.Literal.number(1))
    arguments = [_cast(start.copy(), "bigint"), _cast(last, "bigint")] + (
        [_cast(step.copy(), "bigint")] if step else []
    )
    return exp.If(
        this=exp.GT(this=exp.paren(end.copy()), expression=exp.paren(start.copy())),
        true=_call("sequence", *arguments),
        false=exp.cast(exp.Array(expressions=[]), "array<bigint>"),
    )


def _list(node: exp.Expr) -> exp.Expr:
    """`list(x ORDER BY y, …) [FILTER (…)]`; null where there is no row."""
    chosen = node.expression if isinstance(node, exp.Filter) else None
    order = node.this.this if isinstance(node, exp.Filter) else node.this
    if isinstance(node.parent, exp.Filter):  # its turn comes with the filter
        return node
    if isinstance(node, exp.Filter) and not isinstance(node.this, exp.ArrayAgg):
        return node
    if not isinstance(order, exp.Order):  # in no order: nobody may rely on one
        order = exp.Order(this=order, expressions=[])
    if any(by.args.get("desc") for by in order.expressions):
        raise NotPortable("list(x ORDER BY y DESC)")

    def of_rows(function: str, argument: exp.Expr) -> exp.Expr:
        made = _call(function, argument)
        return exp.Filter(this=made, expression=chosen.copy()) if chosen is not None else made

    keys = [by.this for by in order.expressions]
    if not keys:
        gathered = of_rows("collect_list", order.this.copy())
    elif keys == [order.this]:
        gathered = _call("array_sort", of_rows("collect_list", order.this.copy()))
    else:
        parts: list[exp.Expr | str] = []
        for number, key in enumerate([*keys, order.this]):
            parts += [f"k{number}", key.copy()]
        taken = exp.Lambda(this=exp.column(f"k{len(keys)}", "one"), expressions=[exp.to_identifier("one")])
        gathered = _call(
            "transform", _call("array_sort", of_rows("collect_list", _call("named_struct", *parts))), taken
        )
    empty = exp.EQ(this=of_rows("count", exp.Literal.number(1)), expression=exp.Literal.number(0))
    return exp.If(this=empty, true=exp.null(), false=gathered)


def _contains(node: exp.Expr) -> exp.Expr:
    """A list that lacks a value lacks it, also where it has nulls; null only where the list or the value is null."""
    here, value = node.this, node.expression
    unknown = exp.or_(exp.paren(here.copy()).is_(exp.null()), exp.paren(value.copy()).is_(exp.null()))
    return exp.Coalesce(
        this=_call("array_contains", here.copy(), value.copy()),
        expressions=[exp.If(this=unknown, true=exp.null(), false=exp.false())],
    )


def _json(node: exp.Expr) -> exp.Expr:
    """`json_object`: nulls are written too; an object within an object is not a text."""
    pairs: list[exp.Expr] = []
    for pair in node.expressions:
        value = pair.expression.copy()
        if isinstance(value, exp.Anonymous) and value.this == "to_json":
            value = value.expressions[0]
        pairs += [pair.this.copy(), value]
    options = _call("map", "ignoreNullFields", "false")
    return _call("to_json", _call("named_struct", *pairs), options)


def _slice(node: exp.Expr) -> exp.Expr:
    """`text[n:]`, and `list[1:n]`."""
    (part,) = node.expressions
    if not isinstance(part, exp.Slice) or (part.expression is not None and part.this.name != "1"):
        raise NotPortable(f"only text[n:] and list[1:n], not {node.sql('duckdb')}")
    if part.expression is not None:
        return _call("slice", node.this.copy(), part.this.copy(), part.expression.copy())
    return _call("substring", node.this.copy(), part.this.copy())


def _full_match(node: exp.Expr) -> exp.Expr:
    pattern = node.expression
    if isinstance(pattern, exp.Literal):
        whole: exp.Expr = exp.Literal.string(f"^(?:{pattern.name})\\z")
    else:
        whole = _call("concat", "^(?:", exp.paren(pattern.copy()), r")\z")
    return exp.paren(exp.RegexpLike(this=exp.paren(node.this.copy()), expression=whole))


def _hash(node: exp.Expr) -> exp.Expr:
    """A hash for one run. Spark leaves out nulls: whether each value is null is told beside it."""
    name = str(node.this).lower()
    if name == "hash":
        told: list[exp.Expr] = []
        for one in node.expressions:
            told += [exp.paren(one.copy()).is_(exp.null()), one.copy()]
        return _call("xxhash64", *told)
    if name == "md5_number_lower":
        raise NotPortable("md5_number_lower: use hash60")
    return node


def _add(node: exp.Expr) -> exp.Expr:
    months = node.expression
    if isinstance(months, exp.Anonymous) and str(months.this).lower() == "to_months":
        return _call("add_months", _own(node), _cast(months.expressions[0].copy(), "int"))
    return _grouped(node)


def _not(node: exp.Expr) -> exp.Expr:
    """`x NOT IN (SELECT …)` as NOT EXISTS: an anti join by hash, where Spark would compare each row with each.

    Nothing is in no list of values where x is null: that is neither true nor false, and nowhere told from false. Lists
    with nulls in them are for their steps to avoid.
    """
    within = node.this
    if not isinstance(within, exp.In) or within.args.get("query") is None:
        return node
    inner = within.args["query"]
    query = inner.this if isinstance(inner, exp.Subquery) else inner
    if not isinstance(query, exp.Select) or len(query.selects) != 1:
        raise NotPortable("NOT IN of several columns, or of a union")
    named = query.copy()
    named.set("expressions", [exp.alias_(query.selects[0].unalias().copy(), "among")])
    same = exp.EQ(this=exp.column("among", "barred"), expression=exp.paren(within.this.copy()))
    asked = exp.select("1").from_(named.subquery("barred")).where(same)
    known = exp.Not(this=exp.Is(this=exp.paren(within.this.copy()), expression=exp.null()))
    return exp.paren(exp.And(this=known, expression=exp.Not(this=exp.Exists(this=asked))))


def _distinct_list(node: exp.Expr) -> exp.Expr:
    """`list_distinct` leaves out nulls."""
    return _call("array_distinct", _call("array_compact", node.this.copy()))


def _replace(node: exp.Expr) -> exp.Expr:
    """Spark replaces every match: the same as the first one where the pattern ends with the text."""
    modifiers = node.args.get("modifiers")
    pattern = node.expression
    if modifiers is None and not (isinstance(pattern, exp.Literal) and pattern.name.endswith("$")):
        raise NotPortable("regexp_replace of the first match only")
    return _call("regexp_replace", node.this.copy(), pattern.copy(), node.args["replacement"].copy())


def _by_position(union: exp.Expr, columns: Columns) -> None:
    """Writes the columns of `UNION ALL BY NAME` out on both sides, in the order of the first."""
    sides = [union.this, union.expression]
    if isinstance(sides[0], exp.SetOperation) and sides[0].args.get("by_name"):
        _by_position(sides[0], columns)
    first = _names(sides[0], columns)
    for side in sides:
        own = _names(side, columns)
        if set(own) != set(first):
            raise NotPortable(f"UNION BY NAME of different columns: {sorted(set(own) ^ set(first))}")
    if not isinstance(sides[1], exp.Select):
        raise NotPortable("UNION BY NAME of nested unions")
    written = {one.alias_or_name: one for one in sides[1].selects if not one.is_star}
    sides[1].set("expressions", [written[name].copy() if name in written else exp.column(name) for name in first])
    union.set("by_name", False)
    if isinstance(sides[0], exp.Select):
        written = {one.alias_or_name: one for one in sides[0].selects if not one.is_star}
        sides[0].set("expressions", [written[name].copy() if name in written else exp.column(name) for name in first])


def _names(side: exp.Expr, columns: Columns) -> list[str]:
    if isinstance(side, exp.SetOperation):
        return _names(side.this, columns)
    found: list[str] = []
    for one in side.selects if isinstance(side, exp.Query) else []:
        if one.is_star:
            tables = [table.name for table in side.find_all(exp.Table) if table.find_ancestor(exp.Select) is side]
            found += [name for table in tables for name in columns(table)]
        else:
            found.append(one.alias_or_name)
    return found


def _round(node: exp.Expr) -> exp.Expr:
    """To so many places as C does it: by a power of ten and back; Spark rounds the decimal spelling."""
    places = node.args.get("decimals")
    if places is None:
        return node
    power = exp.Literal.number(f"1e{int(places.name)}")
    scaled = exp.Mul(this=_cast(exp.paren(node.this.copy()), "double"), expression=_cast(power.copy(), "double"))
    return exp.Div(this=exp.Round(this=scaled), expression=_cast(power, "double"), typed=True, safe=False)


def _struct(node: exp.Expr) -> exp.Expr:
    pairs: list[exp.Expr | str] = []
    for pair in node.expressions:
        pairs += [pair.this.name, pair.expression.copy()]
    return _call("named_struct", *pairs)


def _rows(node: exp.Expr) -> exp.Expr:
    """`unnest(list of structs, max_depth := 2)` makes a row of each and a column of each part."""
    return _call("inline", node.this.copy()) if node.expressions else node


def _make_date(node: exp.Expr) -> exp.Expr:
    return _call("make_date", *(_cast(node.args[key].copy(), "int") for key in ("year", "month", "day")))


def _plain_cte(node: exp.Expr) -> exp.Expr:
    node.set("materialized", None)
    return node


def _any_value(node: exp.Expr) -> exp.Expr:
    return _call("any_value", node.this.this.copy(), exp.true()) if isinstance(node.this, exp.AnyValue) else node


_WHOLE = (
    exp.Anonymous, exp.Boolean, exp.Cast, exp.Coalesce, exp.Column, exp.Literal, exp.Null, exp.Paren, exp.Substring,
)  # fmt: skip

_RULES: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Add: _add,
    exp.Anonymous: _hash,
    exp.ArrayAgg: _list,
    exp.ArrayContains: _contains,
    exp.ArrayDistinct: _distinct_list,
    exp.BitwiseAnd: _grouped,
    exp.BitwiseLeftShift: _shift,
    exp.BitwiseOr: _grouped,
    exp.BitwiseRightShift: _shift,
    exp.BitwiseXor: _grouped,
    exp.Bracket: _slice,
    exp.CTE: _plain_cte,
    exp.Cast: _explode,
    exp.DateFromParts: _make_date,
    exp.Div: _divide,
    exp.Explode: _rows,
    exp.Filter: _list,
    exp.GenerateSeries: _range,
    exp.IgnoreNulls: _any_value,
    exp.IntDiv: _grouped,
    exp.JSONObject: _json,
    exp.Mod: _grouped,
    exp.Mul: _grouped,
    exp.Not: _not,
    exp.RegexpFullMatch: _full_match,
    exp.RegexpReplace: _replace,
    exp.Round: _round,
    exp.SimilarTo: _full_match,
    exp.Struct: _struct,
    exp.Sub: _grouped,
}
