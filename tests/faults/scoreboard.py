"""The results of the fault suite, by fault."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from faults.oracle import Score
from support import isolated_process


class Fault(StrEnum):
    """The faults, in the order of the table; the values appear in docs/chaos.md and in `chaos --json`."""

    BROKER = "broker killed while producing, while fetching"
    NAMENODE = "NameNode killed before, during, after a commit"
    DATANODE = "DataNode killed, frozen while writing"
    LANDING = "landing killed at every kill point"
    FROZEN = "landing frozen past the commit of another run, at every kill point"
    SPARK = "Spark driver killed at every kill point"
    ENGINE = "Sail killed, frozen while it computes a small change"
    TWICE = "the same run twice, and two at once"
    BAD = "bad records, corrected and replayed"
    RETENTION = "retention removes unread records"
    RECREATED = "topic deleted and created again"
    PARTITIONS = "partitions added"
    ABORTED = "transactions aborted"
    LATE = "events minutes to weeks late, and from the future"
    SCHEMA = "schema versions alternating, unknown and incompatible ones"
    COMPACTION = "compaction while landing, killed"
    IDLE = "idle topic, then one event"
    DISK = "disk full under broker, DataNode, Spark"
    SURROUNDINGS = "supervisord's socket deleted, another folder for temporary files"
    PATH = "Airflow served below a path"
    STORM = "ten thousand hostile records, files, forms and requests"


@dataclass
class Entry:
    """The results of one fault."""

    kills: Counter[str] = field(default_factory=Counter)
    """Number of kills by place."""
    score: Score = field(default_factory=Score)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from a kill to the end of the retry that followed it."""


class Scoreboard:
    """Collects the results of the tests; `report_progress` receives one line for each result."""

    def __init__(self, seed: int, report_progress: Callable[[str], None]) -> None:
        self.seed = seed
        self.entries: dict[Fault, Entry] = {}
        self._report_progress = report_progress

    def kill(self, fault: Fault, where: str) -> None:
        entry = self._entry(fault)
        entry.kills[where] += 1
        self._report_progress(f"{fault}: {where} ({entry.kills.total()} kills)")

    def recovered(self, fault: Fault, seconds: float) -> None:
        self._entry(fault).recoveries.append(seconds)

    def judge(self, fault: Fault, score: Score) -> None:
        """Record the score, and fail the test if any record was lost, duplicated or never sent."""
        entry = self._entry(fault)
        entry.score += score
        self._report_progress(f"{fault}: {score.lost} lost, {score.duplicated} duplicated")
        assert score == Score(), f"{fault}, seed {self.seed}"

    def report(self) -> dict[str, Any]:
        """The results that `./shopnow chaos` reads."""
        faults = [_row(fault, self.entries[fault]) for fault in Fault if fault in self.entries]
        return {"seed": self.seed, "faults": faults, "hung": isolated_process.hung}

    def lines(self) -> Iterable[str]:
        """The results as lines of a text table."""
        for row in self.report()["faults"]:
            seconds = row["recovery_seconds"]
            recovery = "" if seconds is None else f"recovered in at most {seconds} s"
            counts = f"{row['kills']:>3} kills  {row['lost']} lost  {row['duplicated']} duplicated"
            yield f"{row['fault']:<50} {counts}  {recovery}"

    def _entry(self, fault: Fault) -> Entry:
        return self.entries.setdefault(fault, Entry())


def _row(fault: Fault, entry: Entry) -> dict[str, Any]:
    return {
        "fault": str(fault),
        "kills": entry.kills.total(),
        "kills_at": dict(sorted(entry.kills.items())),
        "lost": entry.score.lost,
        "duplicated": entry.score.duplicated + entry.score.unknown,
        "recovery_seconds": round(max(entry.recoveries), 1) if entry.recoveries else None,
    }
