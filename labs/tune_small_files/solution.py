"""Write the table in small commits, then compact it in one."""

from labs.tune_small_files.trickle import NAME, trickle

from shopnow.cli.endpoints import endpoints
from shopnow.lake.delta.tables import Table

if __name__ == "__main__":
    _, lake = endpoints()
    trickle(lake)
    Table(lake, NAME).open().optimize.compact()
