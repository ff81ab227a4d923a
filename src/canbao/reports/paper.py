"""House style of papers in Word's format, after GB/T 9704: A4, its margins, fonts and sizes, page numbers.

Knows nothing of what a brief is. No link, no macro, no field but the page number. Same content gives the same bytes:
the only date in the file is the one handed in.
"""

import datetime as dt
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docx
from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.text.paragraph import Paragraph

SIZE_2, SIZE_3, SIZE_4, SIZE_5 = 22.0, 16.0, 14.0, 10.5
"""二号, 三号, 四号 and 五号, in points."""
LINE = 28.95
"""Height of a line in points: twenty-two lines on a page."""
_STARTED = (1980, 1, 1, 0, 0, 0)  # the earliest date that an archive can hold


@dataclass(frozen=True)
class Fonts:
    """Font names; a program that lacks the title's takes `title_fallback`, which the file names as its alternative."""

    title: str = "方正小标宋简体"
    title_fallback: str = "宋体"
    heading: str = "黑体"
    subheading: str = "楷体"
    body: str = "仿宋"
    page: str = "宋体"


class Paper:
    """A paper that is written from top to bottom.

    Args:
        title: Printed on top, and the file's title.
        fonts: Font names.
        created: The date that stands as creation date in the file.
    """

    def __init__(self, *, title: str, fonts: Fonts, created: dt.date) -> None:
        self.fonts = fonts
        self.document: Document = docx.Document()
        self._properties(title, created)
        self._page()
        self._styles()
        self._name_fallback()

    # ------------------------------------------------------------------ what is written

    def title(self, text: str) -> None:
        """The title, centred, with an empty line below it."""
        self._add(text, "Title")

    def masthead(self, left: str, right: str) -> None:
        """Who sends it and of when it is, on one line with a rule below."""
        paragraph = self._add(left, "Subtitle")
        stops = paragraph.paragraph_format.tab_stops
        section = self.document.sections[0]
        assert section.page_width and section.left_margin and section.right_margin
        stops.add_tab_stop(section.page_width - section.left_margin - section.right_margin, _right_tab())
        paragraph.add_run(f"\t{right}")

    def heading(self, text: str) -> None:
        """A heading of the first level (一、二、)."""
        self._add(text, "Heading 1")

    def lead(self, text: str) -> None:
        """A heading of the second level (（一）（二）)."""
        self._add(text, "Heading 2")

    def body(self, text: str) -> None:
        """A paragraph, its first line two characters in."""
        self._add(text, "Body Text")

    def unit(self, text: str) -> None:
        """Who sends it, at the right below the text."""
        paragraph = self._add(text, "Signature")
        paragraph.paragraph_format.space_before = Pt(LINE)
        paragraph.paragraph_format.keep_with_next = True

    def date(self, text: str) -> None:
        """Of when it is, below the unit."""
        self._add(text, "Signature")

    def note(self, text: str) -> None:
        """Small print at the end."""
        self._add(text, "Caption")

    def save(self, path: Path) -> None:
        """Write the file; the archive's own times are fixed."""
        stream = io.BytesIO()
        self.document.save(stream)
        with zipfile.ZipFile(stream) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                entry = zipfile.ZipInfo(name, _STARTED)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o600 << 16
                target.writestr(entry, source.read(name))

    def _add(self, text: str, style: str) -> Paragraph:
        return self.document.add_paragraph(text, style=style)

    # ------------------------------------------------------------------ how it looks

    def _properties(self, title: str, created: dt.date) -> None:
        properties = self.document.core_properties
        moment = dt.datetime.combine(created, dt.time())
        properties.title, properties.author, properties.last_modified_by, properties.comments = title, "", "", ""
        properties.created = properties.modified = moment
        properties.language = "zh-CN"

    def _page(self) -> None:
        self.document.settings.odd_and_even_pages_header_footer = True
        section = self.document.sections[0]
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.top_margin, section.bottom_margin = Mm(37), Mm(35)
        section.left_margin, section.right_margin = Mm(28), Mm(26)
        section.footer_distance = Mm(23)  # the number's line lies 7 mm below the text
        for footer, side in (
            (section.footer, WD_ALIGN_PARAGRAPH.RIGHT),
            (section.even_page_footer, WD_ALIGN_PARAGRAPH.LEFT),
        ):
            footer.is_linked_to_previous = False
            paragraph = footer.paragraphs[0]
            paragraph.alignment = side
            edge = "right" if side == WD_ALIGN_PARAGRAPH.RIGHT else "left"
            _indent(paragraph, **{f"{edge}Chars": "100", edge: str(round(20 * SIZE_4))})
            for piece in ("— ", None, " —"):
                run = paragraph.add_run(piece or "")
                run.font.size = Pt(SIZE_4)
                _set_font(run._r.get_or_add_rPr(), self.fonts.page)
                if piece is None:
                    _page_number(run._r)

    def _styles(self) -> None:
        fonts = self.fonts
        left, both = WD_ALIGN_PARAGRAPH.LEFT, WD_ALIGN_PARAGRAPH.JUSTIFY
        centre, right = WD_ALIGN_PARAGRAPH.CENTER, WD_ALIGN_PARAGRAPH.RIGHT
        self._style("Normal", fonts.body, SIZE_3, both)
        self._style("Title", fonts.title, SIZE_2, centre, after=LINE, line=LINE * 1.2)
        self._style("Subtitle", fonts.body, SIZE_3, left, after=LINE / 2)
        self._style("Heading 1", fonts.heading, SIZE_3, both, indent=2, next_too=True)
        self._style("Heading 2", fonts.subheading, SIZE_3, both, indent=2, next_too=True)
        self._style("Body Text", fonts.body, SIZE_3, both, indent=2)
        self.document.styles.add_style("Signature", 1).base_style = self.document.styles["Normal"]
        self._style("Signature", fonts.body, SIZE_3, right)
        self._style("Caption", fonts.body, SIZE_5, left, before=LINE / 2, line=SIZE_5 * 1.5)
        _indent(self.document.styles["Signature"], rightChars="400", right=str(round(80 * SIZE_3)))
        _rule_below(self.document.styles["Subtitle"].element.get_or_add_pPr())

    def _style(
        self,
        name: str,
        font: str,
        size: float,
        alignment: WD_ALIGN_PARAGRAPH,
        *,
        indent: int = 0,
        before: float = 0,
        after: float = 0,
        line: float = LINE,
        next_too: bool = False,
    ) -> None:
        style: Any = self.document.styles[name]
        style.font.size, style.font.bold, style.font.italic = Pt(size), False, False
        style.font.color.rgb = RGBColor(0, 0, 0)
        properties = style.element.get_or_add_rPr()
        _set_font(properties, font)
        for drop in ("w:spacing", "w:kern"):
            for element in properties.findall(qn(drop)):
                properties.remove(element)
        paragraph = style.paragraph_format
        paragraph.alignment = alignment
        paragraph.space_before, paragraph.space_after = Pt(before), Pt(after)
        paragraph.line_spacing_rule, paragraph.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(line)
        paragraph.keep_with_next, paragraph.widow_control = next_too, False
        for border in style.element.get_or_add_pPr().findall(qn("w:pBdr")):
            style.element.pPr.remove(border)
        if indent:
            _indent(style, firstLineChars=str(100 * indent), firstLine=str(round(20 * size * indent)))

    def _name_fallback(self) -> None:
        """Name the title's alternative in the font table, so that Word and WPS take it where the font is missing."""
        for relation in self.document.part.rels.values():
            if relation.reltype.endswith("/fontTable"):
                part: Any = relation.target_part
                entry = f'<w:font w:name="{self.fonts.title}"><w:altName w:val="{self.fonts.title_fallback}"/>'
                entry += '<w:charset w:val="86"/></w:font>'
                part._blob = part.blob.replace(b"</w:fonts>", f"{entry}</w:fonts>".encode())


def _right_tab() -> Any:
    from docx.enum.text import WD_TAB_ALIGNMENT

    return WD_TAB_ALIGNMENT.RIGHT


def _set_font(properties: Any, name: str) -> None:
    """One font for all scripts: East Asian text has an attribute of its own, which python-docx does not set."""
    fonts = properties.find(qn("w:rFonts"))
    if fonts is None:
        fonts = OxmlElement("w:rFonts")
        properties.insert(0, fonts)
    fonts.attrib.clear()
    for script in ("ascii", "hAnsi", "eastAsia", "cs"):
        fonts.set(qn(f"w:{script}"), name)
    fonts.set(qn("w:hint"), "eastAsia")


def _indent(owner: Any, **attributes: str) -> None:
    """Indentation in hundredths of a character (and in twentieths of a point for programs that know no characters)."""
    properties = (owner._p if isinstance(owner, Paragraph) else owner.element).get_or_add_pPr()
    indent = properties.get_or_add_ind()
    for name, value in attributes.items():
        indent.set(qn(f"w:{name}"), value)


def _rule_below(properties: Any) -> None:
    borders = OxmlElement("w:pBdr")
    bottom = OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "12"), ("space", "1"), ("color", "000000")):
        bottom.set(qn(f"w:{name}"), value)
    borders.append(bottom)
    properties.insert_element_before(
        borders, "w:shd", "w:tabs", "w:suppressAutoHyphens", "w:snapToGrid", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def _page_number(run: Any) -> None:
    for kind in ("begin", None, "end"):
        if kind is None:
            element = OxmlElement("w:instrText")
            element.set(qn("xml:space"), "preserve")
            element.text = " PAGE "
        else:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        run.append(element)
