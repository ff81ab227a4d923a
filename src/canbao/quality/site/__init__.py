"""The data-quality site of a night (`reports/quality/`): plain pages that need neither script nor internet.

`SiteData.load` gathers what there is, `write_site` writes the pages; the words of the pages are in `templates/` and
`words.toml`, their colours too. A page holds counts and places of rows, never a value of a person.
"""

from canbao.quality.site.data import SiteData
from canbao.quality.site.night import write_for_draft, write_for_stopped
from canbao.quality.site.pages import write_site

__all__ = ["SiteData", "write_for_draft", "write_for_stopped", "write_site"]
