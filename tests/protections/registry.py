"""Which protection each fault is survived by, and a test that has to fail without it."""

from typing import NamedTuple


class Protection(NamedTuple):
    row: int
    """Of the list of faults."""
    fault: str
    mutation: str
    """In `protections.mutations`, whose docstring says what happens instead."""
    test: str
    options: tuple[str, ...] = ()


def _seed(number: int) -> tuple[str, ...]:
    """A seed of the fault suite that lets the kill come where the protection matters."""
    return (f"--chaos-seed={number}",)


_FAULTS, _INTEGRATION = "tests/faults", "tests/integration"

PROTECTIONS = (
    Protection(
        1,
        "broker killed while producing",
        "events_without_a_transaction",
        f"{_INTEGRATION}/test_traffic.py::test_killed_twenty_times_a_run_ends_with_neither_gap_nor_duplicate",
    ),
    Protection(
        1,
        "broker killed while fetching",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_services.py::test_broker_killed_while_fetching",
        _seed(1),
    ),
    Protection(
        2,
        "NameNode killed",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_services.py::test_namenode_killed_before_during_and_after_a_commit",
        _seed(1),
    ),
    Protection(
        3,
        "DataNode frozen",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_services.py::test_datanode_frozen_while_writing",
        _seed(1),
    ),
    Protection(
        3,
        "a writer's lease is left behind",
        "leftovers_stay",
        f"{_INTEGRATION}/test_stale_commits.py::test_the_file_of_a_dead_writer_is_taken_away_before_the_next_commit",
    ),
    Protection(
        4, "landing killed", "no_offsets_in_commits", f"{_FAULTS}/test_landing.py::test_killed_at_every_point"
    ),
    Protection(
        4, "landing killed", "offsets_before_rows", f"{_FAULTS}/test_landing.py::test_killed_at_every_point"
    ),
    Protection(
        5,
        "Spark driver killed",
        "kpi_rows_bit_by_bit",
        f"{_FAULTS}/test_spark_driver.py::test_killed_at_every_point",
        _seed(4),
    ),
    Protection(
        6,
        "a task that sends alerts killed",
        "messages_marked_before_they_are_sent",
        f"{_INTEGRATION}/test_alerts.py::test_a_run_killed_anywhere_and_tried_again_sends_everything_and_repeats_at_most_once",
    ),
    Protection(
        7,
        "the same run twice",
        "landed_offsets_ignored",
        f"{_FAULTS}/test_landing.py::test_a_second_run_commits_nothing",
    ),
    Protection(
        7, "two runs at once", "no_offsets_in_commits", f"{_FAULTS}/test_landing.py::test_two_runs_at_once"
    ),
    Protection(
        8,
        "an old day made again",
        "days_always_made_anew",
        f"{_INTEGRATION}/test_rebuild.py::test_a_sound_day_is_left_alone_and_a_damaged_one_restored",
    ),
    Protection(
        9,
        "bad records",
        "bad_records_taken_for_good",
        f"{_FAULTS}/test_topics.py::test_bad_records_are_kept_and_replayed_once",
    ),
    Protection(
        9,
        "too many bad records",
        "any_share_of_bad_records",
        f"{_INTEGRATION}/test_data_loss.py::test_too_many_bad_records_stop_the_landing",
    ),
    Protection(
        10,
        "unread records expire",
        "losses_passed_over",
        f"{_FAULTS}/test_topics.py::test_retention_removes_unread_records",
    ),
    Protection(
        11,
        "topic made anew",
        "topics_known_by_name",
        f"{_FAULTS}/test_topics.py::test_topic_deleted_and_created_again",
    ),
    Protection(
        12,
        "partitions added",
        "new_partitions_read_from_their_end",
        f"{_FAULTS}/test_topics.py::test_partitions_added",
    ),
    Protection(
        13,
        "transactions aborted",
        "aborted_records_read",
        f"{_FAULTS}/test_topics.py::test_aborted_transactions",
    ),
    Protection(
        14,
        "late events",
        "events_on_the_day_they_came",
        f"{_INTEGRATION}/test_late_events.py::test_late_events_restate_what_was_published",
    ),
    Protection(
        15,
        "incompatible records",
        "incompatible_records_taken_for_good",
        f"{_INTEGRATION}/test_schema_versions.py::test_compatible_records_evolve_the_tables_and_others_are_quarantined",
    ),
    Protection(
        16,
        "compaction that writes other rows",
        "compacted_files_not_read_back",
        f"{_INTEGRATION}/test_compaction.py::test_files_that_do_not_hold_the_rows_read_are_refused",
    ),
    Protection(
        16,
        "two compactions at once",
        "replaced_without_a_look",
        f"{_INTEGRATION}/test_compaction.py::test_what_others_do_meanwhile_is_neither_lost_nor_undone",
    ),
    Protection(
        17,
        "one event after a pause",
        "landed_when_enough_came",
        f"{_FAULTS}/test_topics.py::test_idle_topic_then_one_event",
    ),
    Protection(
        18,
        "mail down",
        "messages_marked_before_they_are_sent",
        f"{_INTEGRATION}/test_alerts.py::test_mail_that_is_down_loses_nothing_and_holds_back_no_slack",
    ),
    Protection(
        19,
        "disk full under the DataNode",
        "errors_of_hdfs_as_they_come",
        f"{_FAULTS}/test_disks.py::test_full_disk_under_the_datanode",
    ),
)
