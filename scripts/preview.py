"""Render every page with example contexts, in both languages, on a phone and a desktop; look and measure.

    .venv/bin/python scripts/preview.py [--into DIR] [--only NAME] [--dark] [--catalogue FILE.po]

Screenshots are written to DIR (a new temporary folder unless told). A page fails, and so does this
command, if it overflows its window, breaks the Content-Security-Policy, logs an error, has text
under the contrast of WCAG 2.2 AA (1.4.3), or, on the phone, a control smaller than 44 x 44 px.
"""

import argparse
import gettext
import io
import mimetypes
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from playwright.sync_api import Browser, Page, Route, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
WEB: Final = ROOT / "src/hegui/web"
CATALOGUE: Final = ROOT / "src/hegui/locale/zh_Hans/LC_MESSAGES/hegui.po"
SIZES: Final = {"phone": (390, 844), "desktop": (1280, 900)}
ADDRESS: Final = "http://preview.invalid"
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Runs in the page. A link inside a sentence is exempt from the size of targets (WCAG 2.5.8).
MEASURE: Final = """phone => {
  const faults = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) faults.push(`overflows by ${wide} px`);
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = colour => colour.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({visibilityProperty: true})) continue;
    const pair = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(1)}: ${node.data.trim().slice(0, 30)}`);
  }
  for (const control of phone ? document.querySelectorAll("a, button, select, textarea, input") : []) {
    if (!control.checkVisibility() || control.type === "hidden" || control.matches(".skip")) continue;
    const box = (control.closest("label.choice") ?? control).getBoundingClientRect();
    const around = control.closest("p, li");
    const inSentence = around && around.innerText.trim() !== control.innerText.trim();
    if (inSentence && getComputedStyle(control).display === "inline") continue;
    if (box.height < 43.5 || (box.width < 43.5 && control.innerText.trim().length > 2))
      faults.push(`target ${box.width.toFixed()} x ${box.height.toFixed()}: ${control.outerHTML.slice(0, 60)}`);
  }
  return faults;
}"""


def in_language(value: Any, language: str, whole: dict[str, Any]) -> Any:
    """Choose one language throughout `value`; a text "$name" stands for that part of the file."""
    if isinstance(value, dict):
        if value.keys() == {"zh", "en"}:
            return value[language]
        return {key: in_language(part, language, whole) for key, part in value.items()}
    if isinstance(value, list):
        return [in_language(part, language, whole) for part in value]
    if isinstance(value, str) and value.startswith("$"):
        return in_language(whole[value[1:]], language, whole)
    return value


def translations(language: str, catalogue: Path) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with catalogue.open("rb") as file:
        write_mo(compiled, read_po(file, "zh_Hans"))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def environment(language: str, catalogue: Path) -> Environment:
    pages = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = translations(language, catalogue)
    pages.install_gettext_translations(found, newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    return pages


def rendered(only: str, catalogue: Path) -> Iterator[tuple[str, str]]:
    """Yield a name such as "home-zh" and the page's HTML."""
    examples = yaml.safe_load((Path(__file__).parent / "preview.yaml").read_text("utf-8"))
    for language in ("zh", "en"):
        pages = environment(language, catalogue)
        for name, page in examples["pages"].items():
            if only in name:
                context = in_language(examples["every"] | page, language, examples)
                template = pages.get_template(context.pop("template"))
                yield f"{name}-{language}", template.render(context, lang=language)


def serve(route: Route, html: str) -> None:
    path = route.request.url.removeprefix(ADDRESS)
    if not path.startswith("/static/"):
        headers = {"Content-Security-Policy": POLICY}
        route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=headers)
    elif (file := WEB / path[1:]).is_file():
        kind = mimetypes.guess_type(file.name)[0]
        route.fulfill(body=file.read_bytes(), content_type=kind or "application/octet-stream")
    else:
        route.fulfill(status=404)


def look(page: Page, html: str, picture: Path, *, phone: bool) -> list[str]:
    """Take the picture and return what is wrong with the page."""
    faults: list[str] = []
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.route("**/*", lambda route: serve(route, html))
    page.goto(ADDRESS)
    faults += page.evaluate(MEASURE, phone)
    # What sticks to an edge is drawn in its place only if the window is as tall as the page.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.evaluate("innerWidth"), "height": height})
    page.screenshot(path=picture)
    return faults


def look_at_all(browser: Browser, options: argparse.Namespace, into: Path) -> int:
    bad = 0
    for name, html in rendered(options.only, options.catalogue):
        for size, (width, height) in SIZES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if options.dark else "light",
            )
            faults = look(page, html, into / f"{name}-{size}.png", phone=size == "phone")
            page.close()
            bad += bool(faults)
            for fault in faults:
                print(f"{name}-{size}: {fault}")
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description="Screenshot and measure every page.")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--only", default="", help="a part of the page's name in preview.yaml")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--catalogue", type=Path, default=CATALOGUE)
    options = parser.parse_args()
    into = options.into or Path(tempfile.mkdtemp(prefix="hegui-preview-"))
    into.mkdir(parents=True, exist_ok=True)
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        bad = look_at_all(browser, options, into)
        browser.close()
    print(f"{into}: {bad} of the screenshots have faults" if bad else f"{into}: no faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
