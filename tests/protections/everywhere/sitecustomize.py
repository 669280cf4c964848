"""Takes the protection named by the environment out of every Python process of a test, the Spark driver's among them."""

import os

from protections.mutations import MUTATIONS

MUTATIONS[os.environ["SHOPNOW_TEST_WITHOUT"]]()
