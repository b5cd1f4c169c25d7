"""What must be in the assets cache, read from the model manifests, the builds of ONNX Runtime, media.toml and peers.toml."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

KINDS = ("pypi", "npm", "debian", "repository")


class ManifestError(Exception):
    """A file that says what to fetch is wrong. The message names the file and the entry."""


@dataclass(frozen=True)
class Member:
    """One file inside a package."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Source:
    """A package that holds the members, or a folder of this repository. `artefact_sha256` is None for a folder, whose members
    are pinned, and for Debian, whose package version may move on."""

    kind: str
    package: str
    version: str | None
    artefact_sha256: str | None
    sdist: bool
    members: tuple[Member, ...]

    def __str__(self):
        return f"{self.kind} {self.package}{f' {self.version}' if self.version else ''}"


@dataclass(frozen=True)
class Artefact:
    """One file of the cache. `target` and `link` are relative to the cache."""

    target: Path
    sha256: str
    bytes: int
    sources: tuple[Source, ...]
    link: str | None = None
    script: Path | None = None
    #: What it is asked for by, where it isn't fetched of itself.
    opt_in: str | None = None


def read_all(project):
    """Every artefact of the project, models first."""
    setup = project / "tools" / "setup"
    found = [_model(path, project) for path in sorted((project / "models" / "manifests").glob("*.toml"))]
    for path in sorted(setup.glob("onnxruntime*.toml")):
        found.extend(_build(path))
    media, peers = setup / "media.toml", setup / "peers.toml"
    found.extend(_artefact(entry, "file", entry, media, "media") for entry in _load(media).get("media", []))
    found.extend(_artefact(entry, "file", entry, peers, "peers", opt_in="peers") for entry in _load(peers).get("peer", []))
    targets = [artefact.target for artefact in found]
    twice = {str(target) for target in targets if targets.count(target) > 1}
    if twice:
        raise ManifestError(f"two entries write the same file: {', '.join(sorted(twice))}")
    return found


def read_source(path):
    """The one source of a file that is only a [source] table."""
    return _source(_need(_load(path), "source", path), path)


def _load(path):
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"{path}: {error}") from error


def _need(table, key, where):
    if key not in table:
        raise ManifestError(f"{where}: '{key}' is missing")
    return table[key]


def _model(path, project):
    table = _load(path)
    script = None
    if "convert" in table:
        script = project / "tools" / "convert" / _name(_need(table["convert"], "script", path), path)
    opt_in = _need(table, "name", path) if table.get("opt_in", False) else None
    return _artefact(_need(table, "file", path), "path", table, path, "models", script, opt_in)


def _build(path):
    """A build of ONNX Runtime: files of one package, in a folder that is called as the build's file is."""
    table = _load(path)
    opt_in = _need(table, "name", path) if table.get("opt_in", False) else None
    package = _source(_need(table, "source", path), path)
    for file in _need(table, "file", path):
        member = Member(_need(file, "member", path), _need(file, "sha256", path), _need(file, "bytes", path))
        source = replace(package, members=(member,))
        link = _name(file["link"], path) if "link" in file else None
        target = Path(path.stem) / _name(Path(member.path).name, path)
        yield Artefact(target, member.sha256, member.bytes, (source,), link, None, opt_in)


def _artefact(file, key, table, where, folder, script=None, opt_in=None):
    name = _name(_need(file, key, where), where)
    where = f"{where} ({name})"
    sources = tuple(_source(source, where) for source in _need(table, "source", where))
    if script is None and any(len(source.members) != 1 for source in sources):
        raise ManifestError(f"{where}: without a conversion a source has exactly one member")
    link = _name(file["link"], where) if "link" in file else None
    return Artefact(
        Path(folder) / name, _need(file, "sha256", where), _need(file, "bytes", where), sources, link, script, opt_in
    )


def _name(name, where):
    """A plain file name: nothing may be written outside the cache."""
    if not name or Path(name).name != name:
        raise ManifestError(f"{where}: '{name}' must be a plain file name")
    return name


def _source(table, where):
    kind = _need(table, "kind", where)
    if kind not in KINDS:
        raise ManifestError(f"{where}: source kind '{kind}' is unknown, expected one of {', '.join(KINDS)}")
    pinned = kind in ("pypi", "npm")
    members = tuple(
        Member(_need(member, "path", where), _need(member, "sha256", where), _need(member, "bytes", where))
        for member in table.get("member", [])
    )
    return Source(
        kind=kind,
        package=_need(table, "package", where),
        version=_need(table, "version", where) if pinned else None,
        artefact_sha256=_need(table, "artefact_sha256", where) if pinned else None,
        sdist=table.get("sdist", False),
        members=members,
    )
