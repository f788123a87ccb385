"""Labels 标识: what tells a person, and a machine, that something was made by AI.

    from hegui.labels import Label, write, verify

    write("picture.png", Label.new("0011…", "my-number-1"))
    verify("picture.png").verdict

Files, bytes and binary file objects alike; media stays identical, large files are spliced.
"""

from hegui.labels.beside import write_beside
from hegui.labels.carry import carry
from hegui.labels.classify import Classified, classify
from hegui.labels.label import FIELDS, Label
from hegui.labels.provider import build_producer_code, check_producer_code
from hegui.labels.verify import Report, Verdict, read, verify
from hegui.labels.write import Written, write, write_bytes

__all__ = [
    "FIELDS",
    "Classified",
    "Label",
    "Report",
    "Verdict",
    "Written",
    "build_producer_code",
    "carry",
    "check_producer_code",
    "classify",
    "read",
    "verify",
    "write",
    "write_beside",
    "write_bytes",
]
