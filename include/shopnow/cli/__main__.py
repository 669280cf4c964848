"""`./shopnow COMMAND`: one command line for the stack, the pipeline and the proofs."""

import sys

import typer

from shopnow.cli import (
    alerts,
    bench,
    forget,
    lab,
    pipeline,
    quarantine,
    repair,
    restock,
    send,
    show,
    stack,
    test,
)
from shopnow.cli.break_stack import break_stack, undo_killed_drill
from shopnow.cli.chaos import chaos
from shopnow.cli.demo import demo
from shopnow.cli.inbox import inbox
from shopnow.cli.ledger import ledger
from shopnow.cli.output import complain
from shopnow.errors import UserError
from shopnow.settings import Settings

app = typer.Typer(
    name="shopnow",
    help=(
        "A simulated shop from Kafka through HDFS and Spark to KPIs and alerts, run by Airflow. "
        "Begin with: ./shopnow demo"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo,
    stack.up,
    stack.down,
    stack.status,
    pipeline.topics,
    send.send,
    restock.restock,
    show.show,
    pipeline.verify,
    repair.repair,
    ledger,
    inbox,
    forget.forget,
    chaos,
):
    app.command()(command)
app.command("break")(break_stack)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(alerts.app, name="alerts")
app.add_typer(bench.app, name="bench")
app.add_typer(lab.app, name="lab")
# Options after `test` belong to pytest.
app.command("test", context_settings={"ignore_unknown_options": True})(test.run_checks)


def main() -> None:
    for argument in sys.argv[1:]:
        if not argument.isprintable() and any("\ud800" <= character <= "\udfff" for character in argument):
            complain(f"argument {argument!r} is not UTF-8")
            sys.exit(2)
    try:
        undo_killed_drill(Settings.load())
        app(prog_name="./shopnow")
    except UserError as error:
        complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
