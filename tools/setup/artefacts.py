"""Lists the files that the assets cache must hold.

The list comes from the model manifests, the builds of ONNX Runtime, media.toml, peers.toml and
cargo-deny.toml.
"""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

KINDS = ("pypi", "npm", "debian", "repository")


class ManifestError(Exception):
    """A file that lists artefacts is invalid. The message names the file and the entry."""


@dataclass(frozen=True)
class Member:
    """One file inside a package."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Source:
    """A package, or a folder of this repository, that holds the members.

    `artefact_sha256` is None for a folder, whose members are pinned. It is None for a Debian
    package too, because Debian may update its version.
    """

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
    """One file of the cache. `target` is relative to the cache, `link` to the target's folder."""

    target: Path
    sha256: str
    bytes: int
    sources: tuple[Source, ...]
    link: str | None = None
    script: Path | None = None
    #: The name that requests it with `--with`; None where it is always fetched.
    opt_in: str | None = None
    executable: bool = False


def read_all(project):
    """Reads every artefact of the project, models first."""
    setup = project / "tools" / "setup"
    found = [_model(path, project) for path in sorted((project / "models" / "manifests").glob("*.toml"))]
    for path in [*sorted(setup.glob("onnxruntime*.toml")), *setup.glob("cargo-deny.toml")]:
        found.extend(_unpacked(path))
    media, peers = setup / "media.toml", setup / "peers.toml"
    found.extend(_artefact(entry, "file", entry, media, "media") for entry in _load(media).get("media", []))
    found.extend(
        _artefact(entry, "file", entry, peers, "peers", opt_in="peers") for entry in _load(peers).get("peer", [])
    )
    targets = [artefact.target for artefact in found]
    duplicates = {str(target) for target in targets if targets.count(target) > 1}
    if duplicates:
        raise ManifestError(f"two entries write the same file: {', '.join(sorted(duplicates))}")
    return found


def read_source(path):
    """Reads a file that holds only one [source] table."""
    return _source(_require(_load(path), "source", path), path)


def _load(path):
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"{path}: {error}") from error


def _require(table, key, where):
    if key not in table:
        raise ManifestError(f"{where}: the key '{key}' is missing")
    return table[key]


def _model(path, project):
    table = _load(path)
    script = None
    if "convert" in table:
        script = project / "tools" / "convert" / _plain_name(_require(table["convert"], "script", path), path)
    opt_in = _require(table, "name", path) if table.get("opt_in", False) else None
    return _artefact(_require(table, "file", path), "path", table, path, "models", script, opt_in)


def _unpacked(path):
    """Yields the files of one package, such as a build of ONNX Runtime. Their folder has the name
    of its TOML file.
    """
    table = _load(path)
    opt_in = _require(table, "name", path) if table.get("opt_in", False) else None
    package = _source(_require(table, "source", path), path)
    for file in _require(table, "file", path):
        member = Member(_require(file, "member", path), _require(file, "sha256", path), _require(file, "bytes", path))
        source = replace(package, members=(member,))
        link = _plain_name(file["link"], path) if "link" in file else None
        target = Path(path.stem) / _plain_name(Path(member.path).name, path)
        executable = file.get("executable", False)
        yield Artefact(target, member.sha256, member.bytes, (source,), link, None, opt_in, executable)


def _artefact(file, key, table, where, folder, script=None, opt_in=None):
    name = _plain_name(_require(file, key, where), where)
    where = f"{where} ({name})"
    sources = tuple(_source(source, where) for source in _require(table, "source", where))
    if script is None and any(len(source.members) != 1 for source in sources):
        raise ManifestError(f"{where}: a source without a conversion script must have exactly one member")
    link = _plain_name(file["link"], where) if "link" in file else None
    return Artefact(
        Path(folder) / name,
        _require(file, "sha256", where),
        _require(file, "bytes", where),
        sources,
        link,
        script,
        opt_in,
    )


def _plain_name(name, where):
    """Checks that `name` is a plain file name, so that nothing is written outside the cache."""
    if not name or Path(name).name != name:
        raise ManifestError(f"{where}: '{name}' must be a plain file name")
    return name


def _source(table, where):
    kind = _require(table, "kind", where)
    if kind not in KINDS:
        raise ManifestError(f"{where}: source kind '{kind}' is unknown, expected one of {', '.join(KINDS)}")
    pinned = kind in ("pypi", "npm")
    members = tuple(
        Member(_require(member, "path", where), _require(member, "sha256", where), _require(member, "bytes", where))
        for member in table.get("member", [])
    )
    return Source(
        kind=kind,
        package=_require(table, "package", where),
        version=_require(table, "version", where) if pinned else None,
        artefact_sha256=_require(table, "artefact_sha256", where) if pinned else None,
        sdist=table.get("sdist", False),
        members=members,
    )
