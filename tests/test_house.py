"""The house rules that no linter knows: sizes, language, mirrored tests, explained dependencies."""

import ast
import importlib.metadata
import re
import statistics
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "hegui"
# Migrations are left out: frozen history, run by every test that opens a store.
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "migrations" not in path.parts)

FILE_LINES = 400
FUNCTION_LINES = 40
MEDIAN_LINES = 10
# Every exception carries its reason.
LONG_FILES = {"evidence/verifier.py": "one file on purpose: it travels alone with an export"}
LONG_FUNCTIONS: dict[str, str] = {}
CHINESE_ALLOWED = {
    "evidence/verifier.py": "stands alone beside an export, so it carries its own texts",
    "settings.py": "the words about the service that stand until the operator writes its own",
}
_WHOLE = "tests/web and tests/browser drive it by whole requests, as its users do"
WITHOUT_TESTS: dict[str, str] = {
    "gateway/app.py": "tests/gateway drives it over HTTP, as its callers do",
    "gateway/embeddings.py": "tests/gateway/test_answer.py asks it over HTTP",
    "gateway/moderations.py": "tests/gateway/test_answer.py asks it over HTTP",
    "web/forms.py": _WHOLE,
    "web/render.py": _WHOLE,
    "web/routing.py": _WHOLE,
    "web/pages/chat.py": _WHOLE,
    "web/pages/labels.py": "tests/web/test_is_this_ai.py sends it files, as visitors do",
    "web/pages/conversation.py": _WHOLE,
    "web/pages/public.py": _WHOLE,
    "web/pages/reports.py": _WHOLE,
    "web/pages/staff_duty.py": _WHOLE,
    "web/pages/staff_evidence.py": _WHOLE,
    "web/pages/staff_ledger.py": _WHOLE,
    "web/run.py": "tests/web/test_run.py starts it as a process of its own",
    "evidence/opening.py": "tests/people/test_staff.py, beside those who may open",
}
LGPL_ALLOWED = {
    "psycopg": "no permissive driver is as good; linked, not changed",
    "psycopg-binary": "the same, compiled",
}

HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the nodes that are docstrings: strings that stand as a statement of their own."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def both_languages(tree: ast.AST) -> set[int]:
    """The ids of the Chinese in ``Text(zh=…, en=…)``: data, which has its English beside it."""
    return {
        id(word.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Text"
        and {word.arg for word in node.keywords} == {"zh", "en"}
        for word in node.keywords
        if word.arg == "zh"
    }


def chinese_literals(source: str) -> list[str]:
    """String literals written with Chinese characters; escapes such as \\u4e00 are ranges, no text."""
    tree = ast.parse(source)
    spared = docstrings(tree) | both_languages(tree)
    return [
        f"line {node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in spared
        and HAN.search(node.value)
        and HAN.search(ast.get_source_segment(source, node) or "")
    ]


def imports(source: str) -> set[str]:
    """Every dotted name that a file imports, `from a import b` both as `a` and as `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_and_functions_stay_small(path):
    source = path.read_text()
    if name_of(path) not in LONG_FILES:
        assert len(source.splitlines()) <= FILE_LINES
    long = {
        f"{name_of(path)}:{function.name}": length(function)
        for function in functions(ast.parse(source))
        if length(function) > FUNCTION_LINES
    }
    assert {name: lines for name, lines in long.items() if name not in LONG_FUNCTIONS} == {}


def test_the_median_function_is_short():
    lengths = [length(f) for path in MODULES for f in functions(ast.parse(path.read_text()))]
    assert statistics.median(lengths) <= MEDIAN_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_chinese_texts_live_in_data(path):
    if name_of(path) in CHINESE_ALLOWED:
        pytest.skip(CHINESE_ALLOWED[name_of(path)])
    assert chinese_literals(path.read_text()) == []


def test_the_search_for_chinese_texts_finds_them():
    source = '"""模块"""\ndef f():\n    """函数"""\n    return "标识", f"{x} 投诉", "\\u4e00"\n'
    assert chinese_literals(source) == ["line 4: 标识", "line 4:  投诉"]


def test_chinese_may_stand_beside_its_english_and_nowhere_else():
    assert chinese_literals('Text(zh="标识", en="label")') == []
    assert chinese_literals('Text(zh="标识", en="标识")') == ["line 1: 标识"]
    assert chinese_literals('Text(zh="标识", en="label").say("标识")') == ["line 1: 标识"]
    assert chinese_literals('Other(zh="标识", en="label")') == ["line 1: 标识"]
    assert chinese_literals('Text("标识", "label")') == ["line 1: 标识"]


def test_exceptions_are_about_files_that_exist():
    named = {*LONG_FILES, *CHINESE_ALLOWED, *WITHOUT_TESTS}
    named |= {name.partition(":")[0] for name in LONG_FUNCTIONS}
    assert {name for name in named if not (SOURCE / name).exists()} == set()


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(["hegui", *parts]).removesuffix(".__init__")


def modules_with_tests() -> set[str]:
    """The modules that a file anywhere in the tests' folder that mirrors theirs imports.

    A test named after a module tests it, and who tests a package tests what its ``__init__``
    takes from its own modules.
    """
    found = set()
    for path in set((ROOT / "tests").rglob("*.py")) - {ROOT / "tests" / "test_docs.py"}:
        folder = ".".join(["hegui", *path.parent.relative_to(ROOT / "tests").parts])
        found |= {
            name
            for name in imports(path.read_text())
            # A module of the top floor has the whole of tests/ for its mirror.
            if name.startswith(folder) or name.count(".") == 1
        }
        found.add(f"{folder}.{path.stem.removeprefix('test_')}")
    packages = [path for path in MODULES if path.name == "__init__.py" and dotted(path) in found]
    return found.union(*(imports(path.read_text()) for path in packages))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_of_substance_has_tests(path):
    tree = ast.parse(path.read_text())
    if not functions(tree) and not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree)):
        pytest.skip("nothing in it to test")
    if name_of(path) in WITHOUT_TESTS:
        pytest.skip(WITHOUT_TESTS[name_of(path)])
    assert dotted(path) in modules_with_tests(), f"no test imports {dotted(path)}"


def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return [re.split(r"[^\w.-]", line)[0] for each in lists for line in each]


@pytest.mark.parametrize("dependency", dependencies())
def test_every_dependency_is_explained(dependency):
    page = (ROOT / "docs" / "dependencies.md").read_text()
    assert f"| {dependency} |" in page


def licence(distribution: str) -> str:
    about = importlib.metadata.metadata(distribution)
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License")]
    # The field License may hold the whole text of a licence: its first line is its name.
    named = (about.get("License") or "").partition("\n")[0]
    return " ".join([about.get("License-Expression") or "", named, *classifiers])


def test_no_dependency_binds_the_operator():
    lock = (ROOT / "requirements" / "run.lock").read_text()
    # Dependencies of other platforms carry a marker and are not installed here.
    names = re.findall(r"^([\w.-]+)==[^;\n]+$", lock, re.MULTILINE)
    assert len(names) > 20
    licences = {name: licence(name) for name in names}
    assert [name for name, text in licences.items() if not text.strip()] == []
    bound = {name for name, text in licences.items() if re.search("GPL|General Public", text)}
    assert bound <= set(LGPL_ALLOWED)
