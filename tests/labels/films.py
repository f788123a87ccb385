"""ISO media files made by hand, and a reader of what a player would play, which knows no labels."""

import struct
from io import BytesIO

from hegui.labels.label import Label
from hegui.labels.write import write

CHUNK = 16
CODE = "001191110102MACQD9K64010000"
LABEL = Label.new(CODE, "0123abcd")
OLD = Label.new(CODE, "old")


def labelled(data, label=LABEL, on_existing="replace"):
    out = BytesIO()
    written = write(data, label, out, on_existing=on_existing, paranoid=True)
    assert written.size == len(out.getvalue())
    return out.getvalue()


def box(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def wide(kind, *parts):
    data = b"".join(parts)
    return struct.pack(">I4sQ", 1, kind, 16 + len(data)) + data


def endless(kind, *parts):
    return struct.pack(">I4s", 0, kind) + b"".join(parts)


def full(kind, version, flags, *parts):
    return box(kind, bytes([version]), flags.to_bytes(3), *parts)


FTYP = box(b"ftyp", b"isom", bytes(4), b"isomiso2mp41")
DREF = full(b"dref", 0, 0, struct.pack(">I", 1), full(b"url ", 0, 1))


def trak(offsets, kind=b"stco", more=b"", dref=DREF):
    form = "I" if kind == b"stco" else "Q"
    table = full(kind, 0, 0, struct.pack(f">I{len(offsets)}{form}", len(offsets), *offsets))
    minf = box(b"minf", box(b"dinf", dref), box(b"stbl", full(b"stts", 0, 0, bytes(4)), table))
    return box(b"trak", full(b"tkhd", 0, 7, bytes(80)), box(b"mdia", minf), more)


def chunk(n):
    return struct.pack(">Q", n) * 2


MEDIA = b"".join(chunk(n) for n in range(24))


def movie(
    layout="first", kind=b"stco", udta=b"", gap=b"", mdat=box, moov=box, more=b"", ftyp=FTYP,
    tail=b"", inside=b"", dref=DREF,
):  # fmt: skip
    """A film of two tracks; `layout` first or last says where moov stands, `gap` what follows it."""

    def head(base):
        places = [base + CHUNK * n for n in range(24)]
        tracks = trak(places[::2], kind, inside, dref), trak(places[1::2], kind, b"", dref)
        return moov(b"moov", full(b"mvhd", 0, 0, bytes(96)), *tracks, more, udta)

    body = mdat(b"mdat", MEDIA)
    header = len(body) - len(MEDIA)
    if layout == "last":
        return ftyp + body + head(len(ftyp) + header) + tail
    base = len(ftyp) + len(head(0)) + len(gap) + header
    return ftyp + head(base) + gap + body + tail


def parts(data, start=0, end=None):
    """(kind, start, body, end) of the boxes in a range."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if size == 1:
            (size,), body = struct.unpack_from(">Q", data, at + 8), at + 16
        size = size or end - at
        yield kind, at, body, at + size
        at += size


NESTED = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"moof", b"traf", b"mfra", b"ilst"}


def every(data, start=0, end=None):
    """The same for all boxes in boxes."""
    for kind, at, body, stop in parts(data, start, end):
        yield kind, at, body, stop
        if kind in NESTED:
            yield from every(data, body, stop)
        elif kind == b"meta":
            yield from every(data, body + (0 if data[body + 4 : body + 8] == b"hdlr" else 4), stop)


def played(data):
    """What the chunk offsets of all tracks point at."""
    found = []
    for kind, _, body, _ in every(data):
        if kind in (b"stco", b"co64"):
            (count,) = struct.unpack_from(">I", data, body + 4)
            form = "I" if kind == b"stco" else "Q"
            found.append(
                [
                    data[at : at + CHUNK]
                    for at in struct.unpack_from(f">{count}{form}", data, body + 8)
                ]
            )
    return found


EXPECTED = [[chunk(n) for n in range(0, 24, 2)], [chunk(n) for n in range(1, 24, 2)]]


def value(text, kind=1):
    encoded = text.encode("utf-16-be" if kind == 2 else "utf-8")
    return box(b"data", struct.pack(">II", kind, 0), encoded)


def hdlr(kind):
    return box(b"hdlr", bytes(8), kind, bytes(13))


def mdta(*pairs, word=bytes(4), drop_values=False):
    """A meta box of keys and values; a value of None is a key without one."""
    keys = full(
        b"keys", 0, 0, struct.pack(">I", len(pairs)),
        *(box(b"mdta", key.encode()) for key, _ in pairs),
    )  # fmt: skip
    items = [
        box(struct.pack(">I", n), value(text))
        for n, (_, text) in enumerate(pairs, 1)
        if text is not None
    ]
    return box(b"meta", word, hdlr(b"mdta"), keys, box(b"ilst", *items))


def mdir(*pairs, encoding=1):
    items = [box(kind, value(text, encoding)) for kind, text in pairs]
    return box(b"meta", bytes(4), hdlr(b"mdir"), box(b"ilst", *items))


def freeform(name, text):
    parts_of = full(b"mean", 0, 0, b"com.apple.iTunes"), full(b"name", 0, 0, name)
    return box(b"meta", bytes(4), hdlr(b"mdir"), box(b"ilst", box(b"----", *parts_of, value(text))))


XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


def packet(label=None, more=""):
    """An XMP packet, with a label or without, beside something else."""
    text = label and label.replace("&", "&amp;").replace('"', "&quot;")
    aigc = f"<T:AIGC xmlns:T='http://www.tc260.org.cn/ns/AIGC/1.0/'>{text}</T:AIGC>" if text else ""
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {_RDF}><rdf:Description rdf:about="" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="kept">{aigc}{more}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def fragmented(*, sidx_first=False, base=True, wide_tfra=False, saio=False):
    """Header, index, three fragments, index of random access. Returns the file."""
    aux = b""
    if saio:
        aux = full(b"saio", 0, 0, struct.pack(">II", 1, 24))

    def build(starts):
        moov = box(
            b"moov", full(b"mvhd", 0, 0, bytes(96)), trak([]), box(b"mvex", full(b"trex", 0, 0, bytes(20)))
        )  # fmt: skip
        moofs = []
        for n, at in enumerate(starts):
            tfhd = (
                full(b"tfhd", 0, 1, struct.pack(">IQ", 1, at))
                if base
                else full(b"tfhd", 0, 0x020000, struct.pack(">I", 1))
            )
            moof = box(b"moof", full(b"mfhd", 0, 0, struct.pack(">I", n)), box(b"traf", tfhd, aux))
            moofs.append(moof + box(b"mdat", chunk(n)))
        first = len(moov) if sidx_first else 0
        refs = b"".join(struct.pack(">III", len(each), 1, 1 << 31) for each in moofs)
        sidx = full(b"sidx", 0, 0, struct.pack(">IIIIHH", 1, 1000, 0, first, 0, len(moofs)), refs)
        head = FTYP + (sidx + moov if sidx_first else moov + sidx)
        form = "QQ" if wide_tfra else "II"
        rows = b"".join(struct.pack(f">{form}BBB", n, at, 1, 1, 1) for n, at in enumerate(starts))
        tfra = full(b"tfra", int(wide_tfra), 0, struct.pack(">III", 1, 0, len(starts)), rows)
        mfra = box(b"mfra", tfra, full(b"mfro", 0, 0, struct.pack(">I", 24 + len(tfra))))
        places, at = [], len(head)
        for each in moofs:
            places.append(at)
            at += len(each)
        return head + b"".join(moofs) + mfra, places

    _, starts = build([0, 0, 0])
    return build(starts)[0]


def picture(
    version=1, sizes=(4, 4, 0, 0), xmp=None, where="mdat", method=None, iinf=0, iref=True, base=0,
    extra=b"", brand=b"heic", split=False, groups=b"", tail=b"", refer=True,
):  # fmt: skip
    """A HEIF of two coded items (and a grid in idat), perhaps with XMP; iloc as wanted.

    `base` counts the places of the coded items from there. Nothing here can be decoded: `items_of`
    gives back what the items' places hold.
    """
    ftyp = box(b"ftyp", brand, bytes(4), b"mif1" + brand)
    coded = [b"first picture...", b"second picture.."]
    grid = b"GRID" * 2

    def infe(number, kind, *more):
        return full(b"infe", 2, 0, struct.pack(">HH", number, 0), kind, *more)

    def number(value, width):
        return value.to_bytes(width)

    def build(mdat):
        o, le, b, ix = sizes
        entries, idat = [], grid
        at = mdat
        for n, each in enumerate(coded, 1):
            entries.append((n, 0, base, [(at - base, len(each))]))
            at += len(each)
        body = b"".join(coded)
        if version:
            entries.append((3, 1, 0, [(0, len(grid))]))
        if xmp is not None and where == "idat":
            idat = xmp + grid
            entries[-1] = (3, 1, 0, [(len(xmp), len(grid))])
            entries.append((4, 1, 0, [(0, len(xmp))]))
        elif xmp is not None:
            cut = len(xmp) // 2 if split else len(xmp)
            body = xmp[:cut] + coded[0] + xmp[cut:] + coded[1]
            entries[0] = (1, 0, base, [(mdat + cut - base, len(coded[0]))])
            entries[1] = (2, 0, base, [(mdat + len(xmp) + len(coded[0]) - base, len(coded[1]))])
            second = [(mdat + cut + len(coded[0]), len(xmp) - cut)] if split else []
            entries.append((4, 0, 0, [(mdat, cut), *second]))
        iloc = [bytes([o << 4 | le, b << 4 | ix])]
        iloc.append(number(len(entries), 4 if version == 2 else 2))
        for n, how, start, extents in entries:
            iloc.append(number(n, 4 if version == 2 else 2))
            iloc.append(number(how, 2) if version else b"")
            iloc += [bytes(2), number(start, b), number(len(extents), 2)]
            for place, length in extents:
                iloc += [number(0, ix), number(place, o), number(length, le)]
        infos = [infe(1, b"hvc1\0"), infe(2, b"hvc1\0"), infe(3, b"grid\0")]
        if xmp is not None:
            infos.append(infe(4, b"mime\0", b"application/rdf+xml\0"))
        refs = [box(b"thmb", struct.pack(">HHH", 2, 1, 1))]
        if xmp is not None and refer:
            refs.append(box(b"cdsc", struct.pack(">HHH", 4, 1, 1)))
        meta = full(
            b"meta", 0, 0, hdlr(b"pict"), full(b"pitm", 0, 0, struct.pack(">H", 1)),
            full(b"iloc", version, 0, *iloc),
            full(b"iinf", iinf, 0, number(len(infos), 4 if iinf else 2), *infos),
            full(b"iref", 0, 0, *refs) if iref else b"", groups, box(b"idat", idat),
        )  # fmt: skip
        return ftyp + meta + extra + box(b"mdat", body) + tail, len(ftyp) + len(meta) + len(
            extra
        ) + 8

    _, mdat = build(base or 100)
    return build(mdat)[0]


def items_of(data):
    """What the places of all items hold, by number: a reader of iloc by the text of the standard."""
    found, idat, iloc = {}, 0, None
    for kind, _, body, stop in every(data):
        if kind == b"idat":
            idat = body
        if kind == b"iloc" and iloc is None:
            iloc = data[body:stop]
    version, at = iloc[0], 6
    o, le, b, ix = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4, iloc[5] & 15

    def take(width):
        nonlocal at
        at += width
        return int.from_bytes(iloc[at - width : at])

    for _ in range(take(4 if version == 2 else 2)):
        number = take(4 if version == 2 else 2)
        origin = idat if version and take(2) == 1 else 0
        take(2)
        base = take(b) + origin
        text = b""
        for _ in range(take(2)):
            take(ix if version else 0)
            place, length = base + take(o), take(le)
            text += data[place : place + length]
        found[number] = text
    return found


def index(data, kind):
    """(start, body, end) of all boxes of a kind."""
    return [(at, body, stop) for each, at, body, stop in every(data) if each == kind]
