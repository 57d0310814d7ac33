"""Pages read strictly, and what a page that needs nothing but itself must not hold."""

import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


_LOADS = {"src", "href", "xlink:href", "srcset", "poster", "action", "formaction", "data"}
_EMBEDS = {"script", "link", "iframe", "object", "embed", "base", "form"}
_STYLE = re.compile(r"@import|\burl\(|https?:", re.IGNORECASE)


def outside(markup: str) -> list[str]:
    """What a page asks of others or runs: nothing where it is self-contained."""
    read = Reader(markup)
    found = [tag for tag, _ in read.tags if tag in _EMBEDS]
    for tag, attributes in read.tags:
        for name, value in attributes.items():
            own = (
                tag == "img" and name == "src" and str(value).startswith("data:image/jpeg;base64,")
            )
            if (name in _LOADS and not own) or name.startswith("on"):
                found.append(f"{tag} {name}={value}")
            if name == "style":
                found += _STYLE.findall(str(value))
    return found + [
        f for sheet in re.findall(r"<style>[^<]*", markup) for f in _STYLE.findall(sheet)
    ]
