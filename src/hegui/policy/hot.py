"""Hot terms in the text of a policy: put in and taken out without touching the rest of it."""

from collections.abc import Sequence

import msgspec
import yaml

from hegui.language import Problem
from hegui.policy.body import Hot, read_body


def with_hot(data: bytes, hot: Sequence[Hot]) -> bytes:
    """The body with these hot terms in place of its own; everything else stays byte for byte.

    Raises:
        Problem: `policy.hot-sign`; `policy.hot-form` when the body is written so that its hot terms
            cannot be replaced; and what `read_body` raises about a term.
    """
    for each in hot:
        if not each.term.isprintable():  # YAML would fold or forbid such signs
            raise Problem(
                "policy.hot-sign",
                "The term holds a sign that cannot be shown, such as a line break: take it out.",
            )
    wanted = msgspec.structs.replace(read_body(data), hot=tuple(hot))
    lines = data.decode().splitlines(keepends=True)
    start, end = _hot_lines(data.decode(), len(lines))
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    block = [f"  - {_flow(each)}\n" for each in hot]
    if block:
        read_body("".join(["hot:\n", *block]).encode(), "hot")  # a fault of a term is told as such
    lines[start:end] = ["hot:\n", *block] if block else []
    changed = "".join(lines).encode()
    try:
        if read_body(changed) == wanted:
            return changed
    except Problem:
        pass  # said below, with the cure
    raise Problem(
        "policy.hot-form",
        "The hot terms of this policy cannot be replaced by machine: write `hot:` at the start of "
        "a line of its own, with a term a line below it.",
    )


def _hot_lines(text: str, end: int) -> tuple[int, int]:
    """The lines [from, to) of the key `hot` and its terms; both the end where there are none."""
    root = yaml.compose(text, yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == "hot":
            last = value.end_mark.line + (value.end_mark.column > 0)
            after = [k.start_mark.line for k, _ in pairs if k.start_mark.line > key.start_mark.line]
            stop = min([last, *after])
            lines = text.splitlines()
            while not lines[stop - 1].strip() or lines[stop - 1].lstrip().startswith("#"):
                stop -= 1  # comments before the next key belong to that key
            return key.start_mark.line, stop
    return end, end


def _flow(hot: Hot) -> str:
    """One hot term on one line; JSON's strings are YAML's too."""
    given = {"term": hot.term, "category": hot.category, "action": hot.action}
    written = [
        f"{name}: {msgspec.json.encode(text).decode()}" for name, text in given.items() if text
    ]
    if hot.until:
        written.append(f"until: {hot.until.isoformat()}")
    return "{" + ", ".join(written) + "}"
