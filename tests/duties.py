"""A register with duties of our own making, so that what tests count does not move with the law."""

from datetime import date

import msgspec

from hegui.language import Text
from hegui.law import Clock, Obligation, Provision, Register, read, register
from hegui.law.load import FOLDER
from hegui.law.model import Path

WORDS = Text(zh="职责", en="a duty")


def clock(kind, anchor, amount=None, unit=None, calendar="civil", basis="ZZ-1", verified="T"):
    figure = "operator" if amount is None else "statute"
    return Clock(kind, anchor, figure, basis, verified, amount, unit, calendar)


def duty(id_, *clocks, modality="must", actors=("P",), verified="T"):
    return Obligation(
        id_, (id_,), actors, modality, ("filing",), WORDS, WORDS, WORDS, "H", verified, "filing",
        clocks=clocks,
    )  # fmt: skip


def provision(id_, valid_from):
    return Provision(id_, Path(1), valid_from, WORDS, "T")


def book(*duties, valid_from=date(2020, 1, 1)):
    """These duties beside the one on complaints; ids that begin with ZD are of a draft."""
    known = register()
    law = msgspec.structs.replace(known.instrument("IM"), code="ZZ")
    draft = msgspec.structs.replace(law, code="ZD", status="draft")
    kept = known.obligation("IM-15")
    return Register(
        msgspec.structs.replace(
            read(FOLDER),
            instruments=(*known.instruments, law, draft),
            provisions=(*known.provisions, *(provision(each.id, valid_from) for each in duties)),
            obligations=(kept, *duties),
        )
    )


def use(monkeypatch, *duties, **more):
    made = book(*duties, **more)
    for module in ("due", "occurrences"):
        monkeypatch.setattr(f"hegui.cases.{module}.register", lambda: made)
    return made
