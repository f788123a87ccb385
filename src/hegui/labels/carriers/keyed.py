"""What formats share whose metadata is names and values: which of them is a label, and where it stands."""

from typing import Final

from hegui.labels.carriers.carrier import Site
from hegui.language import Problem

KEY: Final = "AIGC"
LARGEST: Final = 16 * 1024 * 1024 - 1  # bytes of a block of metadata that we load


def is_label(name: str, value: str) -> bool:
    """Whether a value is a label: by its name, in any case, or by what it says under another name."""
    if name.upper() == KEY:
        return True
    return value.lstrip()[:1] == "{" and '"Label"' in value and '"ProduceID"' in value


def site(place: str, name: str, value: str, *, guide: bool = True) -> Site:
    """The place of a value: the guide's, if it bears the very name there."""
    right = guide and name == KEY
    return Site(
        place if name == KEY else f"{place} {name[:40]}", value, "guide" if right else "met"
    )


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip("\0")


def elsewhere(place: str) -> Problem:
    """A label stands where it cannot be taken out safely."""
    return Problem(
        "labels.elsewhere",
        "The file has another label where it cannot be replaced safely ({place}): write the file anew without it, then label it.",
        place=place,
    )
