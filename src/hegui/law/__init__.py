"""The register of duties as data: every provision, who it binds, since when, and how we know."""

from hegui.law.load import Article, Register, read, register
from hegui.law.model import (
    Clock,
    Instrument,
    Interpretation,
    Obligation,
    Proves,
    Provision,
    Sanction,
    Tables,
    Tier,
)

__all__ = [
    "Article",
    "Clock",
    "Instrument",
    "Interpretation",
    "Obligation",
    "Proves",
    "Provision",
    "Register",
    "Sanction",
    "Tables",
    "Tier",
    "read",
    "register",
]
