"""The action's own steps, run in a shell with the variables that GitHub sets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from personas.embedded import Embedded
from personas.report.markdown import COMMENT_LIMIT

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


class Runner:
    """As much of GitHub's runner as the action sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = folder / "summary.md"
        self.outputs = folder / "outputs.txt"
        self.calls = folder / "gh-calls"
        self.preview = folder / "personas-preview.md"
        (folder / "personas").symlink_to(sys.prefix)
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
            **{key: EXPRESSION.sub(lambda m: known[m[1]], value) for key, value in step["env"].items()},
        }
        # As GitHub runs `shell: bash`.
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
        return subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    (tmp_path / "catalog.json").write_bytes((ROOT / "catalog.json").read_bytes())
    return Runner(tmp_path)


def make_embedded(folder: Path) -> None:
    """An embedded service with nobody in it, where `--auth embedded` looks for it."""
    (folder / ".personas").mkdir()
    Embedded.open(folder / ".personas" / "auth.db").close()


def test_a_preview_without_secrets_looks_at_the_catalog_alone_and_writes_the_summary(runner: Runner) -> None:
    done = runner.run("Preview")

    assert (done.returncode, done.stderr) == (0, "")
    assert runner.summary.read_text(encoding="utf-8").startswith("<!-- personas-preview -->")
    assert runner.preview.stat().st_size < COMMENT_LIMIT


def test_a_preview_against_a_service_sets_every_output(runner: Runner) -> None:
    make_embedded(runner.folder)
    done = runner.run("Preview", auth="embedded", **{"seed-secret": "a secret of ours"})

    assert done.returncode == 0
    outputs = dict(line.split("=", 1) for line in runner.outputs.read_text().splitlines())
    assert outputs["changed"] == "true"
    assert outputs["create"] == "10"
    assert set(ACTION["outputs"]) <= set(outputs)


def test_a_preview_against_a_snapshot_needs_no_secret(runner: Runner) -> None:
    make_embedded(runner.folder)
    personas = Path(sys.executable).parent / "personas"
    snapshot = subprocess.run(
        [personas, "list", "--full", "-o", "json", "--auth", "embedded"],
        cwd=runner.folder,
        capture_output=True,
        check=True,
    ).stdout
    (runner.folder / "live.json").write_bytes(snapshot)

    # Several patterns stand on lines of their own.
    done = runner.run("Preview", against="live.json", only="anna\n\nresearcher\n")

    assert done.returncode == 0
    assert "create=3\n" in runner.outputs.read_text()


def test_a_service_without_credentials_fails_the_step_and_says_which_are_missing(runner: Runner) -> None:
    done = runner.run("Preview", auth="https://auth.example.com", **{"fail-on-drift": "true"})

    assert done.returncode == 4
    assert re.search(r"^::error .*no credentials", done.stdout, re.MULTILINE)
    assert "MANA_ADMIN_JWT" in done.stderr


def test_nothing_of_the_checkout_is_run(runner: Runner) -> None:
    for name in ("venv", "pip", "personas", "json", "sitecustomize"):
        (runner.folder / f"{name}.py").write_text("open('was-run', 'w').close()\n")

    assert runner.run("Preview").returncode == 0
    made = runner.folder / "elsewhere"
    made.mkdir()
    installing = STEPS["Install personas"]["run"].replace("$RUNNER_TEMP", str(made))
    first_line = next(line for line in installing.splitlines() if "venv" in line and "#" not in line)
    subprocess.run(["bash", "-c", f"{first_line} --without-pip"], cwd=runner.folder, check=True)

    assert not (runner.folder / "was-run").exists()


def test_every_python_of_the_action_is_isolated_and_every_action_of_the_workflow_pinned() -> None:
    for step in STEPS.values():
        for line in step["run"].splitlines():
            if re.search(r"python3?\"? ", line) and not line.strip().startswith("#"):
                assert re.search(r"python3?\"? -I ", line), line
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+)", workflow)
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use)] == []


def test_a_broken_catalog_fails_the_step_and_is_annotated_at_its_line(runner: Runner) -> None:
    (runner.folder / "catalog.json").write_text('{"personas": [\n  {"name": ""}\n]}')

    done = runner.run("Preview")

    assert done.returncode == 3
    assert re.search(r"^::error .*file=catalog\.json,line=2,", done.stdout, re.MULTILINE)
    assert runner.preview.stat().st_size > 0


@pytest.mark.parametrize(
    ("gh", "writing"),
    [
        ("exit 0", "--method POST repos/octo/app/issues/7/comments"),
        # More lines than a pipe holds: who stops reading early would end this program in the middle.
        (
            'case "$*" in *--paginate*) seq 4711 200000;; esac',
            "--method PATCH repos/octo/app/issues/comments/4711",
        ),
    ],
    ids=["the first", "a later one"],
)
def test_a_preview_of_a_pull_request_becomes_its_one_comment(runner: Runner, gh: str, writing: str) -> None:
    runner.preview.write_text("What would change")
    runner.fake_gh(gh)

    done = runner.run("Comment")

    assert done.returncode == 0
    listed, written = runner.calls.read_text().splitlines()
    assert "--paginate repos/octo/app/issues/7/comments" in listed
    assert writing in written
    assert f"body=@{runner.preview}" in written


def test_a_fork_that_may_not_comment_does_not_fail(runner: Runner) -> None:
    runner.preview.write_text("What would change")
    runner.fake_gh("exit 1")

    done = runner.run("Comment")

    assert done.returncode == 0
    assert "::notice" in done.stdout


def test_no_input_stands_in_a_script_where_it_could_be_run() -> None:
    assert [name for name, step in STEPS.items() if "${{" in step["run"]] == []


def test_the_hook_validates_the_file_that_it_is_given(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (tmp_path / "catalog.json").write_text(json.dumps({"personas": []}))
    name, *rest = hook["entry"].split()

    done = subprocess.run(
        [Path(sys.executable).parent / name, *rest, "catalog.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert "catalog.json:1:" in done.stdout
