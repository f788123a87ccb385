"""The body of a policy: YAML by a fixed schema, every mistake named with its line and the cure."""

import difflib
import re
from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import sha256
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec
import yaml

from hegui.language import Problem, Text
from hegui.safety.lexicon import LONGEST, SHORTEST, spelling
from hegui.safety.risks import risks

Verb = Literal["pass", "mask", "withhold", "refuse", "lexicon"]
Kind = Literal[
    "id_card", "mobile", "bank_card", "passport", "plate",
    "email", "wechat", "qq", "address", "uscc",
]  # fmt: skip
Part = Literal["image", "audio", "file"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
PARTS: Final[tuple[Part, ...]] = get_args(Part)

MOST_BYTES: Final = 1_048_576
_NODES: Final = 200_000  # bounds what aliases inside a small file can unfold to
Path = tuple[str | int, ...]
T = TypeVar("T")
# What may stand under a key, for the message when something else does.
_VALUES: Final[dict[str | int, Sequence[str]]] = {
    "position": ("prefix", "suffix", "corner"),
    "action": ("pass", "mask", "withhold", "refuse"),
    "kinds": KINDS,
    "personal_information": ("minimise", "pass"),
    "unscanned": ("refuse", "{action: pass, owner: …, reason: …}"),
    "actions": get_args(Verb),
}


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the body; an unknown key in it is an error, not a silent pass."""


class Sides(Strict, frozen=True):
    """What is done in what the user sends, and in what the model answers."""

    input: Verb = "lexicon"
    output: Verb = "lexicon"


class Rule(Strict, frozen=True):
    """What is done for adults, and for minors; without `minor`, the same for both."""

    adult: Verb | Sides = "lexicon"
    minor: Verb | Sides | None = None


class PersonalInformation(Strict, frozen=True):
    """Whether the model is asked with personal information, or with tokens in its place."""

    input: Literal["minimise", "pass"] = "minimise"
    kinds: tuple[Kind, ...] = ()


class PassUnscanned(Strict, frozen=True):
    """Somebody answers for letting pass what cannot be looked into."""

    action: Literal["pass"]
    owner: str = ""
    reason: str = ""


class Unscanned(Strict, frozen=True):
    """What is done with a part of a request that hegui cannot look into.

    A bare *pass* is understood only to be refused with the cure: it names nobody.
    """

    image: Literal["refuse", "pass"] | PassUnscanned = "refuse"
    audio: Literal["refuse", "pass"] | PassUnscanned = "refuse"
    file: Literal["refuse", "pass"] | PassUnscanned = "refuse"


class Labels(Strict, frozen=True):
    """Where the explicit label of text stands (GB 45438-2025, 5.1)."""

    position: Literal["prefix", "suffix", "corner"] = "suffix"


class Hot(Strict, frozen=True):
    """A term that acts at once; without `action`, as its risk's rule says, else *withhold*.

    `until` is the last day, in Beijing, on which it acts.
    """

    term: str
    category: str
    action: Literal["pass", "mask", "withhold", "refuse"] | None = None
    until: date | None = None

    @property
    def folded(self) -> str:
        """What makes two hot terms the same: the spelling in which a lexicon finds them."""
        return spelling(self.term)[0]


class Body(msgspec.Struct, frozen=True):
    """A policy as it is written."""

    about: Text
    actions: dict[str, Rule]
    personal_information: PersonalInformation
    unscanned: Unscanned
    labels: Labels
    hot: tuple[Hot, ...] = ()

    @property
    def core(self) -> str:
        """SHA-256 of what the body says, leaving out its hot terms and what it says of itself."""
        core = msgspec.structs.replace(self, hot=(), about=Text("", ""))
        return sha256(msgspec.json.encode(core, order="deterministic")).hexdigest()


class _Outer(Strict, frozen=True):
    """The top of the body; rules and hot terms are looked at one by one, to name their lines."""

    about: Text = Text("", "")
    actions: dict[str, Any] = {}
    personal_information: PersonalInformation = PersonalInformation()
    unscanned: Unscanned = Unscanned()
    labels: Labels = Labels()
    hot: list[Any] = []


def read_body(data: bytes, name: str = "policy") -> Body:
    """Read a policy's bytes; `name` is how a `Problem` calls them.

    Raises:
        Problem: `policy.yaml`, `policy.value` and its kin, each with the line and the cure.
    """
    return _Reader(data, name).read()


class _Reader:
    """One body while it is read: the values, and the tree that knows their lines."""

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        self._root, self._values = self._parse(data)

    def _parse(self, data: bytes) -> tuple[yaml.Node | None, Any]:
        if len(data) > MOST_BYTES:
            raise self._unreadable(f"more than {MOST_BYTES} bytes")
        try:
            text = data.decode("utf-8")
            root = yaml.compose(text, yaml.SafeLoader)
            self._check_keys(root)
            return root, yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise self._unreadable(reason, mark.line + 1 if mark else 0) from error

    def _unreadable(self, reason: str, line: int = 0) -> Problem:
        return Problem(
            "policy.yaml",
            "{place} is no YAML that can be read ({reason}): mend that place. `hegui policy new FILE` "
            "writes a policy to start from.",
            place=f"{self._name}:{line}" if line else self._name,
            reason=reason,
        )

    def _check_keys(self, root: yaml.Node | None) -> None:
        """YAML itself lets a key stand twice, and the later one win without a word."""
        waiting, seen = [root], 0
        while waiting:
            node = waiting.pop()
            seen += 1
            if seen > _NODES:
                raise self._unreadable("its aliases unfold without end")
            if isinstance(node, yaml.SequenceNode):
                waiting += node.value
            elif isinstance(node, yaml.MappingNode):
                keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
                for number, (key, value) in enumerate(node.value):
                    if key.value in keys[:number]:
                        raise Problem(
                            "policy.twice",
                            "{place}: {key} stands here a second time: keep one of the two.",
                            place=f"{self._name}:{key.start_mark.line + 1}",
                            key=key.value,
                        )
                    waiting.append(value)

    def read(self) -> Body:
        outer = self._convert(self._values if self._root else {}, _Outer, ())
        for part in PARTS:
            self._check_unscanned(part, getattr(outer.unscanned, part))
        return Body(
            outer.about,
            {key: self._rule(key, value) for key, value in outer.actions.items()},
            outer.personal_information,
            outer.unscanned,
            outer.labels,
            self._hot(outer.hot),
        )

    def _rule(self, key: str, value: Any) -> Rule:
        if key not in risks() and key not in KINDS:
            raise self._no_risk(("actions", key), key, [*risks(), *KINDS])
        rule = self._convert({"adult": value} if isinstance(value, str) else value, Rule,
                             ("actions", key))  # fmt: skip
        for profile in ("adult", "minor"):
            sides = getattr(rule, profile)
            if isinstance(sides, Sides) and sides.input == "mask":
                raise Problem(
                    "policy.input-mask",
                    "{place}: {key}: only answers are masked. For what users send write pass or "
                    "refuse; `personal_information: {{input: minimise}}` puts tokens in its place.",
                    place=self._place(("actions", key, profile, "input")),
                    key=key,
                )
        if laxer := _laxer(rule):
            raise Problem(
                "policy.laxer",
                "{place}: {key}: minors are shown more than adults in the {direction}. Write an "
                "action for minors that is at least as strict (pass < mask < withhold, refuse; "
                "lexicon counts as unknown).",
                place=self._place(("actions", key, "minor")),
                key=key,
                direction=laxer,
            )
        return rule

    def _hot(self, values: list[Any]) -> tuple[Hot, ...]:
        found: dict[str, Hot] = {}
        for number, value in enumerate(values):
            path = ("hot", number)
            hot = self._convert(value, Hot, path)
            if hot.category not in risks():
                raise self._no_risk((*path, "category"), hot.category, list(risks()))
            try:
                name = hot.folded
            except Problem as problem:
                raise Problem(
                    "policy.term",
                    "{place}: the term “{term}” is too short or too long: {least} to {most} letters "
                    "are needed once spaces and signs are dropped.",
                    place=self._place((*path, "term")),
                    term=hot.term[:80],
                    least=SHORTEST,
                    most=LONGEST,
                ) from problem
            if name in found:
                raise Problem(
                    "policy.twice",
                    "{place}: {key} stands here a second time: keep one of the two.",
                    place=self._place(path),
                    key=hot.term,
                )
            found[name] = hot
        return tuple(found.values())

    def _check_unscanned(self, part: str, given: str | PassUnscanned) -> None:
        """Whoever lets pass what nobody looked at says who answers for it, and why."""
        answered = isinstance(given, PassUnscanned) and given.owner.strip() and given.reason.strip()
        if given != "refuse" and not answered:
            raise Problem(
                "policy.unscanned",
                "{place}: letting {part} parts pass unseen needs an owner and a reason: "
                "{{action: pass, owner: …, reason: …}}.",
                place=self._place(("unscanned", part)),
                part=part,
            )

    def _no_risk(self, path: Path, key: str, known: Iterable[str]) -> Problem:
        close = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
        return Problem(
            "policy.category",
            "{place}: {key} is neither one of the 31 risks nor a kind of personal information. "
            "Near to it: {near}. docs/policy.md lists them.",
            place=self._place(path),
            key=key,
            near=", ".join(close) or f"A.1.a … A.5.b, {', '.join(KINDS)}",
        )

    def _convert(self, value: Any, kind: type[T], path: Path) -> T:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            reason, _, where = str(error).partition(" - at `")
            steps = re.findall(r"\.(\w+)|\[(\d+)\]", where.rstrip("`").removeprefix("key in "))
            path += tuple(name or int(number) for name, number in steps)
            if unknown := re.search(r"unknown field `(.+)`", reason):
                path += (unknown.group(1),)
            raise Problem(
                "policy.value",
                "{place}: {name}: {reason}. docs/policy.md lists every key and its values.",
                place=self._place(path),
                name=".".join(map(str, path)) or self._name,
                reason=_with_values(reason, path),
            ) from error

    def _place(self, path: Path) -> str:
        return f"{self._name}:{_line(self._root, path)}"


def _with_values(reason: str, path: Path) -> str:
    """The reason, and for an unknown word those that are known."""
    values = next((_VALUES[step] for step in reversed(path) if step in _VALUES), ())
    if not values or not reason.startswith("Invalid enum"):
        return reason
    return f"{reason} ({', '.join(values)})"


def _line(node: yaml.Node | None, path: Path) -> int:
    """The line of what `path` leads to, or of the last thing on the way that is there."""
    line = node.start_mark.line + 1 if node else 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == step), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


# -- how strict ------------------------------------------------------------------------------------

_STRICTNESS: Final = {"pass": 0, "mask": 1, "withhold": 2, "refuse": 2}


def sides_of(given: Verb | Sides | None, otherwise: Verb | Sides) -> dict[str, Verb]:
    """The verbs for input and output of what is written for a profile."""
    given = otherwise if given is None else given
    if isinstance(given, Sides):
        return {"input": given.input, "output": given.output}
    return {"input": given, "output": given}


def _laxer(rule: Rule) -> str:
    """The direction in which minors get more than adults, or "".

    What the lexicon says is not known here: beside it, only a stop is surely as strict.
    """
    adult, minor = sides_of(rule.adult, "lexicon"), sides_of(rule.minor, rule.adult)
    for direction in ("input", "output"):
        grown, young = adult[direction], minor[direction]
        if grown == young:
            continue
        least = 2 if grown == "lexicon" else _level(grown, direction)
        if (0 if young == "lexicon" else _level(young, direction)) < least:
            return direction
    return ""


def _level(verb: Verb, direction: str) -> int:
    """How strict an action is; in what users send nothing is masked."""
    return 0 if direction == "input" and verb == "mask" else _STRICTNESS[verb]
