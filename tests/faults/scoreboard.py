"""What the suite measured, by fault."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from support import isolated_process
from faults.oracle import Score


class Fault(StrEnum):
    """The faults, in the order of the table."""

    BROKER = "broker killed while producing, while fetching"
    NAMENODE = "NameNode killed before, during, after a commit"
    DATANODE = "DataNode killed, frozen while writing"
    LANDING = "landing killed at every kill point"
    SPARK = "Spark driver killed at every kill point"
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


@dataclass
class Entry:
    """Everything measured of one fault."""

    kills: Counter[str] = field(default_factory=Counter)
    """By where they hit."""
    score: Score = field(default_factory=Score)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from each kill that was followed by a retry to the end of that."""
    skipped: str = ""


class Scoreboard:
    """Collects what the tests measure; `tell` is given a line for each thing that happens."""

    def __init__(self, seed: int, tell: Callable[[str], None]) -> None:
        self.seed = seed
        self.entries: dict[Fault, Entry] = {}
        self._tell = tell

    def kill(self, fault: Fault, where: str) -> None:
        entry = self._entry(fault)
        entry.kills[where] += 1
        self._tell(f"{fault}: {where} ({entry.kills.total()} kills)")

    def recovered(self, fault: Fault, seconds: float) -> None:
        self._entry(fault).recoveries.append(seconds)

    def judge(self, fault: Fault, score: Score) -> None:
        """Notes the score, and fails the test if anything was lost, duplicated or made up."""
        entry = self._entry(fault)
        entry.score += score
        self._tell(f"{fault}: {score.lost} lost, {score.duplicated} duplicated")
        assert score == Score(), f"{fault}, seed {self.seed}"

    def skip(self, fault: Fault, reason: str) -> None:
        self._entry(fault).skipped = reason

    def report(self) -> dict[str, Any]:
        """As `./shopnow chaos --json` prints it."""
        faults = [_row(fault, self.entries[fault]) for fault in Fault if fault in self.entries]
        return {"seed": self.seed, "faults": faults, "hung": isolated_process.hung}

    def lines(self) -> Iterable[str]:
        """As a table of text."""
        for row in self.report()["faults"]:
            seconds = (
                "" if row["recovery_seconds"] is None else f"recovered in at most {row['recovery_seconds']} s"
            )
            counts = f"{row['kills']:>3} kills  {row['lost']} lost  {row['duplicated']} duplicated"
            yield f"{row['fault']:<50} {row['skipped'] or f'{counts}  {seconds}'}"

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
        "skipped": entry.skipped,
    }
