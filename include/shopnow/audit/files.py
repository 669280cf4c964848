"""Check that every file of the lake is the one that was written, and name the damaged ones."""

from shopnow.audit.context import Difference, Evidence
from shopnow.lake.maintenance import damage


def check(evidence: Evidence) -> str:
    states = damage.check(evidence.lake, evidence.report)
    damage.record_checksums(evidence.lake, states)
    damages = [found for state in states.values() for found in state.damages]
    if damages:
        raise Difference(f"{'; '.join(map(str, damages))}. Run ./shopnow repair")
    files = sum(len(state.checksums) for state in states.values())
    return f"{files:,} files of {len(states)} tables are intact"
