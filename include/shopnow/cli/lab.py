"""`lab`: exercises on the running stack and on the code, each with a check and a solution.

`./shopnow` runs this module by itself, without the other commands: they import the code that a learner is
changing, and a half-done change must not break the command that checks it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown

from shopnow.cli import lab_catalog
from shopnow.cli.lab_catalog import Lab
from shopnow.cli.output import Json, complain, print_json, print_table, say
from shopnow.errors import UserError
from shopnow.settings import ROOT

Number = Annotated[int, typer.Argument(metavar="N", help="Number of the lab.")]

app = typer.Typer(
    help="Exercises, each with steps, a check and a solution: list, show, check, solution.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("list")
def list_labs(as_json: Json = False) -> None:
    """List the labs."""
    labs = lab_catalog.labs()
    if as_json:
        print_json({"labs": [_describe(lab) for lab in labs]})
    else:
        rows = [(lab.number, lab.title, f"{lab.minutes} min", lab.goal) for lab in labs]
        print_table("Labs", ("lab", "title", "time", "goal"), rows)
        say("Begin with: ./shopnow lab show 1")


@app.command()
def show(number: Number, as_json: Json = False) -> None:
    """Show goal, steps and hints of a lab."""
    lab = lab_catalog.find(number)
    text = lab.page.read_text(encoding="utf-8")
    if as_json:
        print_json({**_describe(lab), "text": text})
    elif sys.stdout.isatty():
        Console().print(Markdown(text))
    else:
        say(text)


@app.command()
def check(number: Number, as_json: Json = False) -> None:
    """Check whether a lab is done: what is met, what is missing and what to do next; exit 1 if not done."""
    lab = lab_catalog.find(number)
    requirements = run_check(lab)
    missing = [requirement for requirement in requirements if not requirement["is_met"]]
    if as_json:
        print_json({"lab": number, "done": not missing, "requirements": requirements})
    else:
        print_table(
            f"Lab {number}: {lab.title}",
            ("", "requirement"),
            [("met" if row["is_met"] else "MISSING", row["text"]) for row in requirements],
        )
    if missing:
        complain(f"lab {number} is not done yet. Next: {missing[0]['next_step']}")
        sys.exit(1)
    if not as_json:
        say(f"Lab {number} is done.")


@app.command()
def solution(
    number: Number,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the code, or run the program, after a confirmation.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Show the solution of a lab, or apply it."""
    lab = lab_catalog.find(number)
    if as_json:
        print_json({"lab": number, "files": {path.name: path.read_text() for path in _files(lab)}})
    else:
        for path in _files(lab):
            say(f"{path.relative_to(ROOT)}:\n\n{path.read_text()}")
    if not apply:
        return
    if not yes and not typer.confirm(f"Apply the solution of lab {number}?", err=True):
        sys.exit(1)
    if lab.patch:
        apply_patch(lab.patch, ROOT)
    if lab.script and _run_module(lab, "solution", stdout=sys.stderr).returncode != 0:
        raise UserError(f"the solution of lab {number} failed; its message is above")
    if not as_json:
        say(f"Applied. Next: ./shopnow lab check {number}")


def run_check(lab: Lab) -> list[dict[str, Any]]:
    """Run the check of a lab on the code of its checkout; return its requirements.

    Raises:
        UserError: the check ended without a result.
    """
    process = _run_module(lab, None, stdout=subprocess.PIPE)
    try:
        return json.loads(process.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise UserError(
            f"the check of lab {lab.number} ended with code {process.returncode} and without a result; "
            "run ./shopnow status, then check again"
        ) from None


def apply_patch(patch: Path, root: Path) -> None:
    """Change the code of a checkout.

    Raises:
        UserError: git is missing, or the code has changed where the patch changes it.
    """
    # Outside a repository as well, and without git looking for one in the folders above.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)}
    try:
        done = subprocess.run(
            ["git", "apply", "--recount", str(patch)],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise UserError(
            "git is not installed: install it, or make the changes of the patch by hand"
        ) from None
    if done.returncode != 0:
        raise UserError(
            f"the solution does not fit your code: {done.stderr.strip()}; put your own changes aside with "
            "git stash, then apply it again"
        )


def _run_module(lab: Lab, module: str | None, stdout: Any) -> subprocess.CompletedProcess[str]:
    """Run a module of the lab's folder in its checkout; the check if None."""
    root = lab.folder.parents[1]
    python_path = os.pathsep.join(str(root / folder) for folder in ("", "include", "spark_apps"))
    arguments = ["labs", lab.folder.name] if module is None else [f"labs.{lab.folder.name}.{module}"]
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": python_path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=stdout,
        text=True,
        check=False,
    )


def _files(lab: Lab) -> list[Path]:
    return [path for path in (lab.patch, lab.script) if path]


def _describe(lab: Lab) -> dict[str, Any]:
    return {"number": lab.number, "title": lab.title, "minutes": lab.minutes, "goal": lab.goal}


def main() -> None:
    """Run the command without the others; see above."""
    try:
        app(sys.argv[2:], prog_name="./shopnow lab")
    except UserError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
