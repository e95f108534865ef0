"""Packages of npm, as a lock file names them."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "ingest"))
from support import check # noqa: E402


def install(folder):
    lock = folder / "package-lock.json"
    mark = folder / "node_modules" / ".package-lock.json"
    if mark.exists() and mark.stat().st_mtime >= lock.stat().st_mtime:
        return
    done = subprocess.run(["npm", "ci", "--loglevel=error", "--no-fund", "--no-audit"],
                          cwd=folder)
    check(done.returncode == 0, f"npm ci in {folder.name}")
    mark.touch()
