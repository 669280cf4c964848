"""Create the topic, send a review and land it, as ./shopnow up, ./shopnow send and land_events do."""

from labs import orders
from labs.land_your_own_topic.check import TOPIC

from shopnow.broker import topics
from shopnow.cli.endpoints import endpoints
from shopnow.events import TOPICS
from shopnow.examples import example_json
from shopnow.lake.ingest import landing
from shopnow.settings import Settings

if __name__ == "__main__":
    conf, lake = endpoints()
    topics.create(conf, topics.shop_topics(Settings.load().topic_partitions))
    orders.send(conf, example_json(TOPICS[TOPIC].types[0]))
    landing.land(conf, lake, TOPICS[TOPIC])
