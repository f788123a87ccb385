"""Settings: `hegui.toml`, then the environment; every mistake names its line and the cure.

An environment variable `HEGUI_STORE_URL` overrides `url` in `[store]`, and so on for every plain
value of the sections; lists and tables come from the file only. Secrets are never settings: they
are files, or variables named by `api_key_env`.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from hegui.language import Problem, Text

FILE: Final = "hegui.toml"
_PREFIX: Final = "HEGUI_"


Days = Annotated[int, msgspec.Meta(ge=1, le=365)]
# The form alone; `hegui.labels.provider` holds the check character of the company's code against it.
ProducerCode = Annotated[str, msgspec.Meta(pattern=r"^(00[0-9A-Z]{25})?$")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; an unknown name in it is an error, not a silent pass."""


class Service(Section, frozen=True):
    """What the public is told (Interim Measures, Art. 10 and 15)."""

    name: str = "hegui demo"
    operator: str = "Unnamed operator"
    report_address: str = "report@example.org"
    report_days: Days = 15  # until a report is answered: published, so it binds
    report_calendar: Literal["civil", "prc_working"] = "civil"  # which days those are
    filing: tuple[str, ...] = ()
    # The provider's 27 letters of the coding rules for labels; none: no machine-readable label.
    producer_code: ProducerCode = ""
    audience: Text = Text(zh="成年用户", en="Adults")
    uses: Text = Text(zh="了解生成式人工智能的合规要求", en="Learning what the rules ask")
    language: Literal["zh", "en"] = "zh"
    # Which proof of a user's real identity is used. Only "development" exists so far: it proves nothing.
    identity: Literal["development"] = "development"


class Server(Section, frozen=True):
    """Where the service listens, and what it accepts at most."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""  # as users see it; empty: http://host:port
    max_body_bytes: int = 1_048_576
    max_requests: int = 512  # under way at once in each process; more are answered 503
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1  # processes on the one port


class Store(Section, frozen=True):
    """The two databases. They must not share a backup: see docs/evidence.md."""

    url: str = "sqlite:///data/hegui.db"
    vault_url: str = "sqlite:///data/vault.db"
    wait_seconds: Seconds = 5  # until a store that does not answer counts as gone
    outbox: Path = Path("data/outbox")  # on a disk of its own it outlasts a full one
    outbox_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=1 << 32)] = 16_777_216  # each process


class Evidence(Section, frozen=True):
    """Keys and checkpoints."""

    origin: str = "hegui.example/ledger"  # names the ledger in every checkpoint; never change it
    master_key: Path = Path("data/keys/master.key")
    signing_key: Path = Path("data/keys/ledger.key")
    checkpoint_folder: Path = Path("data/checkpoints")  # copy its files out of your own reach
    checkpoint_minutes: int = 10


class Moderation(Section, frozen=True):
    """Content control (Art. 4 and 14)."""

    lexicon: Path | None = None  # built by `hegui lexicon build`; empty: the sample words


class Controls(Section, frozen=True):
    """Which controls run."""

    # Without one of these the service answers all the same, and the register shows what is no
    # longer met, with the exchanges that went past. Who asks and what is kept cannot be left out.
    off: tuple[Literal["agreement", "limits", "moderation", "label"], ...] = ()


class Register(Section, frozen=True):
    """How the state of each duty is computed from evidence."""

    # Days whose exchanges, complaints and so on a check looks at: what went wrong stands that long.
    window_days: Days = 30
    count_seconds: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 15  # between two looks of a server


class Limits(Section, frozen=True):
    """How much one key, and one user, may ask a minute."""

    key_per_minute: int = 600
    user_per_minute: int = 60


class Clocks(Section, frozen=True):
    """Reminders of what is due."""

    remind_days: tuple[Days, ...] = (30, 7, 1)  # this many days before; overdue is always reminded


class Upstream(Section, frozen=True):
    """A model behind the gateway.

    Those that serve the same name are asked in the order in which they stand in the file.
    """

    name: str
    url: str  # "demo:" is the built-in stand-in
    models: tuple[str, ...] = ()
    api_key_env: str = ""
    ca_file: str = ""
    place: str = ""  # ISO 3166 code of where it runs (PIPL Art. 38: is data sent abroad?)
    base_model: str = ""
    filing: str = ""  # filing or registration number (Art. 7(1))
    connect_seconds: Seconds = 5
    first_byte_seconds: Seconds = 60
    idle_seconds: Seconds = 60  # of silence within an answer
    total_seconds: Seconds = 600
    max_answer_bytes: Count = 16_777_216  # of an answer in one piece
    max_event_bytes: Count = 1_048_576  # of one event of a stream
    max_connections: Count = 256


class Settings(Section, frozen=True):
    service: Service = Service()
    server: Server = Server()
    store: Store = Store()
    evidence: Evidence = Evidence()
    moderation: Moderation = Moderation()
    controls: Controls = Controls()
    register: Register = Register()
    limits: Limits = Limits()
    clocks: Clocks = Clocks()
    upstream: tuple[Upstream, ...] = (Upstream(name="demo", url="demo:", models=("hegui-demo",)),)

    @property
    def public_url(self) -> str:
        return self.server.public_url or f"http://{self.server.host}:{self.server.port}"


def documented() -> list[str]:
    """The dotted name of every setting, for the test that keeps docs/configuration.md complete."""
    return sorted(f"{section}.{name}" for section, name, _ in _fields())


def _fields() -> Iterator[tuple[str, str, Any]]:
    for section in msgspec.structs.fields(Settings):
        kind = Upstream if section.name == "upstream" else type(section.default)
        for field in msgspec.structs.fields(kind):
            yield section.name, field.name, field.type


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; relative paths count from the file's folder.

    Raises:
        Problem: `settings.missing`, `settings.toml` or `settings.value`.
    """
    given = path or (Path(environ["HEGUI_CONFIG"]) if environ.get("HEGUI_CONFIG") else None)
    file = given or Path(FILE)
    text = _read(file, required=given is not None)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Problem(
            "settings.toml",
            "{file} is not valid TOML: {reason}. Mend that place; docs/configuration.md has an example.",
            file=file,
            reason=error,
        ) from error
    _overlay(values, environ)
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise _bad_value(file, text, str(error)) from error
    return _anchor(settings, file.resolve().parent)


def _read(file: Path, *, required: bool) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError as error:
        if not required:
            return ""  # every setting has a default that works on one machine
        raise Problem(
            "settings.missing", "There is no {file}: `hegui init` writes one.", file=file
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            "settings.unreadable",
            "{file} cannot be read ({reason}): check its permissions, and that it is UTF-8.",
            file=file,
            reason=error,
        ) from error


def _overlay(values: dict[str, Any], environ: Mapping[str, str]) -> None:
    for section, name, _ in _fields():
        given = environ.get(f"{_PREFIX}{section}_{name}".upper())
        if given is not None and section != "upstream":
            values.setdefault(section, {})[name] = given


def _bad_value(file: Path, text: str, reason: str) -> Problem:
    """Turn msgspec's `… - at `$.server.port`` into the line of the file and the setting's name."""
    found = re.search(r"`\$\.?([\w.\[\]]*)`", reason)
    path = found.group(1) if found else ""
    unknown = re.search(r"unknown field `(\w+)`", reason)
    name = ".".join(part for part in (path, unknown.group(1) if unknown else "") if part)
    line = _line_of(text, name)
    return Problem(
        "settings.value",
        "{place}: {name}: {reason}. docs/configuration.md lists every setting and its values.",
        place=f"{file}:{line}" if line else f"{file} / {_PREFIX}{name.upper().replace('.', '_')}",
        name=name or "settings",
        reason=reason.split(" - at", maxsplit=1)[0],
    )


def _line_of(text: str, name: str) -> int:
    """The line on which the dotted `name` is set, or 0 when the file does not set it."""
    section, _, key = re.sub(r"\[\d*\.*\]", "", name).partition(".")
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.match(r"\s*\[+\s*([\w.]+)", line):
            inside = heading.group(1)
            if inside == section and not key:
                return number
        elif (
            inside == section and re.match(rf"\s*{re.escape(key.split('.')[0])}\s*[=.]", line)
        ) or (not inside and re.match(rf"\s*{re.escape(section)}\s*=", line)):
            return number
    return 0


def _anchor(settings: Settings, folder: Path) -> Settings:
    """Make every relative path absolute, counted from the folder of the settings file."""
    replace = msgspec.structs.replace
    evidence = settings.evidence
    lexicon = settings.moderation.lexicon
    return replace(
        settings,
        store=replace(
            settings.store,
            url=_anchor_url(settings.store.url, folder),
            vault_url=_anchor_url(settings.store.vault_url, folder),
            outbox=folder / settings.store.outbox,
        ),
        evidence=replace(
            evidence,
            master_key=folder / evidence.master_key,
            signing_key=folder / evidence.signing_key,
            checkpoint_folder=folder / evidence.checkpoint_folder,
        ),
        moderation=replace(settings.moderation, lexicon=lexicon and folder / lexicon),
    )


def _anchor_url(url: str, folder: Path) -> str:
    scheme = "sqlite:///"
    return f"{scheme}{folder / url.removeprefix(scheme)}" if url.startswith(scheme) else url
