"""Disable the protection that the environment names, in every Python process of a test."""

import os

from protections.mutations import MUTATIONS

MUTATIONS[os.environ["SHOPNOW_TEST_WITHOUT"]]()
