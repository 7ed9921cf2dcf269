"""The steps of action.yml, run in a shell with the variables that GitHub sets."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import run

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


class Runner:
    """The part of GitHub's runner that the action uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = folder / "summary.md"
        self.outputs = folder / "outputs.txt"
        self.calls = folder / "gh-calls"
        self.preview = folder / "personas-preview.md"
        (folder / "fake").mkdir()

    def fake_gh(self, script: str) -> None:
        gh = self.folder / "fake" / "gh"
        gh.write_text(f'#!/bin/sh\necho "$*" >> {self.calls}\n{script}\n')
        gh.chmod(0o755)

    def run(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        defaults = {key: str(value["default"]) for key, value in ACTION["inputs"].items()}
        known = {f"inputs.{key}": value for key, value in {**defaults, **inputs}.items()}
        known |= {
            "github.action_path": str(ROOT),
            "github.token": "ghs_token",
            "github.repository": "octo/app",
            "github.event.pull_request.number": "7",
        }
        environ = {
            "PATH": f"{self.folder / 'fake'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.outputs),
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_ENV": str(self.folder / "env.txt"),
            "PERSONAS_PYTHON": sys.executable,
            **{key: EXPRESSION.sub(lambda m: known[m[1]], value) for key, value in step["env"].items()},
        }
        # As GitHub runs `shell: bash`.
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        options: Any = {"cwd": self.folder, "env": environ, "capture_output": True, "text": True}
        return subprocess.run(command, check=False, timeout=60, **options)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "catalog.json", tmp_path)
    return Runner(tmp_path)


def test_preview_without_a_service_checks_only_the_catalog(runner: Runner) -> None:
    # Nothing of the checkout is run.
    for name in ("venv", "pip", "personas", "json", "sitecustomize"):
        (runner.folder / f"{name}.py").write_text("open('was-run', 'w').close()\n")
    done = runner.run("Preview")
    assert (done.returncode, done.stderr) == (0, "")
    assert runner.summary.read_text(encoding="utf-8").startswith("<!-- personas-preview -->")
    assert runner.preview.exists()
    assert not (runner.folder / "was-run").exists()


def test_preview_with_a_service_sets_every_output(runner: Runner) -> None:
    assert run("seed", "--auth", "embedded", "--only", "anna").code == 0
    done = runner.run("Preview", auth="embedded", **{"seed-secret": "dev-persona-seed-secret-rotate-in-prod"})
    assert done.returncode == 0
    outputs = dict(line.split("=", 1) for line in runner.outputs.read_text().splitlines())
    assert outputs["changed"] == "true"
    assert outputs["create"] == "9"
    assert set(ACTION["outputs"]) <= set(outputs)


def test_preview_with_a_snapshot_needs_no_secret(runner: Runner) -> None:
    assert run("seed", "--auth", "embedded", "--only", "jonas").code == 0
    live = run("list", "-o", "json", "--auth", "embedded").out
    (runner.folder / "live.json").write_text(live, encoding="utf-8")
    # One pattern a line.
    done = runner.run("Preview", snapshot="live.json", only="anna\n\nresearcher\r\n")
    assert done.returncode == 0
    assert "create=3\n" in runner.outputs.read_text()


def test_service_without_credentials_fails_the_step(runner: Runner) -> None:
    done = runner.run("Preview", auth="https://auth.example.com", **{"fail-on-drift": "true"})
    assert done.returncode == 4
    assert re.search(r"^::error.*MANA_ADMIN_JWT", done.stdout, re.MULTILINE)


def test_broken_catalog_fails_the_step_with_an_annotation(runner: Runner) -> None:
    (runner.folder / "catalog.json").write_text('{"personas": [\n  {"name": ""}\n]}')
    done = runner.run("Preview")
    assert done.returncode == 3
    assert re.search(r"^::error .*file=catalog\.json,line=2,", done.stdout, re.MULTILINE)
    assert runner.preview.stat().st_size > 0


def test_python_runs_isolated_and_no_input_is_part_of_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step["run"]
        for line in step["run"].splitlines():
            if re.match(r'\s*(if )?"\S*(python|PYTHON|candidate)" ', line):
                assert re.search(r'(python|PYTHON|candidate)" -I ', line), line


@pytest.mark.parametrize(("version", "code"), [("3.10", 1), ("3.11", 0)])
def test_install_needs_a_python_of_the_right_version(runner: Runner, version: str, code: int) -> None:
    """A fake `python3` answers the version question, makes the folder of a venv, and accepts pip."""
    for name in ("python3", "python", "python3.14", "python3.13", "python3.12", "python3.11"):
        fake = runner.folder / "fake" / name
        fake.write_text(
            f"""#!/bin/sh
case "$*" in
  *version_info*) test {version} = 3.11 ;;
  *venv*) mkdir -p "$RUNNER_TEMP/personas/Scripts"; cp "$0" "$RUNNER_TEMP/personas/Scripts/python" ;;
esac
"""
        )
        fake.chmod(0o755)
    done = runner.run("Install personas")
    assert done.returncode == code
    if code:
        assert "::error title=personas::Python 3.11 or newer is required" in done.stdout
    else:
        assert (runner.folder / "env.txt").read_text().endswith("/personas/Scripts/python\n")


def test_workflow_pins_every_action() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+)", workflow)
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use)] == []


@pytest.mark.parametrize(
    ("gh", "writing"),
    [
        ("exit 0", "--method POST repos/octo/app/issues/7/comments"),
        # More lines than a pipe holds: a reader that stops early would end `gh` with an error.
        (
            'case "$*" in *--paginate*) seq 4711 200000;; esac',
            "--method PATCH repos/octo/app/issues/comments/4711",
        ),
    ],
    ids=["the first", "a later one"],
)
def test_pull_request_has_one_comment_per_key(runner: Runner, gh: str, writing: str) -> None:
    runner.preview.write_text("<!-- personas-preview -->\nWhat would change\n")
    runner.fake_gh(gh)
    for key, marker in [("", "<!-- personas-preview -->"), ("staging", "<!-- personas-preview staging -->")]:
        runner.calls.unlink(missing_ok=True)
        done = runner.run("Comment", **{"comment-key": key})
        assert done.returncode == 0, done.stderr
        listed, written = runner.calls.read_text().splitlines()
        assert "--paginate repos/octo/app/issues/7/comments" in listed
        assert marker in listed
        assert writing in written
        comment = Path(written.partition("body=@")[2])
        assert comment.read_text() == f"{marker}\nWhat would change\n"


@pytest.mark.parametrize(
    ("key", "code", "printed"),
    [
        ("a --> b", 1, "::error title=personas::comment-key may contain"),
        ("", 0, "::notice"),  # a fork may not comment
    ],
)
def test_comment_that_is_not_written(runner: Runner, key: str, code: int, printed: str) -> None:
    runner.preview.write_text("<!-- personas-preview -->\n")
    runner.fake_gh("exit 1")
    done = runner.run("Comment", **{"comment-key": key})
    assert done.returncode == code
    assert printed in done.stdout


def test_pre_commit_hook_validates_the_given_file(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (tmp_path / "catalog.json").write_text(json.dumps({"personas": []}))
    program, *arguments = hook["entry"].split()
    done = run(*arguments, str(tmp_path / "catalog.json"))
    assert (program, done.code) == ("personas", 3)
    assert "catalog.json:1:" in done.out
