"""HTML and SVG as trees: text and attributes are escaped by the serializer, never by hand."""

import sys
import xml.etree.ElementTree as Tree
from typing import Any

from wmproof._base.spoken import hex_groups
from wmproof._base.text import one_line

Node = Tree.Element | str


def element(tag: str, *children: Node, **attributes: Any) -> Tree.Element:
    """Return an element; an attribute's underscores become hyphens, and `class_` is class.

    Every text is one line without what cannot be seen, see `one_line`.
    """
    made = Tree.Element(
        tag, {_name(n): one_line(str(v), sys.maxsize) for n, v in attributes.items()}
    )
    for child in children:
        if isinstance(child, str):
            _append_text(made, one_line(child))
        else:
            made.append(child)
    return made


def document(root: Tree.Element) -> bytes:
    """Return an HTML file."""
    page: bytes = Tree.tostring(root, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + page + b"\n"


def table(head: tuple[str, ...], rows: list[tuple[Node, ...]], **attributes: Any) -> Tree.Element:
    """Return a table; without rows only its head."""
    header = element("tr", *(element("th", name, scope="col") for name in head))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("table", element("thead", header), element("tbody", *body), **attributes)


def pairs(rows: list[tuple[str, Node]]) -> Tree.Element:
    """Return a table of names and values."""
    body = [
        element("tr", element("th", name, scope="row"), element("td", value))
        for name, value in rows
    ]
    return element("table", element("tbody", *body), class_="pairs")


def code(text: str) -> Tree.Element:
    """Return a text that is to be compared character by character."""
    return element("code", text)


def groups(digest: str) -> Tree.Element:
    """Return a digest in groups of four digits, which is copied in one piece."""
    parts = [element("span", part, class_="group") for part in hex_groups(digest)]
    return element("code", *parts, title=digest)


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _append_text(parent: Tree.Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
