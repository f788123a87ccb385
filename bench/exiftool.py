"""ExifTool kept open, as a service would run it; one process a file costs 30 times as much."""

import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

# The namespace of the label in XMP, and a key for MP4; ExifTool knows neither by itself.
CONFIG: Final = """
%Image::ExifTool::UserDefined = (
    'Image::ExifTool::XMP::Main' => {
        TC260 => { SubDirectory => { TagTable => 'Image::ExifTool::UserDefined::TC260' } },
    },
    'Image::ExifTool::QuickTime::Keys' => { AIGC => { Name => 'AIGC' } },
);
%Image::ExifTool::UserDefined::TC260 = (
    GROUPS => { 0 => 'XMP', 1 => 'XMP-TC260', 2 => 'Other' },
    NAMESPACE => { 'TC260' => 'http://www.tc260.org.cn/ns/AIGC/1.0/' },
    WRITABLE => 'string',
    AIGC => { },
);
1;
"""


class ExifTool:
    """One process for many files."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="hegui-exiftool-")
        config = Path(self._folder.name) / "config"
        config.write_text(CONFIG)
        self._process = subprocess.Popen(
            ["exiftool", "-config", config, "-stay_open", "True", "-@", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate("-stay_open\nFalse\n", timeout=60)
        self._folder.cleanup()

    def write(self, old: Path, new: Path, tag: str, value: str) -> None:
        """Write a tag into a copy of a file; raises RuntimeError if that failed."""
        said = self.run(f"-{tag}={value}", "-o", str(new), str(old))
        if "1 image files created" not in said:
            raise RuntimeError(f"ExifTool: {said}")

    def run(self, *arguments: str) -> str:
        """What ExifTool says to these arguments."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n".join([*arguments, "-execute\n"]))
        self._process.stdin.flush()
        said = []
        for line in self._process.stdout:
            if line.rstrip().endswith("{ready}"):
                break
            said.append(line)
        return "".join(said)
