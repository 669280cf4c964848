"""Removal of what runs and services leave behind, once it is older than the history that is kept."""
