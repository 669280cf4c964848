"""Lose records, acknowledge the loss as a run of land_events does, and land the next order."""

from labs import orders
from labs.recover_from_lost_offsets.lose_records import ORDER, lose_records

from shopnow.cli.endpoints import endpoints
from shopnow.events import TOPICS
from shopnow.lake.delta import commit_metadata
from shopnow.lake.ingest import landing
from shopnow.lake.ingest.data_loss import LOSSES, Acknowledgement

if __name__ == "__main__":
    conf, lake = endpoints()
    lose_records(conf)
    orders.send(conf, orders.order("lab-9", ORDER))
    approval = Acknowledgement("lab 9: deleted on purpose", "lab")
    landing.land(conf, lake, TOPICS["orders"], acknowledgement=approval)
    commit_metadata.collect(lake, LOSSES)
